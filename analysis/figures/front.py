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
from analysis.figures.inference_panel import draw_inference, inference_axes, name_inference
from analysis.figures.point_labels import place_names
from analysis.figures.style import FAMILY_STYLE, Axis, make_axis
from analysis.figures.uncertainty_marks import (
    draw_error_bars,
    draw_surfaces,
    explain_verdicts,
    face_and_edge,
    mark_knee,
)
from analysis.lifetime.inference_front import InferenceFront
from analysis.lifetime.sentences import energy_words
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
    inference: InferenceFront | None = None,
) -> Figure:
    """Return the plot of the first two objectives; the costs run along x, what is maximised along y.

    With measured inference a second panel shows the deployed networks: beside the first, in one column below it.

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
        inference: From `analysis.lifetime.inference_front.find_inference_front`.
    """
    vertical, horizontal = sorted(objectives[:2], key=lambda objective: objective.direction)
    y_axis, x_axis = (make_axis(objective, trials[objective.column]) for objective in (vertical, horizontal))
    figure, axes, second = _empty_figure(width_in, has_second=inference is not None)
    is_narrow = width_in < NARROW_IN or inference is not None
    scale = 0.45 if is_narrow else 1.0
    has_lines = with_families and len(objectives) == 2
    for family in FAMILY_STYLE:
        _draw_family(axes, front, trials, family, x_axis, y_axis, scale, has_line=has_lines)
    if len(objectives) == 2 and surfaces is not None:
        draw_surfaces(axes, surfaces, horizontal, vertical, (x_axis.factor, y_axis.factor))
    if len(objectives) != 2:
        _ring_front(axes, front[front["on_front"]], x_axis, y_axis, scale, "front (all objectives)")
    else:
        _draw_front(axes, front, horizontal, vertical, x_axis, y_axis, scale, has_lines=has_lines)
    mark_knee(axes, *_points(front[front["is_knee"]], x_axis, y_axis), 150 if is_narrow else 330)
    explain_verdicts(axes, front)
    _label_axes(figure, axes, x_axis, y_axis, is_narrow=is_narrow)
    if inference is not None and second is not None:
        axes.set_title("training", fontsize=8, loc="left")
        second.set_title(f"inference: {inference.axis.runtime}, batch size {inference.axis.batch_size}", fontsize=8,
                         loc="left")  # fmt: skip
        draw_inference(second, inference, scale)
        _label_axes(figure, second, *inference_axes(inference), is_narrow=True, remark=energy_words(inference.axis))
    _finish(figure, caption, is_narrow=is_narrow, key_length=2.6 if has_lines else 2.0)
    figure.canvas.draw()  # what came before has moved the axes
    size = 6.0 if is_narrow else 7.5
    _label_points(axes, front, x_axis, y_axis, size)
    if inference is not None and second is not None:
        name_inference(second, inference, size, MOST_LABELS)
    return figure


def _empty_figure(width_in: float, *, has_second: bool) -> tuple[Figure, Axes, Axes | None]:
    """Return a figure with its axes: two beside each other, in one column below each other."""
    is_narrow = width_in < NARROW_IN
    height = width_in * (0.95 if is_narrow else 0.74)
    if has_second:
        height = width_in * (1.95 if is_narrow else 0.62)
    figure = Figure(figsize=(width_in, height), layout="constrained")
    FigureCanvasAgg(figure)
    n_rows, n_columns = (1, 1) if not has_second else (2, 1) if is_narrow else (1, 2)
    every = figure.subplots(n_rows, n_columns, squeeze=False).ravel().tolist()
    for axes in every:
        axes.margins(0.14)
    return figure, every[0], every[1] if has_second else None


def _label_axes(figure: Figure, axes: Axes, x_axis: Axis, y_axis: Axis, *, is_narrow: bool, remark: str = "") -> None:
    """Set labels and grid.

    Args:
        figure: Where.
        axes: Of the figure.
        x_axis: Of the label along x.
        y_axis: Of the label along y.
        is_narrow: Whether the type is that of one column.
        remark: Below the label along x.
    """
    width_in, height_in = figure.get_size_inches() * axes.get_position().size
    sides = (
        (x_axis.label, width_in, x_axis, axes.set_xlabel, axes.xaxis),
        (y_axis.label, height_in, y_axis, axes.set_ylabel, axes.yaxis),
    )
    for text, length_in, axis, set_label, own in sides:
        whole = text.replace(" CO2eq", "\u00a0CO2eq")  # a unit stays in one line
        label = textwrap.fill(whole, int(LABEL_CHARACTERS_PER_INCH * length_in * (1.3 if is_narrow else 1.0)))
        label = label.replace("\u00a0", " ")
        if remark and axis is x_axis:
            label = f"{label}\n{remark}"
        set_label(label, fontsize=8 if is_narrow else 10)
        own.set_tick_params(labelsize=7 if is_narrow else 9)
        if axis.is_fraction:
            own.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _finish(figure: Figure, caption: str, *, is_narrow: bool, key_length: float) -> None:
    """Set legend and caption."""
    width_in = figure.get_figwidth()
    style: dict[str, Any] = {
        "frameon": False, "fontsize": 6 if is_narrow else 8, "handletextpad": 0.4, "columnspacing": 1.2,
        "labelspacing": 0.3, "handlelength": key_length, "ncols": 2 if width_in < NARROW_IN else 4,
    }  # fmt: skip
    if len(figure.axes) == 1:
        figure.axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), **style)
    else:
        entries: dict[str, Any] = {}
        for axes in figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure.legend(list(entries.values()), list(entries), loc="outside upper left", **style)
    n_characters = int(CAPTION_CHARACTERS_PER_INCH * width_in * (1.08 if is_narrow else 1.0))
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
    axes: Axes,
    front: pd.DataFrame,
    horizontal: Objective,
    vertical: Objective,
    x: Axis,
    y: Axis,
    scale: float,
    *,
    has_lines: bool,
) -> None:
    """Draw the front of all configurations and, where asked for, the front of each family.

    Where other figures decided on the front of all than are drawn, members off it are ringed too.
    """
    factors = x.factor, y.factor
    on_front = front[front["on_front"]]
    corners = boundary(on_front, horizontal, vertical)
    if len(corners) < len(on_front):
        _ring_front(axes, on_front, x, y, scale, "front (by validation)")
    # Wide and pale below the fronts of families, which run along it in parts.
    style: dict[str, Any] = {"color": "0.25", "linewidth": 1.2, "linestyle": "--", "zorder": 3}
    if has_lines:
        ends = {"solid_joinstyle": "miter", "solid_capstyle": "butt"}
        style = {"color": "0.8", "linewidth": 4.5, "zorder": 1.5, **ends}
    draw_steps(axes, corners, horizontal, vertical, factors, label="front (means)", **style)
    if has_lines:
        draw_family_fronts(axes, front, horizontal, vertical, factors, FAMILY_STYLE)


def _ring_front(axes: Axes, members: pd.DataFrame, x: Axis, y: Axis, scale: float, label: str) -> None:
    """Ring a front that has no boundary in this plane."""
    xs, ys = _points(members, x, y)
    axes.scatter(xs, ys, s=scale * 220, facecolors="none", edgecolors="0.45", linewidths=1.2, zorder=3, label=label)


def _label_points(axes: Axes, front: pd.DataFrame, x: Axis, y: Axis, size: float) -> None:
    """Name the configurations, or only the front where they are many."""
    named = front.dropna(subset=[x.column, y.column])
    if len(named) > MOST_LABELS:
        named = named[named["on_front"]]
    names = named["label" if "label" in named else "schedule"].astype(str).tolist()
    place_names(axes, _points(named, x, y), names, [FAMILY_STYLE[family][0] for family in named["family"]], size)
