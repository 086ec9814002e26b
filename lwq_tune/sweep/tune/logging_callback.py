"""Hands the epochs of each trial to one kind of logger, in a thread of its own."""

from __future__ import annotations

import functools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from ray import tune

from lwq_tune.sweep.loggers.trial_logger import LoggedTrial, TrialLogger, hyperparameters

_log = logging.getLogger(__name__)

# At the end of a sweep, what a server has not taken by then is given up.
END_TIMEOUT_S = 120.0


class LoggingCallback(tune.Callback):
    """Logs all trials with one kind of logger; at its first error, it is dropped and the sweep continues.

    A thread calls the loggers, so that a slow server holds up no trial.

    Args:
        flag: Flag that asked for the logger, for messages.
        make: Makes the logger of one trial.
        run: Name of the run folder.
        end_timeout_s: How long the end of a sweep waits for what is not logged yet.
    """

    def __init__(
        self, flag: str, make: Callable[[], TrialLogger], run: str, end_timeout_s: float = END_TIMEOUT_S
    ) -> None:
        self._flag, self._make, self._run, self._end_timeout_s = flag, make, run, end_timeout_s
        self._is_dropped = False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: a resumed sweep has loggers of its own."""
        return {}

    def setup(self, *arguments: Any, **named: Any) -> None:
        """Start the thread; called each time that Tune starts."""
        self._open: dict[str, TrialLogger] = {}
        self._failed: set[str] = set()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(self._calls,), name=self._flag, daemon=True)
        self._thread.start()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Open the logger of a trial, unless the trial continues in another process."""
        job = trial.config["job"]
        key = job.trial_key
        if key not in self._open:
            logger = self._open[key] = self._make()
            values = {"run": self._run, **hyperparameters(job.trial)}
            self._calls.put(functools.partial(logger.open, LoggedTrial(key, f"{key}-{trial.trial_id}", values)))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Log an epoch."""
        key = trial.config["job"].trial_key
        if "failure" in result:
            self._failed.add(key)
        for row in result.get("rows", ()):
            self._calls.put(functools.partial(self._open[key].log, row))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the logger of a trial that has ended."""
        key = trial.config["job"].trial_key
        self._close(key, is_failed=key in self._failed)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the logger of a trial that Tune does not retry."""
        self._close(trial.config["job"].trial_key, is_failed=True)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Close the loggers of trials that an interrupted sweep leaves unfinished, and wait until all is logged."""
        for key in list(self._open):
            self._close(key, is_failed=True)
        self._calls.put(None)
        self._thread.join(self._end_timeout_s)
        if self._thread.is_alive():
            self._drop(f"it had not finished {self._end_timeout_s:g} s after the last trial")

    def _close(self, key: str, *, is_failed: bool) -> None:
        if key in self._open:
            self._calls.put(functools.partial(self._open.pop(key).close, is_failed=is_failed))

    def _work(self, calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        """Make the calls in order until the end, or until the logger is dropped."""
        while (call := calls.get()) is not None and not self._is_dropped:
            try:
                call()
            except Exception as error:  # noqa: BLE001 (foreign code at a boundary: it must not end the sweep)
                self._drop(f"{type(error).__name__}: {error}")

    def _drop(self, reason: str) -> None:
        if not self._is_dropped:
            self._is_dropped = True
            _log.warning(
                "%s failed and was dropped, the sweep and its tables continue without it: %s", self._flag, reason
            )
