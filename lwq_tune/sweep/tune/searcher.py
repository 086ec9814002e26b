"""Hands a queue of trials to Ray Tune as a searcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ray.tune.search import Searcher

from lwq_tune.sweep.plan import CannotStartError
from lwq_tune.sweep.search.trial_queue import TrialQueue
from lwq_tune.sweep.tune.job import TrialJob


class StartCheck(Protocol):
    """Decides whether a trial starts, and records those that do not."""

    def admits(self, key: str) -> bool:
        """Return whether a trial may start; one that may not is recorded as ended."""

    def refuse(self, key: str, error: str) -> None:
        """Record that a trial cannot start."""


class QueueSearcher(Searcher):
    """Hands out trials one at a time, as Tune has room for them.

    Args:
        queue: The trials to start.
        job: Makes the configuration of a trial from its key, or raises `CannotStartError`.
        is_closed: Returns whether no more trials may start.
        start_check: Decides whether each trial starts.
    """

    def __init__(
        self,
        queue: TrialQueue,
        job: Callable[[str], TrialJob],
        is_closed: Callable[[], bool],
        start_check: StartCheck,
    ) -> None:
        super().__init__()
        self._queue, self._job, self._is_closed, self._start_check = queue, job, is_closed, start_check

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: a resumed sweep starts from our own records."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the configuration of the next trial, None if none can start now, `FINISHED` if none is left."""
        while not self._is_closed():
            key = self._queue.next()
            if key is None:
                return Searcher.FINISHED if self._queue.is_exhausted else None
            if self._start_check.admits(key):
                try:
                    return {"job": self._job(key)}
                except CannotStartError as error:
                    self._start_check.refuse(key, str(error))
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the queue reads our own records."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing, as in `__getstate__`."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, as in `__getstate__`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing, as in `__getstate__`."""
