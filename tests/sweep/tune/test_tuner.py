from __future__ import annotations

from tests.conftest import REPOSITORY, run_python

# In a process of its own: what is changed of Tune stays changed.
SCRIPT = """
from ray.tune.execution.class_cache import _ActorClassCache
from lwq_tune.sweep.tune.trainable import Trainable
from lwq_tune.sweep.tune.tuner import _use_waiting_workers
before = _ActorClassCache().get(Trainable)._default_options["runtime_env"]
_use_waiting_workers()
print(bool(before["env_vars"]), dict(_ActorClassCache().get(Trainable)._default_options["runtime_env"]))
"""


def test_tune_leaves_out_its_snapshots() -> None:
    script = "from lwq_tune.sweep.tune.tuner import _leave_out_snapshots; print(_leave_out_snapshots())"
    assert run_python("-c", script, cwd=REPOSITORY).stdout == "True\n"


def test_trials_of_a_local_ray_ask_for_no_process_of_their_own_kind() -> None:
    result = run_python("-c", SCRIPT, cwd=REPOSITORY)
    assert result.stdout == "True {}\n", result.stderr
