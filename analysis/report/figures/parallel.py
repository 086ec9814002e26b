"""Parallel coordinates: a line for each configuration through the bits of its units, its accuracy and its cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.style import Axis
from analysis.report.details import objective_axes
from analysis.report.evidence import Evidence
from analysis.report.figures.figure import Figure, Panel
from analysis.report.figures.styles import GRID, MUTED, base_layout, family_colour, family_dash, family_symbol
from analysis.report.formatting import Values, number_text, plain, rounded
from analysis.runs.networks import FEW_UNITS
from analysis.wording import counted_range

MOST_LINES = 100
SPREAD, SPREAD_EACH = 0.5, 0.04  # of the distance between two numbers of bits: for all lines, for each
LETTER_PX, LONGEST_NAME = 6.5, 22  # of an upright name: its height by letters; the middle of longer ones is left out
FIGURE_PLACES = 2  # of an axis of a figure, in distances of axes of units, where those stand close


def draw_parallel(evidence: Evidence, hover: dict[int, str]) -> Figure:
    """Return a line for each of the first configurations by rank."""
    rows = evidence.shown.head(MOST_LINES)
    rows = pd.concat([rows, evidence.shown.iloc[MOST_LINES:].query("family == 'full_precision'")])
    n_units = max(map(len, rows["bit_widths"]))
    is_upright = n_units > FEW_UNITS
    levels = sorted({int(bits) for widths in rows["bit_widths"] for bits in widths})
    axes = objective_axes(evidence)
    units = evidence.units[:n_units]
    if is_upright:
        names = [*(plain(_short(name)) for name in units), *(plain(axis.label) for axis in axes)]
    else:
        names = [*(f"{plain(name)}<br>bits" for name in units), *map(_axis_name, axes)]
    heights = _heights(rows, levels, axes, n_units)
    # Axes of many units stand close: the first one has the numbers of bits for all.
    bit_ticks = [_bit_ticks(levels), *[[] if is_upright else _bit_ticks(levels)] * (n_units - 1)]
    ticks = bit_ticks + [_figure_ticks(rows, axis) for axis in axes]
    places = list(range(len(names)))
    if is_upright:
        places = [*range(n_units), *(n_units - 1 + FIGURE_PLACES * number for number in range(1, len(axes) + 1))]
    data = _lines(rows, places, heights, hover)
    layout = base_layout(
        xaxis={
            "range": [-0.45, places[-1] + 0.45],
            "tickvals": places,
            "ticktext": names,
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "tickangle": -90 if is_upright else 0,
            "tickfont": {"size": 11},
        },
        yaxis={"range": [-0.09, 1.09], "visible": False, "fixedrange": True},
        shapes=[
            {
                "type": "line",
                "x0": place,
                "x1": place,
                "y0": -0.05,
                "y1": 1.05,
                "layer": "below",
                "line": {"color": MUTED if place < n_units else GRID, "width": 1},
            }
            for place in places
        ],
        annotations=[
            {
                "x": place,
                "y": height,
                "text": text,
                "showarrow": False,
                "xanchor": "right",
                "xshift": -5,
                "font": {"size": 11, "color": MUTED},
                "bgcolor": "rgba(255,255,255,0.75)",
                "borderpad": 1,
            }
            for place, pairs in zip(places, ticks, strict=True)
            for height, text in pairs
        ],
        margin={"l": 16, "r": 16, "t": 12, "b": _room(names) if is_upright else 52},
    )
    note = (
        f"A line is a configuration: the bits of its units (even distances between {', '.join(map(str, levels))}; "
        "lines with the same bits are drawn beside one another), then its figures, means over "
        f"{counted_range(rows['n_seeds'].astype(int), 'seed', ' to ')}. Colour, dashes and marks: family."
    )
    if is_upright:
        note += f" All {n_units} axes of units have the bits of the first, shallow to deep."
    if len(rows) < len(evidence.front):
        note += f" The first {MOST_LINES} of {len(evidence.front):,} by rank, and full precision."
    return Figure("parallel", "Where the bits are", note, evidence.origin, data, layout, [Panel(1)], panel_height=360)


def _axis_name(axis: Axis) -> str:
    unit = f"<br>({plain(axis.drawn_unit)})" if axis.drawn_unit else ""
    return plain(axis.name).replace(" ", "<br>", 1) + unit


def _short(name: str) -> str:
    """Return a name of few letters.

    >>> _short("layer1.0.conv1"), _short("features.denseblock4.denselayer16.conv2")
    ('layer1.0.conv1', 'features.de…er16.conv2')
    """
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1 - half]}…{name[-half:]}"


def _room(names: list[str]) -> int:
    """Return the pixels below the axes that upright names take."""
    return int(24 + LETTER_PX * max(map(len, names)))


def _heights(rows: pd.DataFrame, levels: list[int], axes: list[Axis], n_units: int) -> list[list[float | None]]:
    """Return the height of each configuration, from 0 to 1, at each axis; None where it has none."""
    beside = (np.arange(len(rows)) / max(1, len(rows) - 1) - 0.5) * min(SPREAD, SPREAD_EACH * len(rows))
    beside /= max(1, len(levels) - 1)
    places = {bits: place / max(1, len(levels) - 1) for place, bits in enumerate(levels)}
    figures = np.column_stack([_shares(rows[axis.column]) for axis in axes])
    return [
        [
            *(rounded(places[int(bits)] + offset, 4) for bits in widths),
            *[None] * (n_units - len(widths)),
            *(rounded(float(share), 4) for share in shares),
        ]
        for widths, offset, shares in zip(rows["bit_widths"], beside, figures, strict=True)
    ]


def _shares(values: pd.Series) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return values from 0, the least, to 1, the greatest."""
    numbers = values.to_numpy(dtype=float)
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.max() == known.min():
        return np.where(np.isfinite(numbers), 0.5, np.nan)
    return np.where(np.isfinite(numbers), (numbers - known.min()) / (known.max() - known.min()), np.nan)


def _bit_ticks(levels: list[int]) -> list[tuple[float, str]]:
    return [(place / max(1, len(levels) - 1), str(bits)) for place, bits in enumerate(levels)]


def _figure_ticks(rows: pd.DataFrame, axis: Axis) -> list[tuple[float, str]]:
    known = rows[axis.column].dropna()
    if known.empty:
        return [(0.5, "not measured")]
    if known.min() == known.max():
        return [(0.5, number_text(float(known.min()), axis))]
    return [(0.0, number_text(float(known.min()), axis)), (1.0, number_text(float(known.max()), axis))]


def _lines(
    rows: pd.DataFrame, places: list[int], heights: list[list[float | None]], hover: dict[int, str]
) -> list[Values]:
    traces: list[Values] = []
    seen: set[str] = set()
    for number, family, height in zip(rows.index.tolist(), rows["family"], heights, strict=True):
        name = family.replace("_", " ")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": places,
                "y": height,
                "name": name,
                "legendgroup": name,
                "showlegend": name not in seen,
                "meta": {"family": family},
                "opacity": 0.8,
                "line": {"color": family_colour(family), "dash": family_dash(family), "width": 1.6},
                "marker": {"symbol": family_symbol(family), "size": 7, "color": family_colour(family)},
                "customdata": [number] * len(height),
                "text": hover[number],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
        seen.add(name)
    return traces
