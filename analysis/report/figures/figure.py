"""A figure of a report: what Plotly draws, and how its panels are arranged on a screen of any width."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.figures.style import Axis
from analysis.report.figures.styles import AXIS
from analysis.report.formatting import Values, plain


@dataclass(frozen=True)
class AxisTitle:
    """What is written beside an axis.

    Attributes:
        name: What is drawn.
        unit: Of what is drawn, empty where it has none.
        remark: What else must be said, such as where an energy comes from.
    """

    name: str = ""
    unit: str = ""
    remark: str = ""

    @property
    def text(self) -> str:
        """The title in one line; the page's script sets it in two where there is little room.

        >>> AxisTitle("training energy", "mWh", "estimated").text
        'training energy (mWh), estimated'
        """
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name}{unit}{f', {self.remark}' if self.remark else ''}"

    def to_json(self) -> Values:
        """Return the fields as Plotly shows them."""
        return {"name": plain(self.name), "unit": plain(self.unit), "remark": plain(self.remark)}


def axis_title(axis: Axis, remark: str = "") -> AxisTitle:
    """Return the title of a figure of the tables."""
    return AxisTitle(axis.name, axis.drawn_unit, remark)


@dataclass(frozen=True)
class Panel:
    """One pair of axes, such as ``x2`` and ``y2``, with their titles and one of its own."""

    number: int
    title: str = ""
    x_title: AxisTitle = AxisTitle()
    y_title: AxisTitle = AxisTitle()

    @property
    def x(self) -> str:
        """Name of the x axis as traces say it."""
        return f"x{self.number if self.number > 1 else ''}"

    @property
    def y(self) -> str:
        """Name of the y axis as traces say it."""
        return f"y{self.number if self.number > 1 else ''}"

    def to_json(self) -> Values:
        """Return what the page's script arranges."""
        return {"x": self.x, "y": self.y, "title": plain(self.title), "xTitle": self.x_title.to_json()}


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
            "panels": [panel.to_json() for panel in self.panels],
        }


def axis_layout(panel: Panel, letter: str, **changes: Any) -> Values:
    """Return the layout entry of an axis of a panel."""
    number = panel.number if panel.number > 1 else ""
    text = (panel.x_title if letter == "x" else panel.y_title).text
    title = {**AXIS["title"], "text": plain(text)}
    anchor = panel.y if letter == "x" else panel.x
    return {f"{letter}axis{number}": {**AXIS, "anchor": anchor, "title": title, **changes}}
