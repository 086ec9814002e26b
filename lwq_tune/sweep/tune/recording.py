"""Records Ray Tune's events in the run folder: the only writer of a run's rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from lwq_tune.errors import ResultsError
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.sweep.progress import Progress
from lwq_tune.sweep.stopping.controller import StopController
from lwq_tune.sweep.stopping.rules import Decision, EndStatus


class RecordingCallback(tune.Callback):
    """Passes each event to the recorder and to the display.

    An error of the recorder is kept in ``error`` and not raised: Tune treats an exception in some callbacks as a
    failure of the trial and trains it again. `EarlyStop` ends the sweep instead.

    Args:
        recorder: Records of the run.
        progress: The display.
        controller: Decides which trials end early.
        epoch_limit_s: Longest time that an epoch may take.
        before_row: Called with the name of a row's host before the row is recorded.
    """

    def __init__(
        self,
        recorder: RunRecorder,
        progress: Progress,
        controller: StopController,
        epoch_limit_s: float | None = None,
        before_row: Callable[[str], object] = lambda hostname: None,
    ) -> None:
        self._recorder = recorder
        self._progress = progress
        self._controller = controller
        self._epoch_limit_s = epoch_limit_s
        self._before_row = before_row
        self._reported_s: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._ended: set[str] = set()
        self.error: ResultsError | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: files and terminals stay in this process."""
        return {}

    def admits(self, key: str) -> bool:
        """Return whether a trial may start; one that a rule excludes is recorded as ended."""
        decision = self._controller.before_start(key)
        if decision is not None:
            self._end_early(key, decision)
        return decision is None

    def refuse(self, key: str, error: str) -> None:
        """Record that a trial cannot start."""
        self._end(key, "failed", error=error)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record an attempt."""
        key = key_of(trial.config)
        self._reported_s[key] = time.monotonic()
        self._record(self._recorder.start_attempt, key)
        self._progress.start_trial(key, self._recorder.config(key))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch, or remember why the trial failed."""
        key = key_of(trial.config)
        self._reported_s[key] = time.monotonic()
        if "failure" in result:
            self._failures[key] = result["failure"]
            return
        for values in result.get("rows", ()):
            self._before_row(values["hostname"])
            row = self._record(self._recorder.add_row, key, trial.trial_id, values)
            if row is not None:
                self._progress.add_row(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that ran to its end, was stopped by a rule, or failed inside."""
        key = key_of(trial.config)
        decision = self._controller.decision(key)
        if key in self._failures:
            self._end(key, "failed", error=self._failures[key])
        elif decision is not None:
            self._end_early(key, decision)
        elif not self._controller.is_cut(key):
            self._end(key, "done")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that Tune does not retry: its process died too often, or a checkpoint failed."""
        key = key_of(trial.config)
        last = _last_error(trial)
        without_report_s = time.monotonic() - self._reported_s.get(key, time.monotonic())
        if self._epoch_limit_s is not None and without_report_s >= self._epoch_limit_s:
            last = f"an epoch may take {self._epoch_limit_s:g} s (--epoch-limit), this one had not ended by then"
        self._end(key, "failed", error=f"given up after {trial.num_failures} failures of its process; the last: {last}")

    def _end_early(self, key: str, decision: Decision) -> None:
        status: EndStatus = "done" if decision.is_end else "stopped"
        self._end(key, status, stop_reason=f"{decision.rule}: {decision.reason}")

    def _end(self, key: str, status: EndStatus, error: str | None = None, stop_reason: str | None = None) -> None:
        if key in self._ended or self.error is not None:
            return
        self._record(self._recorder.end_trial, key, status, error, stop_reason)
        self._ended.add(key)
        self._controller.end_trial(key, status)
        self._progress.end_trial(key, self._recorder.config(key), status, error or stop_reason)

    def _record(self, action: Any, *arguments: Any) -> Any:
        """Return what ``action`` returns, or None after the first error of the recorder."""
        if self.error is not None:
            return None
        try:
            return action(*arguments)
        except ResultsError as error:
            self.error = error
            return None


class EarlyStop(tune.Stopper):
    """Ends trials and the sweep early: by a rule, by the budget, or after an error of the recorder."""

    def __init__(self, callback: RecordingCallback, controller: StopController) -> None:
        self._callback, self._controller = callback, controller

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle, as the callback does."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether a trial ends with this epoch."""
        rows = result.get("rows", ())
        return any(self._controller.ends_trial(key_of(result["config"]), row, is_last=result["done"]) for row in rows)

    def stop_all(self) -> bool:
        """Return whether the recorder has failed."""
        return getattr(getattr(self, "_callback", None), "error", None) is not None


def key_of(config: dict[str, Any]) -> str:
    """Return the trial key in a configuration of Tune."""
    key: str = config["job"].trial_key
    return key


def _last_error(trial: Any) -> str:
    """Return the last line of Tune's error file, which holds the exception."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8").splitlines()
    except (OSError, TypeError):
        return "unknown, Tune left no error file"
    return next((line.strip() for line in reversed(lines) if line.strip()), "unknown, Tune's error file is empty")
