from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.tune.stall_detection import MAX_STEP_S, StallDetector
from tests.conftest import run_python


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def looks(detector: StallDetector, clock: Clock, time_s: float, step_s: float = 0.1) -> list[str]:
    """Let a time pass in small steps, asking at each, and return who had stalled at the last."""
    found: list[str] = []
    for _ in range(round(time_s / step_s)):
        clock.now_s += step_s
        found = detector.find_stalled()
    return found


def test_a_trial_is_silent_for_too_long_after_the_limit_and_not_before() -> None:
    clock = Clock()
    detector = StallDetector(10.0, clock)
    detector.note_report("a")
    assert looks(detector, clock, 5.0) == []
    detector.note_report("b")
    assert looks(detector, clock, 4.9) == []
    assert looks(detector, clock, 0.3) == ["a"]
    detector.note_report("a")
    assert looks(detector, clock, 5.0) == ["b"]
    detector.remove("b")
    assert looks(detector, clock, 4.0) == []
    assert looks(detector, clock, 2.0) == ["a"]


def test_the_silence_of_a_driver_that_was_stopped_itself_is_nobodys() -> None:
    clock = Clock()
    detector = StallDetector(10.0, clock)
    detector.note_report("a")
    looks(detector, clock, 5.0)
    clock.now_s += 3600
    assert detector.find_stalled() == []
    assert looks(detector, clock, 10.0 - 5.0 - MAX_STEP_S - 0.1) == []
    assert looks(detector, clock, 0.3) == ["a"]


@given(st.lists(st.floats(0, 0.99 * MAX_STEP_S), min_size=1), st.floats(0.1, 20))
def test_steps_of_any_length_add_up(steps: list[float], limit_s: float) -> None:
    clock = Clock()
    detector = StallDetector(limit_s, clock)
    detector.note_report("a")
    for step_s in steps:
        clock.now_s += step_s
        found = detector.find_stalled()
    without_report_s = sum(steps)
    if abs(without_report_s - limit_s) > 1e-6:
        assert (found == ["a"]) == (without_report_s > limit_s)


STOPPED = """
import os, signal, sys
from pathlib import Path
from ray import tune
from lwq_tune.sweep.cluster.ray_session import local_ray
from lwq_tune.sweep.tune.stall_detection import StallCallback

class Stopped(tune.Trainable):
    def setup(self, config):
        with open(config["log"], "a") as log:
            print(config["name"], os.getpid(), file=log)
        self.name, self.epoch = config["name"], 0

    def step(self):
        self.epoch += 1
        return {"name": self.name, "done": self.epoch == 3}

    def save_checkpoint(self, folder):
        if self.name == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        (Path(folder) / "epoch").write_text(str(self.epoch))

    def load_checkpoint(self, folder):
        self.epoch = int((Path(folder) / "epoch").read_text())

class Ends(tune.Callback):
    def on_trial_complete(self, iteration, trials, trial, **info):
        print("complete", trial.config["name"], flush=True)

    def on_trial_error(self, iteration, trials, trial, **info):
        print("error", trial.config["name"], flush=True)

here = Path.cwd()
with local_ray(2):
    tune.Tuner(
        tune.with_resources(Stopped, {"cpu": 1}),
        param_space={"log": str(here / "log"), "name": tune.grid_search(["stopped", "other"])},
        run_config=tune.RunConfig(
            storage_path=str(here / "ray"), verbose=0, callbacks=[StallCallback(float(sys.argv[1])), Ends()],
            failure_config=tune.FailureConfig(max_failures=1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
        ),
    ).fit()
"""


@pytest.mark.slow
def test_a_process_that_stops_while_it_saves_is_killed_tried_again_and_given_up(tmp_path: Path) -> None:
    result = run_python("-c", STOPPED, "3", cwd=tmp_path)
    lines = [line for line in result.stdout.splitlines() if line.startswith(("complete", "error"))]
    assert lines == ["complete other", "error stopped"], result.stdout + result.stderr
    starts = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(name for name, _ in starts) == ["other", "stopped", "stopped"]
    alive = [int(pid) for _, pid in starts if psutil.pid_exists(int(pid))]
    assert all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in alive), "killed, if not yet reaped"
