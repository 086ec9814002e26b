"""Figures and tables as text for people."""

from __future__ import annotations

from collections.abc import Sequence


def fraction(value: float | None) -> str:
    """Return a fraction with four digits, a dash where it was not measured.

    >>> fraction(0.5), fraction(None)
    ('0.5000', '-')
    """
    return "-" if value is None else f"{value:.4f}"


def wh(energy_kwh: float | None) -> str:
    """Return an energy in watt hours for display.

    >>> wh(1.5e-5), wh(None)
    ('0.0150 Wh', 'not measured')
    """
    return "not measured" if energy_kwh is None else f"{energy_kwh * 1000:#.3g} Wh"


def duration(seconds: float) -> str:
    """Return a time for display.

    >>> duration(75), duration(4000)
    ('1:15', '1:06:40')
    """
    minutes, whole_seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole_seconds:02d}" if hours else f"{minutes}:{whole_seconds:02d}"


def format_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a text table; the first three columns are words, the others figures.

    >>> print(format_columns(["a", "b", "c", "n"], [["x", "y", "z", "10"]]))
    a  b  c   n
    x  y  z  10
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
