"""What figures share: axes with their units, families' colours and marks, type sizes, and files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.runs.load import Objective

# Colours that stay apart for the colour-blind (Okabe and Ito 2008), and a marker each for black and white.
FAMILY_STYLE = {
    "full_precision": ("#000000", "*"),
    "fixed": ("#0072B2", "o"),
    "ascending": ("#009E73", "^"),
    "descending": ("#D55E00", "v"),
    "mixed": ("#CC79A7", "D"),
}
COLUMN_WIDTH_IN = 3.5  # one column of a two-column page (IEEE, ACM and CEUR templates are within 0.2 in)
PIXELS_PER_INCH = 300
# Sizes in points at the printed width; 6 is the least that most publishers accept.
PRINT_STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.3,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.4,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "lwq_tune",
}
NOTE_POINTS = 6.0
MORE_MARKERS = ("s", "X", "P", "h")  # of the third of a family, and so on
LINES = (
    "-",
    (0, (4, 1.2)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (7, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (8, 1, 2, 1)),
)


# Prefixes of a unit and their factors from the unit of the table, the largest first.
PREFIXES = {
    "kWh": ("Wh", (("k", 1.0), ("", 1e3), ("m", 1e6))),
    "kg CO2eq": ("g CO2eq", (("k", 1.0), ("", 1e3), ("m", 1e6), ("µ", 1e9))),
}
WATT_HOURS, GRAMS = "Wh", "g CO2eq"


@dataclass(frozen=True)
class Axis:
    """How a figure of the tables is drawn and written.

    Attributes:
        column: Column of the tables.
        name: What it is, such as ``training energy``.
        unit: Unit without prefix, such as ``Wh``; ``%`` of a fraction, empty where there is none.
        prefix: Prefix of the unit, such as ``m``.
        factor: From the unit of the column to the drawn one; a fraction stays one, `is_fraction` says that it is
            written in per cent.
    """

    column: str
    name: str
    unit: str = ""
    prefix: str = ""
    factor: float = 1.0

    @property
    def is_fraction(self) -> bool:
        """Whether values are fractions that are written in per cent."""
        return self.unit == "%"

    @property
    def drawn_unit(self) -> str:
        """Unit with its prefix."""
        return f"{self.prefix}{self.unit}"

    @property
    def unit_of_differences(self) -> str:
        """Unit of a difference or a spread: percentage points of a fraction."""
        return "points" if self.is_fraction else self.drawn_unit

    @property
    def label(self) -> str:
        """Name and unit in one line.

        >>> Axis("energy_kwh", "training energy", "Wh", "m", 1e6).label
        'training energy (mWh)'
        """
        return f"{self.name} ({self.drawn_unit})" if self.drawn_unit else self.name


def make_axis(objective: Objective, values: pd.Series) -> Axis:
    """Return the axis of an objective, its prefix chosen so that the largest finite value is 1 or more."""
    column, name = objective.column, objective.meaning
    if objective.unit in PREFIXES:
        unit, prefixes = PREFIXES[objective.unit]
        largest = float(values.abs().where(values.abs() < math.inf).max())
        prefix, factor = next((entry for entry in prefixes if largest * entry[1] >= 1), prefixes[-1])
        return Axis(column, name, unit, prefix, factor)
    return Axis(column, name, "%" if objective.unit == "1" else objective.unit)


@dataclass(frozen=True)
class LineStyle:
    """How a configuration is drawn: colour and marker by its family, dashes by its place among all."""

    colour: tuple[float, float, float]
    marker: str
    line: Any
    is_filled: bool


def make_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure of a printed size in inches."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.02)
    return figure


def line_styles(labels: Sequence[str], families: Sequence[str]) -> dict[str, LineStyle]:
    """Return a style for each label, members of a family in shades of one colour.

    >>> styles = line_styles(["fixed_2", "fixed_3"], ["fixed", "fixed"])
    >>> styles["fixed_2"].marker, styles["fixed_3"].is_filled
    ('o', False)
    """
    seen: dict[str, int] = {}
    styles = {}
    for index, (label, family) in enumerate(zip(labels, families, strict=True)):
        colour, marker = FAMILY_STYLE[family]
        rank = seen[family] = seen.get(family, -1) + 1
        marker = (marker, marker, *MORE_MARKERS)[rank % (2 + len(MORE_MARKERS))]
        styles[label] = LineStyle(_lighten(colour, min(0.2 * rank, 0.5)), marker, LINES[index % len(LINES)], rank != 1)
    return styles


def _lighten(colour: str, share: float) -> tuple[float, float, float]:
    red, green, blue = (channel + (1 - channel) * share for channel in to_rgb(colour))
    return red, green, blue


def add_note(figure: Figure, note: str) -> None:
    """Write what a reader must know below the axes, in lines that fit the figure's width."""
    n_characters = int(figure.get_figwidth() * 72 / (NOTE_POINTS * 0.54))
    wrapped = "\n".join(textwrap.wrap(note, n_characters))
    figure.supxlabel(wrapped, fontsize=NOTE_POINTS, color="0.3", x=0.01, ha="left", linespacing=1.15)


def save_print_figure(figure: Figure, stem: Path, subject: str) -> list[Path]:
    """Write a figure as SVG, PDF (TrueType fonts embedded) and PNG, and return the files.

    Args:
        figure: Drawn under `PRINT_STYLE`.
        stem: Path without suffix.
        subject: Where the numbers come from; kept in the metadata of the vector files.
    """
    metadata: dict[str, dict[str, Any]] = {
        ".svg": {"Date": None, "Description": subject},
        ".pdf": {"CreationDate": None, "Subject": subject},
        ".png": {"Description": subject},
    }
    files = [stem.with_suffix(suffix) for suffix in metadata]
    with mpl.rc_context(PRINT_STYLE):
        for file in files:
            figure.savefig(file, dpi=PIXELS_PER_INCH, metadata=metadata[file.suffix])
    return files
