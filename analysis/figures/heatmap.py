"""Heat maps over bits: a panel for each number of bits of a third unit, or one panel over two of many units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.effects.heatmap import HeatmapUnits, is_full_precision
from analysis.figures.style import COLUMN_WIDTH_IN, PRINT_STYLE, Axis, add_note, make_axis, make_figure
from analysis.runs.load import Objective
from analysis.wording import counted, counted_range, per_cent
from lwq_tune.results.schema import COLUMNS

PAGE_WIDTH_IN = 7.0
CELL_IN, MARGIN_IN = 0.265, 0.85  # the least in which five characters of 6 points stand; labels and colour bar
NOT_MEASURED, NOT_TRAINED = (0.92, 0.92, 0.92), (1.0, 1.0, 1.0)
Colour = tuple[float, float, float]
COLOUR_MAPS = ("cividis", "YlOrBr")  # both keep their order in grey


def draw_heatmap(
    frame: pd.DataFrame, objectives: Sequence[Objective], units: HeatmapUnits, *, width_in: float | None = None
) -> Figure:
    """Return a row of panels for each figure, a panel for each number of bits of a third unit, or one.

    Args:
        frame: From `analysis.effects.heatmap.heatmap_frame`.
        objectives: Figures of the rows, one or two.
        units: What it is about.
        width_in: Printed width in inches; by default one column where all cells are legible there, else a page or more.
    """
    grid = frame[~is_full_precision(frame)]
    levels = panel_levels(grid, units)
    n_columns, n_rows = grid[f"bits_{units.columns}"].nunique(), grid[f"bits_{units.rows}"].nunique()
    needed_in = MARGIN_IN + len(levels) * (n_columns * CELL_IN + 0.08)
    default_in = COLUMN_WIDTH_IN if needed_in <= COLUMN_WIDTH_IN else max(PAGE_WIDTH_IN, needed_in)
    width_in = default_in if width_in is None else width_in
    cell_in = max(0.1, (width_in - MARGIN_IN) / len(levels) - 0.08) / n_columns
    height_in = len(objectives) * max(n_rows * min(cell_in, 0.42) + 0.32, 0.95) + 0.55
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, height_in)
        axes_grid = figure.subplots(len(objectives), len(levels), squeeze=False, sharex=True, sharey=True)
        for row, objective in enumerate(objectives):
            axis = make_axis(objective, grid[objective.column])
            _draw_row(figure, list(axes_grid[row]), grid, axis, units, COLOUR_MAPS[row % 2])
        for axes, level in zip(axes_grid[0], levels, strict=True):
            axes.set_title(panel_title(units, level), pad=3)
        for axes in axes_grid[-1]:
            axes.set_xlabel(f"bits of {units.name(units.columns)}")
        add_note(figure, heatmap_note(frame, objectives, units))
    return figure


def panel_levels(grid: pd.DataFrame, units: HeatmapUnits) -> list[int | None]:
    """Return the bits of the panels' unit, [None] where there is one panel."""
    return [None] if units.panels is None else sorted(set(grid[f"bits_{units.panels}"]))


def panel_cells(grid: pd.DataFrame, units: HeatmapUnits, level: int | None) -> pd.DataFrame:
    """Return the cells of a panel."""
    return grid if units.panels is None else grid[grid[f"bits_{units.panels}"] == level]


def panel_title(units: HeatmapUnits, level: int | None) -> str:
    """Return what a panel is of; empty where there is one."""
    return "" if units.panels is None else f"{units.name(units.panels)}: {level} bit"


def heatmap_note(
    frame: pd.DataFrame, objectives: Sequence[Objective], units: HeatmapUnits, untrained: str = "Hatched"
) -> str:
    """Return what the cells are, what is missing, and what full precision has.

    Args:
        frame: From `analysis.effects.heatmap.heatmap_frame`.
        objectives: Figures that are drawn.
        units: What it is about.
        untrained: How cells look that were not trained.
    """
    grid, reference = frame[~is_full_precision(frame)], frame[is_full_precision(frame)]
    seeds = sorted(set(grid["n_seeds"]) - {0})
    axes = [make_axis(objective, grid[objective.column]) for objective in objectives]
    rows = " and ".join(axis.label for axis in axes)
    seeds_text = counted_range(seeds, "seed")
    sentences = [f"Cells: {rows}, mean over {seeds_text}."]
    if units.is_averaged:
        sentences = [f"Cells: {rows}, {_averaged_over(grid, units)}; each is a mean over {seeds_text}."]
    if seeds[-1] > 1 or units.is_averaged:
        over = "configurations of a cell" if units.is_averaged else "seeds"
        medians = [float(grid[f"{axis.column}_std"].median()) for axis in axes]
        spreads = ", ".join(
            f"{_text(median, axis)} {axis.unit_of_differences}" for median, axis in zip(medians, axes, strict=True)
        )
        sentences.append(f"Standard deviation over {over} (median of cells): {spreads}.")
    n_missing = int((grid["n_seeds"] == 0).sum())
    if n_missing:
        cells = "combinations" if units.is_averaged else "schedules"
        sentences.append(f"{untrained}: {n_missing} of {len(grid)} {cells} not trained.")
    if grid.loc[grid["n_seeds"] > 0, [objective.column for objective in objectives]].isna().any(axis=None):
        sentences.append("n/a: not measured.")
    if len(reference):
        row = reference.iloc[0]
        sentences.append(f"Full precision: {', '.join(_with_unit(row[axis.column], axis) for axis in axes)}.")
    return " ".join(sentences)


def _averaged_over(grid: pd.DataFrame, units: HeatmapUnits) -> str:
    """Return what a cell is a mean over, and why these units were chosen."""
    counts = sorted(set(grid["n_configurations"]) - {0})
    others = len(units.names) - len(units.drawn)
    text = (
        f"mean over the {counted_range(counts, 'configuration')} with these bits, whatever the other "
        f"{counted(others, 'unit')} of {len(units.names)} have"
    )
    if units.effects:
        shares = " and ".join(f"{units.name(unit)} ({per_cent(units.effects[unit - 1])})" for unit in units.drawn)
        text += (
            f"; drawn are the two units whose bits alone explain most of the variance of "
            f"{COLUMNS[units.explained].meaning}: {shares}"
        )
    return text


def _with_unit(value: float, axis: Axis) -> str:
    return f"{_text(value, axis)} {axis.drawn_unit}"


def _text(value: float, axis: Axis) -> str:
    if math.isnan(value):
        return "n/a"
    return f"{100 * value:.1f}" if axis.is_fraction else f"{value * axis.factor:#.3g}".rstrip(".")


def _draw_row(
    figure: Figure, row: list[Axes], grid: pd.DataFrame, axis: Axis, units: HeatmapUnits, colour_map: str
) -> None:
    values = grid[axis.column].to_numpy(dtype=float) * axis.factor
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    colours = ScalarMappable(Normalize(low, high if high > low else low + 1), colour_map)
    for axes, level in zip(row, panel_levels(grid, units), strict=True):
        _draw_panel(axes, panel_cells(grid, units, level), axis, units, colours)
    row[0].set_ylabel(f"bits of {units.name(units.rows)}")
    if high > low:  # one value has no scale
        bar = figure.colorbar(colours, ax=row, fraction=0.05, pad=0.02, aspect=18)
        bar.outline.set_linewidth(0.4)
        bar.set_label(f"{axis.name}\n({axis.drawn_unit})", fontsize=6, linespacing=0.95)
        bar.ax.tick_params(labelsize=5.5, length=1.5)
        if axis.is_fraction:
            bar.ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, symbol=""))


def _draw_panel(axes: Axes, part: pd.DataFrame, axis: Axis, units: HeatmapUnits, colours: ScalarMappable) -> None:
    xs = {bits: place for place, bits in enumerate(sorted(set(part[f"bits_{units.columns}"])))}
    ys = {bits: place for place, bits in enumerate(sorted(set(part[f"bits_{units.rows}"])))}
    for _, cell in part.iterrows():
        x, y = xs[int(cell[f"bits_{units.columns}"])], ys[int(cell[f"bits_{units.rows}"])]
        value = float(cell[axis.column])
        if math.isnan(value):
            is_trained = bool(cell["n_seeds"])
            face, hatch = (NOT_MEASURED, None) if is_trained else (NOT_TRAINED, "//////")
            text, ink = ("n/a" if is_trained else ""), "0.3"
        else:
            face, hatch = _colour(colours, value * axis.factor), None
            text, ink = _text(value, axis), _ink(face)
        box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="0.6", linewidth=0.4, hatch=hatch)
        axes.add_patch(box)
        axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=6)
    axes.set_xlim(-0.5, len(xs) - 0.5)
    axes.set_ylim(-0.5, len(ys) - 0.5)
    axes.set_xticks(list(xs.values()), [str(bits) for bits in xs])
    axes.set_yticks(list(ys.values()), [str(bits) for bits in ys])
    axes.tick_params(length=0)


def _colour(colours: ScalarMappable, value: float) -> Colour:
    red, green, blue, _ = colours.to_rgba(np.array([value]))[0]
    return float(red), float(green), float(blue)


def _ink(face: Colour) -> str:
    """Return the colour of type that is legible on a colour (relative luminance, ITU-R BT.709)."""
    red, green, blue = face
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "white"
