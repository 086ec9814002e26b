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

    An error of the recorder is kept in ``error`` and not raised: some hooks of Tune take an exception for a
    failure of the trial and train it again. `StopOnError` ends the sweep instead.
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
        if "row" in result:
            row = self._guarded(self._recorder.add_row, key, trial.trial_id, result["row"])
            if row is not None:
                self._progress.add_row(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that ran to its end or failed inside."""
        key = trial.config["job"]["trial_key"]
        self._end(key, self._failures.get(key))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that Tune gave up: its process died too often, or a checkpoint failed."""
        error = f"given up after {trial.num_failures} failures of its process; the last: {_last_error(trial)}"
        self._end(trial.config["job"]["trial_key"], error)

    def _end(self, key: str, error: str | None) -> None:
        if key in self._ended or self.error is not None:
            return
        status = "failed" if error else "done"
        self._guarded(self._recorder.end_trial, key, status, error)
        self._ended.add(key)
        self._progress.end_trial(key, status, error)

    def _guarded(self, action: Any, *arguments: Any) -> Any:
        """Return what ``action`` returns, or None after the first error of the recorder."""
        if self.error is not None:
            return None
        try:
            return action(*arguments)
        except ResultsError as error:
            self.error = error
            return None


class StopOnError(tune.Stopper):
    """Ends the sweep once the callback could not record something."""

    def __init__(self, callback: RecordingCallback) -> None:
        self._callback = callback

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial on its own."""
        return False

    def stop_all(self) -> bool:
        """Return whether something could not be recorded."""
        return getattr(self._callback, "error", None) is not None


def _last_error(trial: Any) -> str:
    """Return the last line of Tune's error file, which holds the exception."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8").splitlines()
    except (OSError, TypeError):
        return "unknown, Tune left no error file"
    return next((line.strip() for line in reversed(lines) if line.strip()), "unknown, Tune's error file is empty")
