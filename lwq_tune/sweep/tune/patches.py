"""Drops what Tune keeps of trials that have ended and never reads again."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

# What identifies a trial; Tune keeps an object for each.
KEPT = frozenset({"trial_id", "trainable_name", "custom_trial_name", "status"})


class DropEndedTrials(Callback):
    """Drops trials that have ended, at the end of the step in which they ended.

    Tune reads the list of all trials in each step, and keeps their results, settings and statistics of each metric
    until the sweep ends, so that time and memory grow with the sweep. At the end of a step, neither Tune nor any other
    callback needs the trials that have ended.
    """

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Remove trials that have ended from Tune's own list; the last one stays, since the list must not be empty.

        Args:
            iteration: Not used.
            trials: That list.
            **info: Not used.
        """
        ended = [trial for trial in trials if trial.is_finished()]
        for trial in ended[:-1]:
            trials.remove(trial)
            drop_state(trial)


def drop_state(trial: Any) -> None:
    """Delete all of a trial that has ended but what identifies it.

    Args:
        trial: A `ray.tune.experiment.trial.Trial`.
    """
    values = vars(trial)
    for name in values.keys() - KEPT:
        values[name] = None
