from __future__ import annotations

from pathlib import Path

import pytest
from ray.tune.experiment.trial import Trial

from lwq_tune.sweep.tune.patches import DropEndedTrials
from tests.conftest import run_python


def tune_trial(name: str, status: str) -> Trial:
    """Return a trial of Tune with settings and a result."""
    trial = Trial("stub", config={"job": name}, stub=True, trial_id=name)
    trial.update_last_result({"rows": [{"epoch": 1}], "training_iteration": 1})
    trial.set_status(status)
    return trial


def test_what_is_over_leaves_the_list_of_tune_and_takes_its_results_along() -> None:
    statuses = {"a": Trial.TERMINATED, "b": Trial.RUNNING, "c": Trial.ERROR, "d": Trial.TERMINATED, "e": Trial.PENDING}
    trials = {name: tune_trial(name, status) for name, status in statuses.items()}
    listed = list(trials.values())
    DropEndedTrials().on_step_end(1, listed)
    assert [trial.trial_id for trial in listed] == ["b", "d", "e"], "one that is over stays: Tune wants one at its end"
    for name in "ac":
        assert (trials[name].trial_id, trials[name].status) == (name, statuses[name])
        assert trials[name].run_metadata is trials[name].config is None
    for trial in listed:
        assert trial.config == {"job": trial.trial_id}
        assert trial.last_result["training_iteration"] == 1


def test_a_list_in_which_nothing_is_over_stays_as_it_is() -> None:
    listed = [tune_trial("a", Trial.RUNNING), tune_trial("b", Trial.PAUSED)]
    before = list(listed)
    DropEndedTrials().on_step_end(1, listed)
    assert listed == before


# Each in a process of its own: what is changed of Ray stays changed. Ray's own methods fail on a bare object.
SNAPSHOTS = """
from ray.tune.execution.experiment_state import _ExperimentCheckpointManager as Manager
from ray.tune.execution.tune_controller import TuneController
from lwq_tune.sweep.tune.patches import leave_out_snapshots
calls = lambda: [Manager.on_trial_checkpoint, TuneController._mark_trial_to_checkpoint]
def fails(method):
    try:
        return method(object(), object()) is not None
    except AttributeError:
        return True
print([fails(method) for method in calls()], leave_out_snapshots(), [fails(method) for method in calls()])
"""
WORKERS = """
from ray.tune.execution.class_cache import _ActorClassCache
from lwq_tune.sweep.tune.patches import use_waiting_workers
from lwq_tune.sweep.tune.trainable import Trainable
before = _ActorClassCache().get(Trainable)._default_options["runtime_env"]
use_waiting_workers()
print(bool(before["env_vars"]), dict(_ActorClassCache().get(Trainable)._default_options["runtime_env"]))
"""
HELPERS = """
import psutil
from lwq_tune.sweep.cluster.ray_session import local_ray
with local_ray(1):
    commands = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    names = ("raylet/raylet", "monitor.py", "log_monitor.py", "dashboard/dashboard.py")
    print(*[any(name in command for command in commands) for name in names])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (SNAPSHOTS, "[True, True] True [False, False]\n"),
        (WORKERS, "True {}\n"),
        (HELPERS, "True False False False\n"),
    ],
    ids=["snapshots are left out", "trials use the processes that wait", "a local Ray starts no helpers"],
)
def test_what_is_changed_of_ray_has_its_effect(script: str, printed: str, tmp_path: Path) -> None:
    result = run_python("-c", script, cwd=tmp_path)
    assert result.stdout == printed, result.stderr
