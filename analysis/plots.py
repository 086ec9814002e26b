"""Drawing. What is drawn comes in as frames; nothing is computed here but positions on paper."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.load import Objective

# Colours that stay apart for the colour-blind (Okabe and Ito 2008), and a marker each for black and white.
FAMILY_STYLE = {
    "full_precision": ("#000000", "*"),
    "fixed": ("#0072B2", "o"),
    "ascending": ("#009E73", "^"),
    "descending": ("#D55E00", "v"),
    "mixed": ("#CC79A7", "D"),
}
KG_PREFIXES = (("kg", 1.0), ("g", 1e3), ("mg", 1e6), ("µg", 1e9))
KWH_PREFIXES = (("kWh", 1.0), ("Wh", 1e3), ("mWh", 1e6))
MOST_LABELS = 12
PIXELS_PER_INCH = 200
CAPTION_CHARACTERS = 120

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Axis:
    """How an objective is drawn: the factor from its unit to the drawn one, and its label."""

    column: str
    factor: float
    label: str
    is_fraction: bool


def make_axis(objective: Objective, values: pd.Series) -> Axis:
    """Return the axis of an objective, its prefix chosen so that the figures are readable."""
    name = objective.meaning
    for base, prefixes in (("kg", KG_PREFIXES), ("kWh", KWH_PREFIXES)):
        if objective.unit.startswith(base):
            largest = float(values.abs().max())
            word, factor = next(((word, factor) for word, factor in prefixes if largest * factor >= 1), prefixes[-1])
            return Axis(objective.column, factor, f"{name} ({objective.unit.replace(base, word, 1)})", False)
    is_fraction = objective.unit == "1"
    unit = "" if objective.unit in ("", "1") else f" ({objective.unit})"
    return Axis(objective.column, 1.0, f"{name}{' (%)' if is_fraction else unit}", is_fraction)


def draw_pareto(front: pd.DataFrame, trials: pd.DataFrame, objectives: Sequence[Objective], caption: str) -> Figure:
    """Return the plot of the first two objectives; the costs run along x, what is maximised along y.

    Args:
        front: Configurations from `analysis.pareto.pareto_front`, solid points.
        trials: Their trials, light points.
        objectives: Axes of the front.
        caption: Where the numbers come from, below the plot.
    """
    vertical, horizontal = sorted(objectives[:2], key=lambda objective: objective.direction)
    y_axis = make_axis(vertical, trials[vertical.column])
    x_axis = make_axis(horizontal, trials[horizontal.column])
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_subplot()
    for family, (colour, marker) in FAMILY_STYLE.items():
        _draw_family(axes, front, trials, family, colour, marker, x_axis, y_axis)
    axes.margins(0.14)
    if len(objectives) == 2:
        _draw_front(axes, front, horizontal, vertical, x_axis, y_axis)
    else:
        _ring_front(axes, front, x_axis, y_axis)
    for axis, set_label, own in ((x_axis, axes.set_xlabel, axes.xaxis), (y_axis, axes.set_ylabel, axes.yaxis)):
        set_label(axis.label)
        if axis.is_fraction:
            own.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="lower left", ncols=6, bbox_to_anchor=(0, 1), handletextpad=0.2)
    figure.supxlabel("\n".join(textwrap.wrap(caption, CAPTION_CHARACTERS)), fontsize=6.5, color="0.35")
    _label_points(figure, axes, front, x_axis, y_axis)  # last: what came before has moved the axes
    return figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG and return the files."""
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    for file in files:
        figure.savefig(file, dpi=PIXELS_PER_INCH, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files


def _points(frame: pd.DataFrame, x_axis: Axis, y_axis: Axis) -> tuple[Any, Any]:
    return frame[x_axis.column] * x_axis.factor, frame[y_axis.column] * y_axis.factor


def _draw_family(
    axes: Axes, front: pd.DataFrame, trials: pd.DataFrame, family: str, colour: str, marker: str, x: Axis, y: Axis
) -> None:
    means, seeds = front[front["family"] == family], trials[trials["family"] == family]
    if means.empty:
        return
    size = 150 if family == "full_precision" else 60
    axes.scatter(*_points(seeds, x, y), s=size * 0.4, c=colour, marker=marker, alpha=0.3, linewidths=0, zorder=2)
    axes.scatter(
        *_points(means, x, y), s=size, c=colour, marker=marker, edgecolors="white", linewidths=0.6, zorder=4,
        label=family.replace("_", " "),
    )  # fmt: skip


def _draw_front(axes: Axes, front: pd.DataFrame, horizontal: Objective, vertical: Objective, x: Axis, y: Axis) -> None:
    """Draw the attained boundary as steps: what the vertical objective reaches at each horizontal cost.

    It runs on to the edges of the axes, so that a front of one point is seen as well.
    """
    members = front[front["on_front"]].sort_values(x.column, ascending=horizontal.sign > 0)
    xs, ys = (list(values) for values in _points(members, x, y))
    worst_x = axes.get_xlim()[1 if horizontal.sign > 0 else 0]
    worst_y = axes.get_ylim()[1 if vertical.sign > 0 else 0]
    axes.autoscale(False)
    axes.step(
        [xs[0], *xs, worst_x],
        [worst_y, *ys, ys[-1]],
        where="post",
        color="0.45",
        linewidth=1.2,
        linestyle="--",
        zorder=3,
        label="front (means)",
    )


def _ring_front(axes: Axes, front: pd.DataFrame, x: Axis, y: Axis) -> None:
    """Ring the front of three objectives, which has no boundary in the plane of two."""
    xs, ys = _points(front[front["on_front"]], x, y)
    axes.scatter(
        xs, ys, s=220, facecolors="none", edgecolors="0.45", linewidths=1.2, zorder=3, label="front (all objectives)"
    )


def _label_points(figure: Figure, axes: Axes, front: pd.DataFrame, x: Axis, y: Axis) -> None:
    """Name the configurations, or only the front where they are many, each where it covers least."""
    named = front.dropna(subset=[x.column, y.column])
    if len(named) > MOST_LABELS:
        named = named[named["on_front"]]
    figure.canvas.draw()
    xs, ys = _points(named, x, y)
    points = axes.transData.transform(np.column_stack([xs, ys]))
    taken = [(px - 9, py - 9, px + 9, py + 9) for px, py in points] + _line_boxes(axes)
    for (px, py), (_, row) in zip(points, named.iterrows(), strict=True):
        width, height = 6.0 * len(row["schedule"]) + 4, 13.0
        spots = [(px + 9, py - 5), (px - 9 - width, py - 5), (px - width / 2, py + 10), (px - width / 2, py - 22),
                 (px + 6, py + 8), (px - 6 - width, py - 20)]  # fmt: skip
        boxes = [(left, low, left + width, low + height) for left, low in spots]
        best = min(boxes, key=lambda box: _outside(box, axes) + sum(_overlap(box, other) for other in taken))
        taken.append(best)
        left, low = axes.transData.inverted().transform(best[:2])
        axes.text(left, low, row["schedule"], fontsize=7.5, color=FAMILY_STYLE[row["family"]][0], zorder=5)


def _line_boxes(axes: Axes) -> list[Box]:
    """Return thin boxes along the drawn steps, so that names keep off them."""
    boxes = []
    for line in axes.lines:
        path = axes.transData.transform(line.get_xydata())
        for (x0, y0), (x1, y1) in itertools.pairwise(path):
            boxes.append((min(x0, x1), y0 - 1, max(x0, x1), y0 + 1))
            boxes.append((x1 - 1, min(y0, y1), x1 + 1, max(y0, y1)))
    return boxes


def _outside(box: Box, axes: Axes) -> float:
    """Return the area of a box beyond the axes."""
    inner = axes.bbox.x0, axes.bbox.y0, axes.bbox.x1, axes.bbox.y1
    return (box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, inner)


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
