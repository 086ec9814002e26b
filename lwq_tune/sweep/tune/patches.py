"""All that is changed in Ray: private names that are replaced, and what Tune keeps of trials that is dropped.

Tested with Ray 2.60.0. A version that lacks a name only loses the gain. Each has a test in
``tests/sweep/tune/test_patches.py`` that shows its effect.

==============================  =================================================================  ====================
change                          what is touched in Ray                                             gain
==============================  =================================================================  ====================
`leave_out_snapshots`           ``_ExperimentCheckpointManager.on_trial_checkpoint``,              work that grows with
                                ``TuneController._mark_trial_to_checkpoint``                       the square of trials
`use_waiting_workers`           ``class_cache.DEFAULT_ENV_VARS``, ``ENV_VARS_TO_PROPAGATE``        1 s at the start
`leave_out_helper_processes`    ``Node.start_monitor``, ``start_log_monitor``,                     three processes
                                ``start_api_server``
`DropEndedTrials`               Tune's list of trials, attributes of its ``Trial``                 flat memory and time
==============================  =================================================================  ====================
"""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

# What identifies a trial; Tune keeps an object for each.
KEPT = frozenset({"trial_id", "trainable_name", "custom_trial_name", "status"})


def leave_out_snapshots() -> bool:
    """Prevent Tune from writing the state of all trials, and from keeping it in memory as text.

    Tune writes it every ten seconds and, if few checkpoints are kept, after every second checkpoint of any trial; the
    cost grows with the square of the number of trials. A resumed sweep reads our own records instead. With a version
    of Ray that lacks these methods, only the saving is lost.

    Returns:
        Whether Tune writes no state, so that it needs nothing of a trial that has ended.
    """
    from ray.tune.execution import experiment_state, tune_controller

    is_left_out = True
    for module, name, method in (
        (experiment_state, "_ExperimentCheckpointManager", "on_trial_checkpoint"),
        (tune_controller, "TuneController", "_mark_trial_to_checkpoint"),
    ):
        kind = getattr(module, name, None)
        if hasattr(kind, method):
            setattr(kind, method, lambda self, trial: None)
        else:
            is_left_out = False
    return is_left_out


def use_waiting_workers() -> None:
    """Let trials run in the processes that a local Ray starts in advance, one per CPU, instead of in new ones.

    Tune sets environment variables for its trials, so Ray does not use those processes; but the processes of a local
    Ray have inherited the same variables. With a version of Ray that lacks these names, a second at the start is lost.
    """
    from ray.tune.execution import class_cache

    for name, nothing in (("DEFAULT_ENV_VARS", {}), ("ENV_VARS_TO_PROPAGATE", set())):
        if hasattr(class_cache, name):
            setattr(class_cache, name, nothing)


def leave_out_helper_processes() -> None:
    """Prevent Ray from starting autoscaler, log monitor and API server, which a sweep on one host does not need.

    No node is added during a sweep, trials log to files of their own, and the dashboard is off; Ray waits a second for
    the API server. If the packages of Ray's dashboard are installed, its agent polls that server, so it is started.
    With a version of Ray that lacks these names, only the saving is lost.
    """
    from ray._private import utils
    from ray._private.node import Node

    def leave_out(self: Any, **settings: Any) -> None:
        self._webui_url = ""

    why_minimal = getattr(utils, "get_dashboard_dependency_error", lambda: None)()
    for name in ("start_monitor", "start_log_monitor", *(["start_api_server"] if why_minimal else [])):
        if hasattr(Node, name):
            setattr(Node, name, leave_out)


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
