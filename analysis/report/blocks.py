"""What the sections of the page are made of, as values; `templates/macros.html.j2` has a macro for each block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from analysis.report.figures.figure import Figure
from analysis.report.provenance import Facts

MOST_ROWS = 200


@dataclass(frozen=True)
class Heading:
    """A heading below that of the section."""

    macro: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; a ``role`` such as ``origin`` or ``verdict`` is its class in the style sheet."""

    macro: ClassVar[str] = "paragraph"
    text: str
    role: str = ""


@dataclass(frozen=True)
class Note:
    """A remark that stands out, often in place of what cannot be shown."""

    macro: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list; nothing is shown where it is empty."""

    macro: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    role: str = ""


@dataclass(frozen=True)
class FactList:
    """Terms, each with its text."""

    macro: ClassVar[str] = "fact_list"
    facts: Facts


@dataclass(frozen=True)
class FoldedText:
    """Text in a fixed font that is hidden until its summary is clicked."""

    macro: ClassVar[str] = "folded_text"
    summary: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table of text; `make_table` makes it from a frame.

    Attributes:
        caption: What the table is.
        columns: Headings.
        rows: Cells as text.
        n_headings: Leading columns that name a row.
    """

    macro: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_headings: int = 1


@dataclass(frozen=True)
class FigureBox:
    """The place of a figure, with its buttons and its caption; the script of the page draws into it."""

    macro: ClassVar[str] = "figure_box"
    figure: Figure
    has_heading: bool = False


@dataclass(frozen=True)
class FamilyMark:
    """How a family looks in all figures.

    Attributes:
        family: As in the tables.
        colour: Such as ``#0072B2``.
        outline: Its mark as an SVG path in a box of 20 x 20.
    """

    family: str
    colour: str
    outline: str


@dataclass(frozen=True)
class FamilyBoxes:
    """A check box for each family: the legend of all figures, which also shows and hides families."""

    macro: ClassVar[str] = "family_boxes"
    marks: tuple[FamilyMark, ...]


@dataclass(frozen=True)
class ConfigurationChooser:
    """The place of the facts and curves of one configuration, which the reader chooses."""

    macro: ClassVar[str] = "configuration_chooser"


@dataclass(frozen=True)
class ImagesSlider:
    """A slider over the number of images, which the script of the page shows, and what is on the front there.

    Attributes:
        n_steps: Its positions.
        start: The first one.
    """

    macro: ClassVar[str] = "images_slider"
    n_steps: int
    start: int


Block = (
    Heading
    | Paragraph
    | Note
    | Bullets
    | FactList
    | FoldedText
    | Table
    | FigureBox
    | FamilyBoxes
    | ConfigurationChooser
    | ImagesSlider
)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        key: Its address in the page.
        title: Heading.
        link: Its name in the list of contents.
        blocks: What it shows, from top to bottom.
    """

    key: str
    title: str
    link: str
    blocks: tuple[Block, ...]


def make_bullets(items: Iterable[str], role: str = "") -> Bullets:
    """Return a list."""
    return Bullets(tuple(items), role)


def make_table(
    frame: pd.DataFrame, caption: str, *, left: str = "", n_headings: int = 1, n_rows: int | None = None
) -> Table:
    """Return the first `MOST_ROWS` rows of a frame as text; the caption says how many are left out.

    Args:
        frame: Cells; what is not text is written as text, null as a dash.
        caption: What the table is.
        left: Where the rows are that are left out.
        n_headings: Leading columns that name a row.
        n_rows: All rows there are, where ``frame`` holds the first ones only.
    """
    kept = frame.head(MOST_ROWS)
    n_all = len(frame) if n_rows is None else n_rows
    if n_all > len(kept):
        caption += f" The first {len(kept)} of {n_all:,} rows{f'; all are in {left}' if left else ''}."
    rows = tuple(_cells(values) for values in kept.itertuples(index=False, name=None))
    return Table(caption, tuple(map(str, kept.columns)), rows, n_headings)


def _cells(values: Sequence[object]) -> tuple[str, ...]:
    is_null = [value is None or value is pd.NA or value != value for value in values]  # noqa: PLR0124 (NaN)
    return tuple("-" if null else str(value) for null, value in zip(is_null, values, strict=True))
