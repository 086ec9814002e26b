"""Figures, tables and names of trials as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lwq_tune.config.trial import TrialConfig


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


def name_trials(trials: Iterable[TrialConfig]) -> Callable[[TrialConfig], str]:
    """Return a function that names each of ``trials``, seeds apart.

    A name is the schedule, and the width where that is not 1 and the trials have different ones.

    >>> narrow, wide = TrialConfig(bit_widths=(2, 2, 2), width=0.5), TrialConfig(bit_widths=(4, 4, 4))
    >>> name_trials([narrow, wide])(narrow), name_trials([wide])(wide)
    ('fixed_2 at width 0.5', 'fixed_4')
    """
    has_widths = len({trial.width for trial in trials}) > 1

    def name(trial: TrialConfig) -> str:
        return f"{trial.schedule} at width {trial.width:g}" if has_widths and trial.width != 1 else trial.schedule

    return name
