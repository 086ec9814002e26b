"""What a report says of a single configuration: its facts, and its curves at few points."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd

from analysis.effects.curves import QUANTITIES
from analysis.energy.sources import Sources, sources_text
from analysis.figures.style import Axis, make_axis
from analysis.report.evidence import Evidence, Missing
from analysis.report.formatting import Values, interval_text, plain, rounded
from analysis.report.provenance import Facts
from analysis.runs.networks import bits_text
from analysis.wording import per_cent


def objective_axes(evidence: Evidence) -> list[Axis]:
    """Return how the axes of the front are written."""
    return [make_axis(axis, evidence.done[axis.column]) for axis in evidence.objectives]


def describe(evidence: Evidence) -> dict[int, Facts]:
    """Return what is known of each configuration, by its key: pairs of a term and its text."""
    axes = objective_axes(evidence)
    origins = _origins(evidence.ledgers)
    ends = [f"{axis.column}{end}" for axis in axes for end in ("", "_low", "_high")]
    columns = [
        "label",
        "bit_widths",
        "act_bit_widths",
        "family",
        "n_seeds",
        "verdict",
        "dominated_by",
        "on_front_probability",
        *ends,
    ]
    rows = evidence.front[[column for column in columns if column in evidence.front]]
    return {
        configuration: [
            *_identity(row),
            *((axis.name, interval_text(row, axis)) for axis in axes),
            *_verdict(row),
            *origins.get(configuration, []),
        ]
        for configuration, row in zip(rows.index.tolist(), rows.to_dict("records"), strict=True)
    }


def _identity(row: Any) -> Facts:
    bits, acts = bits_text(row["bit_widths"]), bits_text(row["act_bit_widths"])
    text = bits if acts == bits else f"{bits}, activations {acts}"
    return [
        ("configuration", str(row["label"])),
        ("bits per unit", text),
        ("family", str(row["family"]).replace("_", " ")),
        ("seeds", str(int(row["n_seeds"]))),
    ]


def verdict_text(row: Any) -> str:
    """Return the verdict on a configuration, with what dominates it."""
    by = row.get("dominated_by")
    return f"{row['verdict']} by {by}" if isinstance(by, str) and by else str(row["verdict"])


def probability_text(row: Any) -> str:
    """Return the bootstrap probability of being on the front; with one seed there is none."""
    share = row.get("on_front_probability", math.nan)
    return per_cent(float(share))


def _verdict(row: Any) -> Facts:
    return [("verdict", verdict_text(row)), ("share of resamples on the front", probability_text(row))]


def _origins(ledgers: pd.DataFrame | Missing) -> dict[int, Facts]:
    """Return of each configuration where its energy comes from, and how much of its training the meter saw."""
    if isinstance(ledgers, Missing):
        return {}
    found = ledgers[["sources", "coverage"]].itertuples(name=None)
    return {int(configuration): _origin(sources, coverage) for configuration, sources, coverage in found}


def _origin(sources: Sources, coverage: float) -> Facts:
    seen = per_cent(coverage, 1)
    return [
        ("energy sources", sources_text(sources) or "not measured"),
        ("coverage of the training time", f"at least {seen}"),
    ]


def hover_texts(facts: dict[int, Facts]) -> dict[int, str]:
    """Return the text that is shown when a point is pointed at."""
    texts = {}
    for number, ((_, label), *pairs) in facts.items():
        lines = [f"<b>{plain(label)}</b>", *(f"{plain(term)}: {_wrapped(text)}" for term, text in pairs)]
        texts[number] = "<br>".join(lines)
    return texts


def _wrapped(text: str, width: int = 46) -> str:
    """Return escaped text in lines that fit a phone."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return "<br>   ".join(map(plain, lines))


def detail_curves(evidence: Evidence) -> dict[str, Values]:
    """Return the curves of the shown configurations by label: epochs, and mean, low and high by quantity and images.

    With one seed there is no low and no high. What no epoch has in all seeds is left out.
    """
    frame = evidence.curves
    if isinstance(frame, Missing):
        return {}
    found: dict[str, Values] = {}
    for (label, images, quantity), part in frame.groupby(["label", "images", "quantity"], sort=False):
        if part["mean"].isna().all():
            continue
        ends = ("low", "high") if (part["n_seeds"] > 1).any() else ()
        entry = found.setdefault(str(label), {"epochs": part["epoch"].astype(int).tolist(), "series": {}})
        entry["series"].setdefault(str(quantity), {})[str(images)] = [
            curve_numbers(part[column], str(quantity)) for column in ("mean", *ends)
        ]
    return found


def curve_numbers(values: pd.Series, quantity: str) -> list[float | None]:
    """Return the points of a curve: accuracies in per cent to 0.01, losses to four digits, None where there is none."""
    numbers = values.to_numpy(dtype=float)
    if quantity == QUANTITIES[0]:
        return [value if math.isfinite(value) else None for value in np.round(100 * numbers, 2).tolist()]
    return [rounded(value, 4) for value in numbers.tolist()]


def detail_data(evidence: Evidence, facts: dict[int, Facts]) -> list[Values]:
    """Return what the page knows of the shown configurations: facts and curves, in order of rank."""
    curves = detail_curves(evidence)
    return [
        {
            "number": int(configuration),
            "label": label,
            "family": family,
            "facts": facts[int(configuration)],
            "curves": curves.get(label),
        }
        for configuration, label, family in evidence.shown[["label", "family"]].itertuples(name=None)
    ]
