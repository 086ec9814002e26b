"""The display during a sweep, on stderr: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lwq_tune.config.trial import TrialConfig
from lwq_tune.formatting import duration, fraction, name_trials, wh
from lwq_tune.results.schema import ENDED

Row = Mapping[str, Any]

MARKS = {"pending": "·", "running": "▸", "done": "✓", "stopped": "■", "failed": "✗"}


class Progress(Protocol):
    """Displays the events of a sweep."""

    def start_trial(self, trial_key: str, trial: TrialConfig) -> None:
        """Show that a trial starts; one that a search has proposed is new."""

    def add_row(self, row: Row) -> None:
        """Show an epoch."""

    def end_trial(self, trial_key: str, trial: TrialConfig, status: str, reason: str | None) -> None:
        """Show that a trial has ended."""

    def close(self) -> None:
        """End the display."""


class Countdown:
    """Remaining time, from the mean time of the epochs so far."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._n_done = 0
        self._begin_s = time.monotonic()

    def advance(self) -> None:
        """Count an epoch."""
        self._n_done += 1

    def remaining(self) -> str:
        """Return the remaining time, or ``?`` before the first epoch."""
        if self._n_done == 0:
            return "?"
        pace_s = (time.monotonic() - self._begin_s) / self._n_done
        return duration(pace_s * max(0, self._n_epochs - self._n_done))


class PlainProgress:
    """One line per epoch and per end of a trial."""

    def __init__(
        self, trials: Mapping[str, TrialConfig], stream: TextIO, n_epochs: int, n_trials: int | None = None
    ) -> None:
        self._trials = dict(trials)
        self._n_trials = n_trials or len(trials)
        self._name = name_trials(trials.values())
        self._numbers = {key: number for number, key in enumerate(trials, start=1)}
        self._countdown = Countdown(n_epochs)
        self._stream = stream

    def start_trial(self, trial_key: str, trial: TrialConfig) -> None:
        """Print which trial starts."""
        self._say(trial_key, trial, "starts")

    def add_row(self, row: Row) -> None:
        """Print the results of the epoch."""
        self._countdown.advance()
        trial = self._trials[row["trial_key"]]
        self._say(
            row["trial_key"],
            trial,
            f"epoch {row['epoch']}/{trial.n_rows}  val {row['val_accuracy']:.4f}  "
            f"test {fraction(row['test_accuracy'])}  {wh(row['energy_kwh'])}  {row['epoch_time_s']:.1f} s  "
            f"({self._countdown.remaining()} left)",
        )

    def end_trial(self, trial_key: str, trial: TrialConfig, status: str, reason: str | None) -> None:
        """Print how the trial ended."""
        self._say(trial_key, trial, status + (f": {reason}" if reason else ""))

    def close(self) -> None:
        """Do nothing."""

    def _say(self, trial_key: str, trial: TrialConfig, message: str) -> None:
        self._trials[trial_key] = trial
        number = self._numbers.setdefault(trial_key, len(self._numbers) + 1)
        line = f"[{number}/{self._n_trials}] {self._name(trial)} seed {trial.seed}: {message}"
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """A table of trials that is redrawn at each event."""

    def __init__(
        self, trials: Mapping[str, TrialConfig], console: Console, n_epochs: int, n_trials: int | None = None
    ) -> None:
        self._trials = dict(trials)
        self._n_trials = n_trials or len(trials)
        self._name = name_trials(trials.values())
        self._status = dict.fromkeys(trials, "pending")
        self._rows: dict[str, Row] = {}
        self._countdown = Countdown(n_epochs)
        self._console = console
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2)
        self._live.start()

    def start_trial(self, trial_key: str, trial: TrialConfig) -> None:
        """Mark the trial as running."""
        self._trials[trial_key] = trial
        self._status[trial_key] = "running"

    def add_row(self, row: Row) -> None:
        """Show the epoch."""
        self._countdown.advance()
        self._rows[row["trial_key"]] = row

    def end_trial(self, trial_key: str, trial: TrialConfig, status: str, reason: str | None) -> None:
        """Show how the trial ended; errors stay above the table."""
        self._trials[trial_key] = trial
        self._status[trial_key] = status
        if status == "failed":
            self._console.print(Text(f"{self._name(trial)} seed {trial.seed} failed: {reason}", style="red"))

    def close(self) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for title in ("", "schedule", "seed", "epoch", "val", "test", "energy"):
            table.add_column(title, justify="left" if title in ("", "schedule") else "right")
        for key in self._visible():
            table.add_row(*self._cells(key))
        n_over = sum(status in ENDED for status in self._status.values())
        footer = f"{n_over} of {self._n_trials} trials, {self._countdown.remaining()} left"
        return Group(table, Text(footer, style="dim"))

    def _visible(self) -> list[str]:
        """Return the trials that fit on the screen, those around the running one."""
        keys = list(self._trials)
        room = max(3, self._console.height - 4)
        running = next((i for i, key in enumerate(keys) if self._status[key] == "running"), len(keys) - 1)
        first = min(max(0, running - room // 2), max(0, len(keys) - room))
        return keys[first : first + room]

    def _cells(self, key: str) -> list[str]:
        trial, row = self._trials[key], self._rows.get(key)
        cells = [MARKS[self._status[key]], self._name(trial), str(trial.seed)]
        if row is None:
            return [*cells, f"0/{trial.n_rows}", "", "", ""]
        return [
            *cells,
            f"{row['epoch']}/{trial.n_rows}",
            f"{row['val_accuracy']:.4f}",
            fraction(row["test_accuracy"]),
            wh(row["cumulative_energy_kwh"]),
        ]


def make_progress(
    trials: Mapping[str, TrialConfig],
    stream: TextIO,
    epochs_done: Mapping[str, int],
    proposed: tuple[int, int] = (0, 0),
) -> Progress:
    """Return the display that suits ``stream``.

    Args:
        trials: The trials of this session by key.
        stream: Where to draw.
        epochs_done: Epochs of each trial from earlier sessions.
        proposed: Number of trials that a search will propose, and of their epochs.
    """
    n_more, epochs_more = proposed
    n_trials = len(trials) + n_more
    n_epochs = epochs_more + sum(trial.n_rows - epochs_done.get(key, 0) for key, trial in trials.items())
    if stream.isatty():
        return LiveProgress(trials, Console(file=stream), n_epochs, n_trials)
    return PlainProgress(trials, stream, n_epochs, n_trials)
