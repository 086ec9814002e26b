"""The front: configurations as points, their seeds, the steps that they attain, and their names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figures.front_lines import boundary, draw_family_fronts, draw_line_key, draw_steps
from analysis.figures.point_labels import place_names
from analysis.figures.style import FAMILY_STYLE, Axis, make_axis
from analysis.figures.uncertainty_marks import (
    draw_error_bars,
    draw_surfaces,
    explain_verdicts,
    face_and_edge,
    mark_knee,
)
from analysis.runs.load import Objective

MOST_LABELS = 12
PIXELS_PER_INCH = 200
WIDTH_IN, NARROW_IN = 7.2, 5.0
CAPTION_CHARACTERS_PER_INCH = 16.6
LABEL_CHARACTERS_PER_INCH = 12
# Type 42: text of the PDF stays text in embedded TrueType fonts, which publishers ask for.
SAVE_STYLE: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "lwq_tune"}


def draw_pareto(
    front: pd.DataFrame,
    trials: pd.DataFrame,
    objectives: Sequence[Objective],
    caption: str,
    *,
    surfaces: pd.DataFrame | None = None,
    with_families: bool = False,
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return the plot of the first two objectives; the costs run along x, what is maximised along y.

    Args:
        front: Configurations from `pareto_front`, solid points, with the standard deviation over seeds
            as bars; a ``verdict`` from `front_uncertainty` shows as edge and fill. They are called
            by their ``label`` where there is one, else by their schedule.
        trials: Their trials, light points.
        objectives: Axes of the front.
        caption: Where the numbers come from, below the plot.
        surfaces: From `analysis.fronts.attainment.attainment_surfaces`, drawn behind where there are two objectives.
        with_families: Whether each family's own front is drawn as a thin line, where there are two objectives.
        width_in: Width in inches; below 5 the type and the points are those of one column.
    """
    vertical, horizontal = sorted(objectives[:2], key=lambda objective: objective.direction)
    y_axis, x_axis = (make_axis(objective, trials[objective.column]) for objective in (vertical, horizontal))
    is_narrow = width_in < NARROW_IN
    figure, axes = _empty_figure(width_in, is_narrow=is_narrow)
    has_lines = with_families and len(objectives) == 2
    for family in FAMILY_STYLE:
        _draw_family(axes, front, trials, family, x_axis, y_axis, 0.45 if is_narrow else 1.0, has_line=has_lines)
    if len(objectives) == 2 and surfaces is not None:
        draw_surfaces(axes, surfaces, horizontal, vertical, (x_axis.factor, y_axis.factor))
    if len(objectives) != 2:
        _ring_front(axes, front[front["on_front"]], x_axis, y_axis, "front (all objectives)")
    else:
        _draw_front(axes, front, horizontal, vertical, x_axis, y_axis, has_lines=has_lines)
    mark_knee(axes, *_points(front[front["is_knee"]], x_axis, y_axis), 150 if is_narrow else 330)
    explain_verdicts(axes, front)
    _finish(figure, axes, x_axis, y_axis, caption, is_narrow=is_narrow, key_length=2.6 if has_lines else 2.0)
    figure.canvas.draw()  # what came before has moved the axes
    _label_points(axes, front, x_axis, y_axis, 6.0 if is_narrow else 7.5)
    return figure


def _empty_figure(width_in: float, *, is_narrow: bool) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, width_in * (0.95 if is_narrow else 0.74)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.margins(0.14)
    return figure, axes


def _finish(
    figure: Figure, axes: Axes, x_axis: Axis, y_axis: Axis, caption: str, *, is_narrow: bool, key_length: float
) -> None:
    """Set labels, legend and caption."""
    for axis, set_label, own in ((x_axis, axes.set_xlabel, axes.xaxis), (y_axis, axes.set_ylabel, axes.yaxis)):
        label = textwrap.fill(axis.label, int(LABEL_CHARACTERS_PER_INCH * figure.get_figwidth()))
        set_label(label, fontsize=8 if is_narrow else 10)
        own.set_tick_params(labelsize=7 if is_narrow else 9)
        if axis.is_fraction:
            own.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(
        frameon=False,
        fontsize=6 if is_narrow else 8,
        loc="lower left",
        ncols=2 if is_narrow else 4,
        bbox_to_anchor=(0, 1),
        handletextpad=0.4,
        columnspacing=1.2,
        labelspacing=0.3,
        handlelength=key_length,
    )
    n_characters = int(CAPTION_CHARACTERS_PER_INCH * figure.get_figwidth() * (1.08 if is_narrow else 1.0))
    figure.supxlabel("\n".join(textwrap.wrap(caption, n_characters)), fontsize=6 if is_narrow else 6.5, color="0.35")


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PDF, PNG and SVG and return the files; the same figure gives the same bytes."""
    undated: dict[str, Any] = {".pdf": {"CreationDate": None}, ".png": None, ".svg": {"Date": None}}
    files = [stem.with_suffix(suffix) for suffix in undated]
    with mpl.rc_context(SAVE_STYLE):
        for file in files:
            figure.savefig(file, dpi=PIXELS_PER_INCH, metadata=undated[file.suffix])
    return files


def _points(frame: pd.DataFrame, x_axis: Axis, y_axis: Axis) -> tuple[Any, Any]:
    return frame[x_axis.column] * x_axis.factor, frame[y_axis.column] * y_axis.factor


def _spread(frame: pd.DataFrame, axis: Axis) -> Any:
    return frame[f"{axis.column}_std"].to_numpy() * axis.factor if f"{axis.column}_std" in frame else None


def _draw_family(
    axes: Axes,
    front: pd.DataFrame,
    trials: pd.DataFrame,
    family: str,
    x: Axis,
    y: Axis,
    scale: float,
    *,
    has_line: bool,
) -> None:
    colour, marker = FAMILY_STYLE[family]
    means, seeds = front[front["family"] == family], trials[trials["family"] == family]
    if means.empty:
        return
    size = scale * (150 if family == "full_precision" else 60)
    axes.scatter(*_points(seeds, x, y), s=size * 0.4, c=colour, marker=marker, alpha=0.3, linewidths=0, zorder=2)
    alpha = 0.3 if has_line else 0.55
    draw_error_bars(axes, _points(means, x, y), (_spread(means, x), _spread(means, y)), colour, alpha)
    verdicts = means["verdict"] if "verdict" in means else pd.Series("", index=means.index)
    faces, edges = face_and_edge(verdicts, colour)
    axes.scatter(*_points(means, x, y), s=size, c=faces, marker=marker, edgecolors=edges, linewidths=1.0, zorder=4)
    name = family.replace("_", " ")
    if has_line:
        draw_line_key(axes, family, colour, marker, 0.65 * size**0.5, name)
    else:
        axes.scatter([], [], s=size, c=colour, marker=marker, label=name)


def _draw_front(
    axes: Axes, front: pd.DataFrame, horizontal: Objective, vertical: Objective, x: Axis, y: Axis, *, has_lines: bool
) -> None:
    """Draw the front of all configurations and, where asked for, the front of each family.

    Where other figures decided on the front of all than are drawn, members off it are ringed too.
    """
    factors = x.factor, y.factor
    on_front = front[front["on_front"]]
    corners = boundary(on_front, horizontal, vertical)
    if len(corners) < len(on_front):
        _ring_front(axes, on_front, x, y, "front (by validation)")
    # Wide and pale below the fronts of families, which run along it in parts.
    style: dict[str, Any] = {"color": "0.25", "linewidth": 1.2, "linestyle": "--", "zorder": 3}
    if has_lines:
        ends = {"solid_joinstyle": "miter", "solid_capstyle": "butt"}
        style = {"color": "0.8", "linewidth": 4.5, "zorder": 1.5, **ends}
    draw_steps(axes, corners, horizontal, vertical, factors, label="front (means)", **style)
    if has_lines:
        draw_family_fronts(axes, front, horizontal, vertical, factors, FAMILY_STYLE)


def _ring_front(axes: Axes, members: pd.DataFrame, x: Axis, y: Axis, label: str) -> None:
    """Ring a front that has no boundary in this plane."""
    xs, ys = _points(members, x, y)
    axes.scatter(xs, ys, s=220, facecolors="none", edgecolors="0.45", linewidths=1.2, zorder=3, label=label)


def _label_points(axes: Axes, front: pd.DataFrame, x: Axis, y: Axis, size: float) -> None:
    """Name the configurations, or only the front where they are many."""
    named = front.dropna(subset=[x.column, y.column])
    if len(named) > MOST_LABELS:
        named = named[named["on_front"]]
    names = named["label" if "label" in named else "schedule"].astype(str).tolist()
    place_names(axes, _points(named, x, y), names, [FAMILY_STYLE[family][0] for family in named["family"]], size)
