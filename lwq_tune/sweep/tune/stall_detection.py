"""Ends trials that report nothing: their process was stopped, or hangs outside of what `time_limit` watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray import tune

MAX_STEP_S = 1.0
# A trial may be without a report for an epoch and a checkpoint, each of which may take the limit.
LIMITS_PER_STALL = 2.0


class StallDetector:
    """Finds trials that have not reported for longer than a limit.

    Time counts only while `find_stalled` is called: a driver that was stopped itself could receive no report.

    Args:
        limit_s: Longest time without a report.
        clock: Returns a time in seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._asked_s = clock()
        self._now_s = 0.0
        self._reported_s: dict[str, float] = {}

    def note_report(self, trial: str) -> None:
        """Note that a trial has reported."""
        self._reported_s[trial] = self._now_s

    def remove(self, trial: str) -> None:
        """Stop watching a trial until it reports again."""
        self._reported_s.pop(trial, None)

    def find_stalled(self) -> list[str]:
        """Return the trials that have not reported for longer than the limit."""
        before_s, self._asked_s = self._asked_s, self._clock()
        self._now_s += min(self._asked_s - before_s, MAX_STEP_S)
        return [trial for trial, heard_s in self._reported_s.items() if self._now_s - heard_s > self._limit_s]


class StallCallback(tune.Callback):
    """Kills the process of a trial that reports nothing for twice the epoch limit; Tune then retries the trial.

    Args:
        epoch_limit_s: Longest time that an epoch may take, None without a limit.
    """

    def __init__(self, epoch_limit_s: float | None) -> None:
        self._detector = None if epoch_limit_s is None else StallDetector(LIMITS_PER_STALL * epoch_limit_s)
        self._trials: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: a resumed sweep starts anew."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Watch a trial whose setup is done."""
        self._note_report(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note that the trial has reported an epoch."""
        self._note_report(trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop watching the trial."""
        self._remove(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop watching the trial."""
        self._remove(trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop watching the trial until it starts again."""
        self._remove(trial)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Kill the processes of stalled trials."""
        import ray

        for trial_id in [] if self._detector is None else self._detector.find_stalled():
            trial = self._trials[trial_id]
            if trial.temporary_state.ray_actor is not None:
                ray.kill(trial.temporary_state.ray_actor)
            self._remove(trial)

    def _note_report(self, trial: Any) -> None:
        if self._detector is not None:
            self._trials[trial.trial_id] = trial
            self._detector.note_report(trial.trial_id)

    def _remove(self, trial: Any) -> None:
        if self._detector is not None:
            self._detector.remove(trial.trial_id)
            self._trials.pop(trial.trial_id, None)
