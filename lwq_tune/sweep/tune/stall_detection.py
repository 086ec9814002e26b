"""Ends trials that nothing is heard of: their process was stopped, or hangs where `watchdog` does not look."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray import tune

MAX_STEP_S = 1.0
# An epoch and its checkpoint may each take the limit.
LIMITS_OF_SILENCE = 2.0


class Silence:
    """Knows which trials have not been heard of for too long.

    Its clock runs only while it is asked: a driver that was stopped itself has heard of nobody.

    Args:
        limit_s: Longest silence.
        clock: Returns a time in seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._asked_s = clock()
        self._now_s = 0.0
        self._heard_s: dict[str, float] = {}

    def hear(self, trial: str) -> None:
        """Take note of a sign of life."""
        self._heard_s[trial] = self._now_s

    def forget(self, trial: str) -> None:
        """Listen for a trial no more, until it is heard again."""
        self._heard_s.pop(trial, None)

    def too_long(self) -> list[str]:
        """Return the trials that have been silent for longer than the limit."""
        before_s, self._asked_s = self._asked_s, self._clock()
        self._now_s += min(self._asked_s - before_s, MAX_STEP_S)
        return [trial for trial, heard_s in self._heard_s.items() if self._now_s - heard_s > self._limit_s]


class SilenceCallback(tune.Callback):
    """Kills the process of a trial that is silent for twice the limit of an epoch; Tune tries it again.

    Args:
        epoch_limit_s: Longest time that an epoch may take, None without a limit.
    """

    def __init__(self, epoch_limit_s: float | None) -> None:
        self._silence = None if epoch_limit_s is None else Silence(LIMITS_OF_SILENCE * epoch_limit_s)
        self._trials: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle: a resumed sweep listens anew."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Listen to a trial whose setup is done."""
        self._hear(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Take note of an epoch."""
        self._hear(trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Listen no more."""
        self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Listen no more."""
        self._forget(trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Listen no more until it starts again."""
        self._forget(trial)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Kill what is silent for too long."""
        import ray

        for trial_id in [] if self._silence is None else self._silence.too_long():
            trial = self._trials[trial_id]
            if trial.temporary_state.ray_actor is not None:
                ray.kill(trial.temporary_state.ray_actor)
            self._forget(trial)

    def _hear(self, trial: Any) -> None:
        if self._silence is not None:
            self._trials[trial.trial_id] = trial
            self._silence.hear(trial.trial_id)

    def _forget(self, trial: Any) -> None:
        if self._silence is not None:
            self._silence.forget(trial.trial_id)
            self._trials.pop(trial.trial_id, None)
