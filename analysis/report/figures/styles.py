"""How a report draws: the families' colours and shapes of the printed figures, as Plotly names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from analysis.figures.style import FAMILY_STYLE, LINES, line_styles
from analysis.figures.uncertainty_marks import face_and_edge
from analysis.report.formatting import Values

SYMBOLS = {
    "*": "star",
    "o": "circle",
    "^": "triangle-up",
    "v": "triangle-down",
    "D": "diamond",
    "s": "square",
    "X": "x",
    "P": "cross",
    "h": "hexagon",
}
# Outlines of the symbols in a box of 20 x 20, as SVG paths.
OUTLINES = {
    "star": "M10 1l2.6 6.2 6.7.5-5.1 4.3 1.6 6.5-5.8-3.5-5.8 3.5 1.6-6.5L.7 7.7l6.7-.5z",
    "circle": "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14z",
    "triangle-up": "M10 2.5l8 14H2z",
    "triangle-down": "M10 17.5l-8-14h16z",
    "diamond": "M10 1.5l7.5 8.5-7.5 8.5L2.5 10z",
}
SIZES = {"star": 17, "triangle-up": 14, "triangle-down": 14}  # pixels; others are 12: alike to the eye
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
INK, GRID, MUTED = "#1a1a1a", "#dddddd", "#595959"
AXIS: Values = {
    "gridcolor": GRID,
    "linecolor": MUTED,
    "ticks": "outside",
    "tickcolor": MUTED,
    "zeroline": False,
    "showline": True,
    "automargin": True,
    "title": {"standoff": 8},
}


def family_symbol(family: str) -> str:
    """Return the marker of a family.

    >>> family_symbol("ascending")
    'triangle-up'
    """
    return SYMBOLS[FAMILY_STYLE[family][1]]


def family_colour(family: str) -> str:
    """Return the colour of a family, `analysis.figures.style.FAMILY_STYLE`."""
    return FAMILY_STYLE[family][0]


def dash(index: int) -> str:
    """Return the dashes of the line ``index`` of a figure, in pixels.

    >>> dash(0), dash(1)
    ('solid', '8px,2.4px')
    """
    line = LINES[index % len(LINES)]
    return "solid" if isinstance(line, str) else ",".join(f"{2 * length:g}px" for length in line[1])


def family_dash(family: str) -> str:
    """Return the dashes of a family where lines differ by family alone."""
    return dash(list(FAMILY_STYLE).index(family))


def configuration_styles(labels: Sequence[str], families: Sequence[str]) -> dict[str, tuple[Values, Values]]:
    """Return line and marker of each configuration: colour by family, dashes by its place among all."""
    return {
        label: (
            {"color": to_hex(style.colour), "dash": dash(index), "width": 2},
            {
                "symbol": SYMBOLS[style.marker] + ("" if style.is_filled else "-open"),
                "size": 7,
                "color": to_hex(style.colour),
            },
        )
        for index, (label, style) in enumerate(line_styles(labels, families).items())
    }


def faint(colour: str, opacity: float) -> str:
    """Return a colour with an opacity.

    >>> faint("#0072B2", 0.5)
    'rgba(0,114,178,0.5)'
    """
    red, green, blue = (round(255 * channel) for channel in to_rgb(colour))
    return f"rgba({red},{green},{blue},{opacity:g})"


def verdict_marker(family: str, verdicts: Any) -> Values:
    """Return the markers of a family: hollow where shown dominated, black edge where shown on the front."""
    faces, edges = face_and_edge(verdicts, family_colour(family))
    return {
        "symbol": family_symbol(family),
        "size": SIZES.get(family_symbol(family), 12),
        "color": faces,
        "line": {"color": edges, "width": [2.5 if edge == "black" else 1.5 for edge in edges]},
        "opacity": 1,
    }


def colour_scale(name: str) -> list[list[Any]]:
    """Return a colour map of the printed heat maps as Plotly takes it."""
    return [[step / 8, to_hex(colormaps[name](step / 8))] for step in range(9)]


def base_layout(**changes: Any) -> Values:
    """Return the layout that all figures share."""
    return {
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 60, "r": 16, "t": 12, "b": 52},
        "hovermode": "closest",
        "showlegend": True,
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": MUTED, "font": {"color": INK, "size": 12}, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False},
        **changes,
    }
