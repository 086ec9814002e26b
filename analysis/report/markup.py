"""Text to HTML. Every function escapes what it is given unless its name says HTML."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.report.figures.figure import Figure

MOST_ROWS = 200
LONG_CELL = 40


def escape(text: object) -> str:
    """Return text that is shown as it is.

    >>> escape('<script>"a"')
    '&lt;script&gt;&quot;a&quot;'
    """
    return html.escape(str(text))


def paragraph(text: object, css_class: str = "") -> str:
    """Return a paragraph."""
    return f"<p{_class(css_class)}>{escape(text)}</p>"


def bullets(items: Iterable[object], css_class: str = "") -> str:
    """Return a list; empty where it has no items."""
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul{_class(css_class)}>{lines}</ul>" if lines else ""


def note(text: object) -> str:
    """Return a note in place of what cannot be shown."""
    return f'<p class="note" role="note">{escape(text)}</p>'


def table(
    frame: pd.DataFrame, caption: str, *, left: str = "", row_headings: int = 1, n_rows: int | None = None
) -> str:
    """Return a table of text, wide ones in a box that scrolls, with at most `MOST_ROWS` rows.

    Args:
        frame: Cells; what is not text is written as text, null as a dash.
        caption: What the table is.
        left: Where the rows are that are left out.
        row_headings: Leading columns that name a row.
        n_rows: All rows there are, where ``frame`` holds the first ones only.
    """
    kept = frame.head(MOST_ROWS)
    n_all = len(frame) if n_rows is None else n_rows
    if n_all > len(kept):
        caption += f" The first {len(kept)} of {n_all:,} rows{f'; all are in {left}' if left else ''}."
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in kept.columns)
    lines = []
    for values in kept.itertuples(index=False, name=None):
        cells = [
            f'<th scope="row">{_cell(value)}</th>' if place < row_headings else f"<td{_long(value)}>{_cell(value)}</td>"
            for place, value in enumerate(values)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    is_null = value is None or value is pd.NA or value != value  # noqa: PLR0124 (NaN)
    return "-" if is_null else escape(value)


def numbers(values: Iterable[float], style: str, factor: float = 1.0) -> list[str | None]:
    """Return figures as text, None where there is none.

    >>> numbers([0.0123, float("nan")], "+.2f", 100)
    ['+1.23', None]
    """
    return [f"{factor * value:{style}}" if math.isfinite(value) else None for value in values]


def _long(value: object) -> str:
    return ' class="long"' if isinstance(value, str) and len(value) > LONG_CELL else ""


def facts(pairs: Iterable[tuple[object, object]]) -> str:
    """Return terms, each with its text."""
    lines = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in pairs)
    return f'<dl class="facts">{lines}</dl>'


def fold(summary: str, inner_html: str) -> str:
    """Return what is closed at first."""
    return f"<details><summary>{escape(summary)}</summary>{inner_html}</details>"


def section(key: str, title: str, *inner_html: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{key}" aria-labelledby="{key}-title"><h2 id="{key}-title">{escape(title)}</h2>' + (
        f"{''.join(inner_html)}</section>"
    )


def figure_box(figure: Figure, heading_html: str = "") -> str:
    """Return the place of a figure: what the script draws into, its buttons and its caption."""
    buttons = "".join(
        f'<button type="button" data-save="{name}" data-figure="{figure.key}">{name.upper()}'
        f'<span class="hidden"> of {escape(figure.title)}</span></button>'
        for name in ("svg", "png")
    )
    return (
        f'<figure class="plot" id="box-{figure.key}">{heading_html}'
        f'<div class="canvas" id="figure-{figure.key}" role="img" aria-label="{escape(figure.title)}"></div>'
        f'<div class="save" aria-label="Save the figure">save as {buttons}</div>'
        f'<figcaption>{escape(figure.note)} <span class="origin">{escape(figure.origin)}</span></figcaption></figure>'
    )


def data_block(key: str, value: Any) -> str:
    """Return a block of JSON that no text in it can leave."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{key}">{text}</script>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
