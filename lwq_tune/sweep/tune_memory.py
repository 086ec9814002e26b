"""What Tune keeps of trials that are over, and nobody reads again."""

from __future__ import annotations

import contextlib
from typing import Any

from ray.tune import Callback


class ForgettingCallback(Callback):
    """Lets go of the results that Tune keeps of a trial, once the next one has ended too.

    By then Tune and all other callbacks are done with it. Rows and statistics of a trial are some 65 KiB.
    """

    def __init__(self) -> None:
        self._last: Any = None

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Forget the results of the trial that ended before this one."""
        if self._last is not None:
            forget_results(self._last)
        self._last = trial


def forget_results(trial: Any) -> None:
    """Take the rows out of a trial's results, and drop the statistics of its metrics.

    A version of Ray that keeps them elsewhere only loses the gain.

    Args:
        trial: A `ray.tune.experiment.trial.Trial` that is over.
    """
    with contextlib.suppress(AttributeError):
        metadata = trial.run_metadata
        metadata.metric_analysis, metadata.metric_n_steps = {}, {}
        metadata.last_result.pop("rows", None)
        for result in metadata.checkpoint_manager._checkpoint_results:
            result.metrics.pop("rows", None)
