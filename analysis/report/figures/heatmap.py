"""Heat maps of a report: the panels of the printed ones, for a screen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.effects.heatmap import HeatmapUnits, is_full_precision
from analysis.figures.heatmap import COLOUR_MAPS, heatmap_note, panel_cells, panel_levels, panel_title
from analysis.figures.style import GRAMS, Axis, make_axis
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.figure import AxisTitle, Figure, Panel, axis_layout
from analysis.report.figures.styles import MUTED, base_layout, colour_scale
from analysis.report.formatting import Values, plain, quantity, scaled
from analysis.runs.load import Objective
from analysis.wording import counted

CELL_PX = 46
MOST_CELLS = 1000


def draw_heatmaps(evidence: Evidence) -> list[Figure] | Missing:
    """Return one figure for accuracy and one for the cost, or why there is none."""
    frame, units = evidence.heatmap, evidence.heatmap_units
    if isinstance(frame, Missing):
        return frame
    if isinstance(units, Missing):
        return units
    if len(frame) > MOST_CELLS:
        return Missing(f"a heat map of {len(frame):,} cells is not legible on a screen; `heatmap` draws it for print")
    grid = frame[~is_full_precision(frame)]
    return [
        _draw(evidence, frame, grid, units, axis, colours)
        for axis, colours in zip(evidence.heatmap_objectives, COLOUR_MAPS, strict=False)
    ]


def _draw(
    evidence: Evidence, frame: pd.DataFrame, grid: pd.DataFrame, units: HeatmapUnits, objective: Objective, colours: str
) -> Figure:
    axis = make_axis(objective, grid[objective.column])
    rows, columns = f"bits_{units.rows}", f"bits_{units.columns}"
    known = [value for value in scaled(grid[axis.column], axis) if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    coloraxis = {
        "colorscale": colour_scale(colours),
        "cmin": low,
        "cmax": high if high > low else low + 1,
        "showscale": high > low,
        "colorbar": {"thickness": 12},
    }
    panels: list[Panel] = []
    data: list[Values] = []
    layout = base_layout(coloraxis=coloraxis, margin={"l": 60, "r": 20, "t": 12, "b": 52})
    for level in panel_levels(grid, units):
        titles = AxisTitle(f"bits of {units.name(units.columns)}"), AxisTitle(f"bits of {units.name(units.rows)}")
        panel = Panel(len(panels) + 1, panel_title(units, level), *titles)
        data += _panel_traces(panel_cells(grid, units, level), axis, panel, units)
        category = {"type": "category", "showgrid": False}
        layout |= axis_layout(panel, "x", **category) | axis_layout(panel, "y", **category)
        panels.append(panel)
    n_columns, n_rows = grid[columns].nunique(), grid[rows].nunique()
    return Figure(
        f"heatmap-{'accuracy' if axis.is_fraction else 'emissions' if axis.unit == GRAMS else 'energy'}",
        f"{'Two of the units' if units.is_averaged else 'Every schedule'}: {axis.label}",
        heatmap_note(frame, [objective], units, "A dash"),
        evidence.origin,
        data,
        layout,
        panels,
        panel_width=max(170, 75 + CELL_PX * n_columns),
        panel_height=max(150, CELL_PX * n_rows),
    )


def _panel_traces(part: pd.DataFrame, axis: Axis, panel: Panel, units: HeatmapUnits) -> list[Values]:
    across, down = f"bits_{units.columns}", f"bits_{units.rows}"
    columns, rows = (sorted({int(bits) for bits in part[name]}) for name in (across, down))
    cells = {(int(row[down]), int(row[across])): row for row in part.to_dict("records")}
    shared: Values = {"x": list(map(str, columns)), "xaxis": panel.x, "yaxis": panel.y}
    values = [[scaled([cells[one, two][axis.column]], axis)[0] for two in columns] for one in rows]
    texts = [[_cell_text(cells[one, two], axis, units) for two in columns] for one in rows]
    empty = [
        (str(two), str(one), cells[one, two])
        for one in rows
        for two in columns
        if math.isnan(cells[one, two][axis.column])
    ]
    traces: list[Values] = [
        {
            "type": "heatmap",
            "y": list(map(str, rows)),
            "z": values,
            "text": texts,
            "coloraxis": "coloraxis",
            "texttemplate": "%{z:.1f}" if axis.is_fraction else "%{z:.3g}",
            "hovertemplate": "%{text}<extra></extra>",
            "xgap": 2,
            "ygap": 2,
            "textfont": {"size": 12},
            **shared,
        }
    ]
    if empty:
        traces.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": [x for x, _, _ in empty],
                "y": [y for _, y, _ in empty],
                "text": ["n/a" if cell["n_seeds"] else "-" for _, _, cell in empty],
                "textfont": {"color": MUTED},
                "hovertext": [_cell_text(cell, axis, units) for _, _, cell in empty],
                "hoverinfo": "text",
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showlegend": False,
            }
        )
    return traces


def _cell_text(cell: Mapping[Any, Any], axis: Axis, units: HeatmapUnits) -> str:
    bits = "-".join(str(int(cell[f"bits_{unit}"])) for unit in units.drawn)
    if units.is_averaged:
        bits = ", ".join(f"{plain(units.name(unit))} {int(cell[f'bits_{unit}'])} bit" for unit in units.drawn)
    if not cell["n_seeds"]:
        return f"{bits}: not trained"
    spread = cell[f"{axis.column}_std"]
    over, counts = "seeds", counted(int(cell["n_seeds"]), "seed")
    if units.is_averaged:
        over, counts = "configurations", f"mean over {counted(int(cell['n_configurations']), 'configuration')}"
    more = f" (std over {over} {quantity(spread, axis)})" if math.isfinite(spread) else ""
    return f"{bits}: {quantity(cell[axis.column], axis)}{more}, {counts}"
