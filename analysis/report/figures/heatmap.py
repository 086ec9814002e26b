"""Heat maps of a report: a panel for each number of bits of the last stage, a cell for each schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.effects.heatmap import is_full_precision
from analysis.figures.heatmap import COLOUR_MAPS, heatmap_note
from analysis.figures.style import GRAMS, Axis, make_axis
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.figure import AxisTitle, Figure, Panel, axis_layout
from analysis.report.figures.styles import MUTED, base_layout, colour_scale
from analysis.report.formatting import Values, quantity, scaled
from analysis.runs.load import Objective
from analysis.wording import counted

CELL_PX = 46
MOST_CELLS = 1000


def draw_heatmaps(evidence: Evidence) -> list[Figure] | Missing:
    """Return one figure for accuracy and one for the cost, or why there is none."""
    frame = evidence.heatmap
    if isinstance(frame, Missing):
        return frame
    if len(frame) > MOST_CELLS:
        return Missing(f"a heat map of {len(frame):,} cells is not legible on a screen; `heatmap` draws it for print")
    grid = frame[~is_full_precision(frame)]
    if grid.empty:
        return Missing("a heat map needs quantized schedules, these runs have full precision only")
    return [
        _draw(evidence, frame, grid, axis, colours)
        for axis, colours in zip(evidence.heatmap_objectives, COLOUR_MAPS, strict=False)
    ]


def _draw(evidence: Evidence, frame: pd.DataFrame, grid: pd.DataFrame, objective: Objective, colours: str) -> Figure:
    axis = make_axis(objective, grid[objective.column])
    levels = sorted({int(bits) for bits in grid["bits_3"]})
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
    for level in levels:
        titles = AxisTitle("bits of stage 2"), AxisTitle("bits of stage 1")
        panel = Panel(len(panels) + 1, f"stage 3: {level} bit", *titles)
        data += _panel_traces(grid[grid["bits_3"] == level], axis, panel)
        category = {"type": "category", "showgrid": False}
        layout |= axis_layout(panel, "x", **category) | axis_layout(panel, "y", **category)
        panels.append(panel)
    n_columns, n_rows = grid["bits_2"].nunique(), grid["bits_1"].nunique()
    return Figure(
        f"heatmap-{'accuracy' if axis.is_fraction else 'emissions' if axis.unit == GRAMS else 'energy'}",
        f"Every schedule: {axis.label}",
        heatmap_note(frame, [objective], "A dash"),
        evidence.origin,
        data,
        layout,
        panels,
        panel_width=max(170, 75 + CELL_PX * n_columns),
        panel_height=max(150, CELL_PX * n_rows),
    )


def _panel_traces(part: pd.DataFrame, axis: Axis, panel: Panel) -> list[Values]:
    columns, rows = (sorted({int(bits) for bits in part[name]}) for name in ("bits_2", "bits_1"))
    cells = {
        (int(one), int(two)): row
        for one, two, row in zip(part["bits_1"], part["bits_2"], part.to_dict("records"), strict=True)
    }
    shared: Values = {"x": list(map(str, columns)), "xaxis": panel.x, "yaxis": panel.y}
    values = [[scaled([cells[one, two][axis.column]], axis)[0] for two in columns] for one in rows]
    texts = [[_cell_text(cells[one, two], axis) for two in columns] for one in rows]
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
                "hovertext": [_cell_text(cell, axis) for _, _, cell in empty],
                "hoverinfo": "text",
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showlegend": False,
            }
        )
    return traces


def _cell_text(cell: Mapping[Any, Any], axis: Axis) -> str:
    bits = "-".join(str(int(cell[f"bits_{stage}"])) for stage in (1, 2, 3))
    if not cell["n_seeds"]:
        return f"{bits}: not trained"
    spread = cell[f"{axis.column}_std"]
    more = f" (std over seeds {quantity(spread, axis)})" if math.isfinite(spread) else ""
    return f"{bits}: {quantity(cell[axis.column], axis)}{more}, {counted(int(cell['n_seeds']), 'seed')}"
