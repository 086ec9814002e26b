"""The legend of all figures, which is also where families are shown and hidden."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.report.figures.styles import family_colour, family_symbol
from analysis.report.markup import escape

# Outlines in a box of 20 x 20.
SHAPES = {
    "star": "M10 1l2.6 6.2 6.7.5-5.1 4.3 1.6 6.5-5.8-3.5-5.8 3.5 1.6-6.5L.7 7.7l6.7-.5z",
    "circle": "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14z",
    "triangle-up": "M10 2.5l8 14H2z",
    "triangle-down": "M10 17.5l-8-14h16z",
    "diamond": "M10 1.5l7.5 8.5-7.5 8.5L2.5 10z",
}


def family_toggles(families: Sequence[str]) -> str:
    """Return a check box for each family, with its colour and its mark."""
    boxes = "".join(
        f'<label><input type="checkbox" checked data-family="{escape(family)}">'
        f'<svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true"><path d="{SHAPES[family_symbol(family)]}" '
        f'fill="{family_colour(family)}"/></svg>{escape(family.replace("_", " "))}</label>'
        for family in families
    )
    return f'<fieldset class="families"><legend>Families, in all figures</legend>{boxes}</fieldset>'
