"""From Ray Tune's events to our records: the only writer of a run's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from lwq_tune.errors import ResultsError
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.sweep.progress import Progress


class RecordingCallback(tune.Callback):
    """Hands each event to the recorder and to the display.

    Tune ends the sweep when a callback raises, which is right when a row could not be written; the error is
    kept in ``error``, since Tune wraps it.
    """

    def __init__(self, recorder: RunRecorder, progress: Progress) -> None:
        self._recorder = recorder
        self._progress = progress
        self._failures: dict[str, str] = {}
        self._ended: set[str] = set()
        self.error: ResultsError | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle: files and terminals stay with this process."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record an attempt."""
        key = trial.config["job"]["trial_key"]
        self._guarded(self._recorder.start_attempt, key)
        self._progress.start_trial(key)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch, or remember why the trial failed."""
        key = trial.config["job"]["trial_key"]
        if "failure" in result:
            self._failures[key] = result["failure"]
            return
        row = self._guarded(self._recorder.add_row, key, trial.trial_id, result["row"])
        self._progress.add_row(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that ran to its end or failed inside."""
        key = trial.config["job"]["trial_key"]
        self._end(key, self._failures.get(key))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial whose process died more often than it is retried."""
        self._end(
            trial.config["job"]["trial_key"], f"its process failed repeatedly; the last time: {_last_error(trial)}"
        )

    def _end(self, key: str, error: str | None) -> None:
        if key in self._ended:
            return
        self._ended.add(key)
        status = "failed" if error else "done"
        self._guarded(self._recorder.end_trial, key, status, error)
        self._progress.end_trial(key, status, error)

    def _guarded(self, action: Any, *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except ResultsError as error:
            self.error = error
            raise


def _last_error(trial: Any) -> str:
    """Return the last line of Tune's error file, which holds the exception."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8").splitlines()
    except (OSError, TypeError):
        return "unknown, Tune left no error file"
    return next((line.strip() for line in reversed(lines) if line.strip()), "unknown, Tune's error file is empty")
