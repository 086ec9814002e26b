"""A figure of a report: what Plotly draws, and how its panels are arranged on a screen of any width."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.figures.style import Axis
from analysis.findings import Estimate
from analysis.report.figures.styles import AXIS, Values
from analysis.uncertainty.replicates import EXACT_COLUMNS


@dataclass(frozen=True)
class Panel:
    """One pair of axes, such as ``x2`` and ``y2``, with a title."""

    number: int
    title: str = ""

    @property
    def x(self) -> str:
        """Name of the x axis as traces say it."""
        return f"x{self.number if self.number > 1 else ''}"

    @property
    def y(self) -> str:
        """Name of the y axis as traces say it."""
        return f"y{self.number if self.number > 1 else ''}"


@dataclass(frozen=True)
class Figure:
    """What is drawn and what a reader must know about it.

    Attributes:
        key: Name of the element, and of the file it is saved as.
        title: Heading.
        note: What is drawn and over how many seeds, in sentences.
        origin: Source labels of the numbers.
        data: Plotly traces; ``meta.family`` lets a family be hidden.
        layout: Plotly layout without the domains of the panels.
        panels: Pairs of axes, left to right and top to bottom.
        panel_width: Least width of a panel in pixels, axis labels included; what does not fit goes below.
        panel_height: Height of a panel in pixels, title and axis labels left out.
        most_columns: Panels side by side at most.
        column_gap: Pixels between panels side by side, for the labels of the right one.
    """

    key: str
    title: str
    note: str
    origin: str
    data: list[Values]
    layout: Values
    panels: list[Panel] = field(default_factory=lambda: [Panel(1)])
    panel_width: int = 300
    panel_height: int = 360
    most_columns: int = 4
    column_gap: int = 64

    def to_json(self) -> Values:
        """Return what the page's script draws from."""
        return {
            "key": self.key,
            "title": self.title,
            "note": f"{self.note} {self.origin}",
            "data": self.data,
            "layout": self.layout,
            "panelWidth": self.panel_width,
            "panelHeight": self.panel_height,
            "mostColumns": self.most_columns,
            "columnGap": self.column_gap,
            "panels": [{"x": panel.x, "y": panel.y, "title": plain(panel.title)} for panel in self.panels],
        }


def plain(text: object) -> str:
    """Return text that Plotly, which reads some HTML, shows as it is.

    >>> plain("<b>a</b>")
    '&lt;b&gt;a&lt;/b&gt;'
    """
    return html.escape(str(text), quote=False)


def axis_layout(panel: Panel, letter: str, **changes: Any) -> Values:
    """Return the layout entry of an axis of a panel."""
    number = panel.number if panel.number > 1 else ""
    title = {**AXIS["title"], "text": plain(changes.pop("text", ""))}
    anchor = panel.y if letter == "x" else panel.x
    return {f"{letter}axis{number}": {**AXIS, "anchor": anchor, "title": title, **changes}}


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
