"""From Ray Tune's events to our records: the only writer of a run's rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ray import tune

from lwq_tune.errors import ResultsError
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.sweep.progress import Progress
from lwq_tune.sweep.stopping.controller import Control
from lwq_tune.sweep.stopping.rules import Decision, EndStatus


class RecordingCallback(tune.Callback):
    """Hands each event to the recorder and to the display.

    An error of the recorder is kept in ``error`` and not raised: some hooks of Tune take an exception for a
    failure of the trial and train it again. `EarlyStop` ends the sweep instead.

    Args:
        recorder: Records of the run.
        progress: The display.
        control: Knows which trials end early.
        epoch_limit_s: Longest time that an epoch may take.
    """

    def __init__(
        self, recorder: RunRecorder, progress: Progress, control: Control, epoch_limit_s: float | None = None
    ) -> None:
        self._recorder = recorder
        self._progress = progress
        self._control = control
        self._epoch_limit_s = epoch_limit_s
        self._heard_s: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._ended: set[str] = set()
        self.error: ResultsError | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle: files and terminals stay with this process."""
        return {}

    def admits(self, key: str) -> bool:
        """Return whether a trial is to start; one that a rule keeps from it is recorded as ended."""
        decision = self._control.before_start(key)
        if decision is not None:
            self._end_early(key, decision)
        return decision is None

    def refuse(self, key: str, error: str) -> None:
        """Record that a trial cannot start."""
        self._end(key, "failed", error=error)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record an attempt."""
        key = key_of(trial.config)
        self._heard_s[key] = time.monotonic()
        self._guarded(self._recorder.start_attempt, key)
        self._progress.start_trial(key, self._recorder.config(key))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch, or remember why the trial failed."""
        key = key_of(trial.config)
        self._heard_s[key] = time.monotonic()
        if "failure" in result:
            self._failures[key] = result["failure"]
            return
        for values in result.get("rows", ()):
            row = self._guarded(self._recorder.add_row, key, trial.trial_id, values)
            if row is not None:
                self._progress.add_row(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that ran to its end, was stopped by a rule, or failed inside."""
        key = key_of(trial.config)
        decision = self._control.decision(key)
        if key in self._failures:
            self._end(key, "failed", error=self._failures[key])
        elif decision is not None:
            self._end_early(key, decision)
        elif not self._control.is_cut(key):
            self._end(key, "done")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that Tune gave up: its process died too often, or a checkpoint failed."""
        key = key_of(trial.config)
        last = _last_error(trial)
        silent_s = time.monotonic() - self._heard_s.get(key, time.monotonic())
        if self._epoch_limit_s is not None and silent_s >= self._epoch_limit_s:
            last = f"an epoch may take {self._epoch_limit_s:g} s (--epoch-limit), this one had not ended by then"
        self._end(key, "failed", error=f"given up after {trial.num_failures} failures of its process; the last: {last}")

    def _end_early(self, key: str, decision: Decision) -> None:
        status: EndStatus = "done" if decision.is_end else "stopped"
        self._end(key, status, stop_reason=f"{decision.rule}: {decision.reason}")

    def _end(self, key: str, status: EndStatus, error: str | None = None, stop_reason: str | None = None) -> None:
        if key in self._ended or self.error is not None:
            return
        self._guarded(self._recorder.end_trial, key, status, error, stop_reason)
        self._ended.add(key)
        self._control.end_trial(key, status)
        self._progress.end_trial(key, self._recorder.config(key), status, error or stop_reason)

    def _guarded(self, action: Any, *arguments: Any) -> Any:
        """Return what ``action`` returns, or None after the first error of the recorder."""
        if self.error is not None:
            return None
        try:
            return action(*arguments)
        except ResultsError as error:
            self.error = error
            return None


class EarlyStop(tune.Stopper):
    """Ends trials and the sweep early: by its rules, its budget, or since something could not be recorded."""

    def __init__(self, callback: RecordingCallback, control: Control) -> None:
        self._callback, self._control = callback, control

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle, as the callback does."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether a trial ends with this epoch."""
        rows = result.get("rows", ())
        return any(self._control.ends_trial(key_of(result["config"]), row, is_last=result["done"]) for row in rows)

    def stop_all(self) -> bool:
        """Return whether something could not be recorded."""
        return getattr(getattr(self, "_callback", None), "error", None) is not None


def key_of(config: dict[str, Any]) -> str:
    """Return the trial key in a configuration that Tune passes around."""
    key: str = config["job"]["trial_key"]
    return key


def _last_error(trial: Any) -> str:
    """Return the last line of Tune's error file, which holds the exception."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8").splitlines()
    except (OSError, TypeError):
        return "unknown, Tune left no error file"
    return next((line.strip() for line in reversed(lines) if line.strip()), "unknown, Tune's error file is empty")
