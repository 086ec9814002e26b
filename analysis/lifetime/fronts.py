"""Fronts of deployed accuracy against lifetime emissions, for numbers of images, and how sure each is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.fronts.pareto import is_nondominated, to_costs
from analysis.lifetime.load import ENERGY, VARIANT
from analysis.lifetime.training import TRAINING
from analysis.lifetime.variants import ACCURACY, Variant, is_as_cheap
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import Objective
from analysis.uncertainty.front import front_uncertainty

LIFETIME, USE = "lifetime_kg_co2eq", "use_kg_co2eq"
OBJECTIVES = (Objective(ACCURACY, "maximize"), Objective(LIFETIME, "minimize"))
PLACES = ["on_front_probability", "verdict", "dominated_by"]


def replicate_frame(rows: pd.DataFrame, done: pd.DataFrame, variants: Sequence[Variant]) -> pd.DataFrame:
    """Return what each variant cost with each deployed seed.

    The cost per image of a seed is that of its group: its mean, and what the group's measurements with
    this seed lie above or below that of all its measurements with the variant's seeds. So repetitions spread the
    lifetime of variants of different groups and cannot rank those of one.

    Args:
        rows: From `analysis.lifetime.load.choose_measurements`.
        done: Finished trials with a column ``training_kg_co2eq``.
        variants: From `analysis.lifetime.variants.make_variants`.

    Returns:
        ``configuration`` (the variant), ``schedule`` (its label), ``config_seed``, ``deployed_test_accuracy``,
        ``training_kg_co2eq``, ``use_kg_co2eq`` per image.
    """
    by_key = {variant.key: variant for variant in variants}
    group = rows[VARIANT].map(lambda key: by_key[key].group)
    by_group = rows.groupby([group.rename("group"), "config_seed"])[ENERGY].mean()
    trained = done.groupby([CONFIGURATION, "config_seed"])[TRAINING].mean()
    frames = []
    for key, own in rows.groupby(VARIANT):
        variant = by_key[int(str(key))]
        accuracy = own.groupby("config_seed")[ACCURACY].mean()
        energy = by_group[variant.group].loc[accuracy.index]
        training = trained[variant.configuration]
        share = variant.training.value - float(training.mean())
        frames.append(
            pd.DataFrame({
                CONFIGURATION: variant.key,
                "schedule": variant.label,
                "config_seed": accuracy.index,
                ACCURACY: accuracy.to_numpy(),
                TRAINING: training.loc[accuracy.index].to_numpy() + share,
                USE: variant.use.value * (1 + (energy / energy.mean() - 1).to_numpy()),
            })
        )  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    bits = pd.Series([()] * len(frame), dtype=object)  # the label is all that tells variants apart
    return frame.assign(bit_widths=bits, act_bit_widths=bits)


def fronts_over_images(
    replicates: pd.DataFrame, variants: Sequence[Variant], numbers: Sequence[float], *, n_resamples: int = 1000
) -> pd.DataFrame:
    """Return the place of each variant for each number of images.

    Test accuracy of the deployed network decides and is reported: what was chosen by it looks better than it is.

    Args:
        replicates: From `replicate_frame`.
        variants: The variants.
        numbers: Numbers of images.
        n_resamples: Bootstrap resamples of the seeds.

    Returns:
        One row per number and variant: ``n_images``, ``variant``, ``label``, ``deployed_test_accuracy``,
        ``training_kg_co2eq``, ``use_kg_co2eq`` (of all images), ``lifetime_kg_co2eq`` with ends of its 95 % interval,
        ``on_front`` by the means, ``as_cheap`` (more accurate variants of the same group that count as emitting no
        more, joined by "; "), ``is_choice`` (on the front and none as cheap), ``on_front_probability``, ``verdict``,
        ``dominated_by`` (see `analysis.uncertainty.front.front_uncertainty`).
    """
    frames = []
    for number in numbers:
        at = replicates.assign(**{LIFETIME: replicates[TRAINING] + number * replicates[USE]})
        means = at.groupby(CONFIGURATION)[[ACCURACY, TRAINING, LIFETIME]].mean()
        places = front_uncertainty(at, OBJECTIVES, n_resamples=n_resamples)
        own = pd.DataFrame({
            "n_images": number, VARIANT: [v.key for v in variants], "label": [v.label for v in variants],
            "schedule": [v.schedule for v in variants], "family": [v.family for v in variants],
            "precision_class": [v.precision for v in variants],
        }, index=[v.key for v in variants])  # fmt: skip
        own = own.join(means)
        own["use_kg_co2eq"] = own[LIFETIME] - own[TRAINING]
        own["on_front"] = is_nondominated(to_costs(own, OBJECTIVES))
        own["as_cheap"] = ["; ".join(_as_cheap(variant, variants, number)) for variant in variants]
        own["is_choice"] = own["on_front"] & (own["as_cheap"] == "")
        frames.append(own.join(places[[*PLACES, f"{LIFETIME}_low", f"{LIFETIME}_high"]]))
    return pd.concat(frames, ignore_index=True)


def choices_over_images(variants: Sequence[Variant], numbers: Sequence[float]) -> list[list[int]]:
    """Return the keys on the front of means for each number of images, the least emissions first.

    What has a more accurate one of its group that counts as emitting no more is left out, as in ``is_choice``.
    """
    found = []
    for number in numbers:
        costs = pd.DataFrame({ACCURACY: [v.accuracy.value for v in variants],
                              LIFETIME: [v.lifetime_kg(number) for v in variants]})  # fmt: skip
        members = [v for v, is_member in zip(variants, is_nondominated(to_costs(costs, OBJECTIVES)), strict=True)
                   if is_member]  # fmt: skip
        kept = [variant for variant in members if not _as_cheap(variant, variants, number)]
        found.append([variant.key for variant in sorted(kept, key=lambda each: each.lifetime_kg(number))])
    return found


def _as_cheap(variant: Variant, variants: Sequence[Variant], n_images: float) -> list[str]:
    return [
        other.label
        for other in variants
        if other.accuracy.value > variant.accuracy.value and is_as_cheap(other, variant, n_images)
    ]
