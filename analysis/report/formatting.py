"""Figures of the tables as a report writes them: as numbers that Plotly draws, and as text with unit and interval."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.figures.style import Axis
from analysis.findings import Estimate
from analysis.fronts.replicates import EXACT_COLUMNS

Values = dict[str, Any]  # an object of the JSON that the script of the page reads


def plain(text: object) -> str:
    """Return text that Plotly, which reads some HTML, shows as it is.

    >>> plain("<b>a</b>")
    '&lt;b&gt;a&lt;/b&gt;'
    """
    return html.escape(str(text), quote=False)


def scaled(values: Any, axis: Axis) -> list[float | None]:
    """Return a column in the unit that is drawn, six digits; None where it was not measured."""
    factor = 100.0 if axis.is_fraction else axis.factor
    return [rounded(float(value) * factor) for value in values]


def rounded(value: float, digits: int = 6) -> float | None:
    """Return a number of few digits, None where it is none.

    >>> rounded(1.23456789), rounded(float("nan"))
    (1.23457, None)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def numbers(values: Iterable[float], style: str, factor: float = 1.0) -> list[str | None]:
    """Return figures as text, None where there is none.

    >>> numbers([0.0123, float("nan")], "+.2f", 100)
    ['+1.23', None]
    """
    return [f"{factor * value:{style}}" if math.isfinite(value) else None for value in values]


def number_text(value: float, axis: Axis) -> str:
    """Return a figure in the drawn unit as text, without the unit.

    >>> number_text(0.9123, Axis("test_accuracy", "test accuracy", "%"))
    '91.23'
    """
    return f"{100 * value:.2f}" if axis.is_fraction else f"{value * axis.factor:.4g}"


def quantity(value: float, axis: Axis) -> str:
    """Return a figure with its unit as text.

    >>> quantity(0.9123, Axis("test_accuracy", "test accuracy", "%"))
    '91.23 %'
    """
    if not math.isfinite(value):
        return "not measured"
    return f"{number_text(value, axis)} {axis.drawn_unit}".rstrip()


def interval_text(row: Mapping[Any, Any], axis: Axis) -> str:
    """Return a mean and the half width of its 95 % interval; where there is none, that is said.

    What follows from the configuration alone, such as its size, has none either, and needs none.

    Args:
        row: A row of `analysis.report.evidence.Evidence.front`.
        axis: The figure.
    """
    ends = (float(row.get(f"{axis.column}_{end}", math.nan)) for end in ("low", "high"))
    return estimate_text(Estimate(float(row[axis.column]), *ends), int(row["n_seeds"]), axis)


def estimate_text(estimate: Estimate, n_seeds: int, axis: Axis) -> str:
    """Return the mean of a figure over seeds as `interval_text` does."""
    value, width = estimate.value, estimate.high - estimate.low
    if not math.isfinite(value):
        return "not measured"
    if axis.column in EXACT_COLUMNS:
        return quantity(value, axis)
    if n_seeds == 1:
        return f"{quantity(value, axis)} (one seed, no interval)"
    if not math.isfinite(width):
        return quantity(value, axis)
    if width <= 1e-9 * abs(value):  # figures are rounded, so equal ones say little of their spread
        return f"{quantity(value, axis)} (seeds alike, no interval)"
    half = number_text(width / 2, axis)
    return f"{number_text(value, axis)} ± {half} {axis.drawn_unit}".rstrip()
