"""Tables of a lifetime: what is printed, and what is written."""

from __future__ import annotations

import json
import math

import pandas as pd

from analysis.lifetime.break_even import BreakEven, BreakEvenKind
from analysis.lifetime.lifetime import Lifetime
from analysis.lifetime.load import VARIANT
from analysis.lifetime.means import Mean
from analysis.lifetime.sentences import ESTIMATED_POWER, energy_words, images_range, images_text
from analysis.lifetime.use import Use
from analysis.lifetime.variants import Variant
from analysis.wording import join_words


def break_even_text(found: BreakEven) -> str:
    """Return a break-even in a few words."""
    if found.low == 0 and math.isinf(found.high):
        return "not told apart"
    doubt = "" if found.is_certain else ", not certain"
    if found.outcome is BreakEvenKind.NEVER:
        later = f" (if ever: {images_text(found.low)} or more)" if not found.is_certain and found.low > 0 else ""
        return f"never{doubt}{later}"
    if found.outcome is BreakEvenKind.ALWAYS:
        return f"from the first{doubt}"
    interval = "no interval" if math.isnan(found.low) else images_range(found.low, found.high)
    word = "from" if found.outcome is BreakEvenKind.FROM else "until"
    return f"{word} {images_text(found.n_images)} ({interval})"


def variants_table(lifetime: Lifetime) -> pd.DataFrame:
    """Return one row per variant, as text: accuracy, training, use, and break-even with full precision."""
    bases = {each.other.label for each in lifetime.with_full_precision}
    found = {(each.variant.key, each.other.label): each for each in lifetime.with_full_precision}
    rows = []
    for variant in lifetime.variants:
        row = {
            "schedule": variant.label,
            "ran with": variant.precision,
            "seeds": f"{variant.n_deployed_seeds}/{variant.n_seeds}",
            "accuracy %": _with_interval(variant.accuracy.scaled(100), ".2f"),
            "training g": _with_interval(variant.training.scaled(1000), ".3g"),
            "mJ/image": _with_interval(variant.energy_uj.scaled(1e-3), ".3g")
            + (" pooled" if variant.is_pooled else ""),
            "use g/million": _with_interval(variant.use.scaled(1e9), ".3g"),
        }
        for base in sorted(bases):
            own = found.get((variant.key, base))
            row[f"less than {base}"] = "-" if own is None else break_even_text(own)
        rows.append(row)
    return pd.DataFrame(rows)


def _with_interval(mean: Mean, style: str) -> str:
    half = mean.half_width()
    return f"{mean.value:{style}}" if math.isnan(half) else f"{mean.value:{style}} ± {half:.2g}"


def deployments_table(use: Use) -> pd.DataFrame:
    """Return one row per deployed network, as text: what ran, its time and energy, its accuracy and its size."""
    words = energy_words(use.axis)
    rows = []
    for _, own in use.rows.groupby(VARIANT):
        first = own.iloc[0]
        by_seed = own.groupby("config_seed")[["deployed_test_accuracy", "simulated_test_accuracy", "same_class"]].mean()
        deployed, simulated, same = (f"{100 * value:.2f}" for value in by_seed.mean())
        rows.append({
            "network": first["label"],
            "ran with": _text(first["precision_class"]) or first["float_precision"],
            "primitive": ", ".join(_primitives(own)) or "-",
            "us/image (measured)": _grouped(own["time_per_image_us"]),
            f"uJ/image ({words})": _grouped(own["energy_per_image_uj"]),
            "accuracy %: deployed / simulated": f"{deployed} / {simulated}",
            "same class %": same,
            "file / packed weights KiB": f"{_kib(own['file_bytes'])} / {_kib(own['packed_weight_bytes'])}",
            "integer layers": f"{first['n_integer_layers']:.0f} of {first['n_layers']:.0f}",
            "QUANTIZED LAYERS IN FLOAT": _text(first["float_fallbacks"]) or "none",
        })  # fmt: skip
    return pd.DataFrame(rows)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _grouped(values: pd.Series) -> str:
    mean = values.mean()
    return f"{mean:,.0f}" if mean >= 1000 else f"{mean:.3g}"


def _kib(sizes: pd.Series) -> str:
    return "-" if sizes.isna().all() else f"{sizes.mean() / 1024:.0f}"


def _primitives(rows: pd.DataFrame) -> list[str]:
    """Return the primitives of the quantized layers, or of a network without any, those of all."""
    found = set()
    for text, its_class in zip(rows["executed_layers"], rows["precision_class"], strict=True):
        wanted = _text(its_class).split("+") if _text(its_class) else None
        layers = json.loads(text) if isinstance(text, str) else {}
        found |= {primitive for precision, primitive in layers.values() if wanted is None or precision in wanted}
    return sorted(found)


def fronts_table(lifetime: Lifetime) -> pd.DataFrame:
    """Return the front of each number of images, as text."""
    own = lifetime.fronts[lifetime.fronts["on_front"]].sort_values(
        ["n_images", "deployed_test_accuracy"], ascending=[True, False], kind="stable"
    )
    return pd.DataFrame({
        "images": own["n_images"].map(images_text).where(~own["n_images"].duplicated(), ""),
        "front": own["label"],
        "accuracy %": own["deployed_test_accuracy"].map(lambda value: f"{100 * value:.2f}"),
        "lifetime g": own["lifetime_kg_co2eq"].map(lambda value: f"{1000 * value:.4g}"),
        "P(front)": own["on_front_probability"].map(lambda value: "-" if math.isnan(value) else f"{value:.2f}"),
        "verdict": own["verdict"].map(str),
        "as cheap, more accurate": own["as_cheap"].map(lambda names: join_words(names.split("; "), most=3) or "-"),
    })  # fmt: skip


def neighbours_table(lifetime: Lifetime) -> pd.DataFrame:
    """Return the break-even of the neighbours on the fronts, as text."""
    return pd.DataFrame({
        "schedule": [each.variant.label for each in lifetime.with_neighbours],
        "emits less than": [each.other.label for each in lifetime.with_neighbours],
        "images": [break_even_text(each) for each in lifetime.with_neighbours],
    })  # fmt: skip


def written_fronts(lifetime: Lifetime) -> pd.DataFrame:
    """Return `lifetime.csv`: one row per number of images and variant, in kg, with what the energy is."""
    axis = lifetime.axis
    best = {
        (segment.variant.key, number)
        for own in lifetime.segments.values()
        for segment in own
        for number in lifetime.fronts["n_images"].unique()
        if segment.begin <= number and (number < segment.end or segment is own[-1])
    }
    frame = lifetime.fronts
    is_best = [pair in best for pair in zip(frame["variant"], frame["n_images"], strict=True)]
    return frame.drop(columns="variant").assign(
        is_best_of_a_floor=is_best, runtime=axis.runtime, batch_size=axis.batch_size, use_g_per_kwh=axis.g_per_kwh,
        use_energy=ESTIMATED_POWER if axis.is_power_estimated else str(axis.kind),
        training_energy=str(axis.training_kind),
    )  # fmt: skip


def written_break_evens(lifetime: Lifetime) -> pd.DataFrame:
    """Return `break_even.csv`: one row per pair; an upper end that is infinite is ``inf``."""
    pairs = [("full precision", lifetime.with_full_precision), ("neighbour", lifetime.with_neighbours)]
    return pd.DataFrame([_row(kind, each) for kind, found in pairs for each in found])


def _row(kind: str, found: BreakEven) -> dict[str, object]:
    return {
        "compared_with": kind, "label": found.variant.label, "other": found.other.label, "outcome": str(found.outcome),
        "is_certain": found.is_certain, "n_images": found.n_images, "n_images_low": found.low,
        "n_images_high": found.high, **_costs("", found.variant), **_costs("other_", found.other),
    }  # fmt: skip


def _costs(prefix: str, variant: Variant) -> dict[str, object]:
    return {
        f"{prefix}training_kg_co2eq": variant.training.value,
        f"{prefix}energy_per_image_uj": variant.energy_uj.value,
        f"{prefix}is_pooled": variant.is_pooled,
    }
