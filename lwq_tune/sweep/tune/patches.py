"""What Tune keeps of trials that are over, and nobody reads again."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

# What identifies a trial; Tune goes on holding an object for each.
KEPT = frozenset({"trial_id", "trainable_name", "custom_trial_name", "status"})


class ForgettingCallback(Callback):
    """Lets Tune forget trials that are over, at the end of the step in which they ended.

    Tune looks through the list of all trials in each step, and holds their results, settings and statistics of each
    metric for good: work and memory that grow with the sweep. By then it and all other callbacks are done with them.
    """

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Take trials that are over out of Tune's own list; the last of them stays, since it must not be empty.

        Args:
            iteration: Not used.
            trials: That list.
            **info: Not used.
        """
        over = [trial for trial in trials if trial.is_finished()]
        for trial in over[:-1]:
            trials.remove(trial)
            forget(trial)


def forget(trial: Any) -> None:
    """Leave of a trial that is over what identifies it.

    Args:
        trial: A `ray.tune.experiment.trial.Trial`.
    """
    values = vars(trial)
    for name in values.keys() - KEPT:
        values[name] = None
