"""Ray Tune's view of a supply of trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ray.tune.search import Searcher

from lwq_tune.sweep.plan import CannotStartError
from lwq_tune.sweep.search.trial_queue import Supply


class Gate(Protocol):
    """Stands before a trial starts."""

    def admits(self, key: str) -> bool:
        """Return whether a trial is to start; one that is not has been recorded as ended then."""

    def refuse(self, key: str, error: str) -> None:
        """Record that a trial cannot start."""


class SupplySearcher(Searcher):
    """Hands out trials one at a time, as Tune has room for them.

    Args:
        supply: What to start.
        job: Makes the configuration of a trial from its key, or raises `CannotStartError`.
        is_closed: Whether no more trials are to start.
        gate: Records the trials that do not start.
    """

    def __init__(
        self,
        supply: Supply,
        job: Callable[[str], dict[str, Any]],
        is_closed: Callable[[], bool],
        gate: Gate,
    ) -> None:
        super().__init__()
        self._supply, self._job, self._is_closed, self._gate = supply, job, is_closed, gate

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle: a resumed sweep starts from our own records."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the configuration of the next trial, None for none now, or that there are no more."""
        while not self._is_closed():
            key = self._supply.next()
            if key is None:
                return Searcher.FINISHED if self._supply.is_exhausted else None
            if self._gate.admits(key):
                try:
                    return {"job": self._job(key)}
                except CannotStartError as error:
                    self._gate.refuse(key, str(error))
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the supply reads our own records."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing, as in `__getstate__`."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as in `__getstate__`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, as in `__getstate__`."""
