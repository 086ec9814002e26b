"""Probes in real processes, which import torch: seconds each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.data.catalog import count_images
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.errors import ConfigError
from lwq_tune.estimation.cost_model import TrialWork
from lwq_tune.estimation.probe import MIN_REPEATS
from lwq_tune.estimation.probe_pool import measure_side_by_side, own_tasks
from lwq_tune.estimation.probe_worker import ProbeSetup, ProbeTask
from lwq_tune.models.image_format import ImageFormat
from tests.conftest import REPOSITORY, small_config

DIGITS = count_images("digits")


def task(**changes: object) -> ProbeTask:
    config = small_config(**changes)
    return ProbeTask(config, TrialWork.of(config, DIGITS))


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return RunSpec("estimate", tmp_path / "log.jsonl", IntensitySeries.constant(400, "user"), 1.0, "estimate")


@given(st.integers(1, 40), st.integers(1, 20))
def test_every_task_is_some_slots_and_every_slot_has_one(n_tasks: int, n_slots: int) -> None:
    lists = [own_tasks(n_tasks, slot, n_slots) for slot in range(n_slots)]
    assert all(lists)
    assert {task for own in lists for task in own} == set(range(n_tasks))
    assert max(map(len, lists)) - min(map(len, lists)) <= 1


@pytest.mark.slow
def test_models_are_measured_side_by_side_with_their_energy(spec: RunSpec) -> None:
    tasks = [task(), task(bit_widths=(32, 32, 32)), task(mode="ptq")]
    report = measure_side_by_side(tasks, ProbeSetup(2, 1.0, 0.0, ImageFormat(), spec=spec), limit_s=120.0)
    assert sorted(report.measured) == [0, 1, 2]
    assert [bool(report.measured[index].step_times_s) for index in range(3)] == [True, True, False]
    assert [bool(report.measured[index].calibration_times_s) for index in range(3)] == [True, False, True]
    assert all(power_w > 0 for index in range(3) for power_w in report.measured[index].powers_w)
    assert report.measured[0].powers_w
    assert report.sources is not None
    assert report.sources.cpu_source
    assert report.no_energy_reason is None
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_two_processes_measure_one_model_together() -> None:
    report = measure_side_by_side([task()], ProbeSetup(2, 1.0, 0.0, ImageFormat()), limit_s=120.0)
    assert len(report.measured[0].calibration_times_s) >= 2  # one for each turn
    assert len(report.measured[0].step_times_s) >= 2 * MIN_REPEATS
    assert report.measured[0].powers_w == ()
    assert (report.sources, report.no_energy_reason) == (None, None)


@pytest.mark.slow
def test_what_the_time_does_not_suffice_for_is_left_out() -> None:
    tasks = [task(seed=seed) for seed in range(200)]
    report = measure_side_by_side(tasks, ProbeSetup(1, 1.0, 0.0, ImageFormat()), limit_s=0.0)
    assert list(report.measured) == [0]  # one at least, the most important


@pytest.mark.slow
def test_a_model_that_cannot_be_trained_is_one_message() -> None:
    with pytest.raises(ConfigError, match="a model must be trainable to be measured, one failed with RuntimeError"):
        measure_side_by_side([task()], ProbeSetup(1, 1.0, 0.0, ImageFormat(num_classes=0)), limit_s=120.0)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_without_a_ledger_there_is_no_energy_and_a_reason(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "ledger"
    blocked.mkdir(mode=0o700)
    monkeypatch.setenv("LWQ_TUNE_LEDGER_DIR", str(blocked))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "codecarbon.py").write_text("raise ImportError('no meter here')\n")
    report = measure_side_by_side([task()], ProbeSetup(1, 1.0, 0.0, ImageFormat(), spec=spec), limit_s=120.0)
    assert report.measured[0].powers_w == ()
    assert report.sources is None
    assert report.no_energy_reason is not None
    assert "did not start" in report.no_energy_reason


@pytest.mark.slow
@pytest.mark.parametrize("when_s", [0.0, 4.0])
def test_a_killed_process_is_told_and_nobody_waits_for_it(when_s: float) -> None:
    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    begin_s = time.monotonic()
    thread = threading.Thread(target=_when_children, args=(when_s, kill))
    thread.start()
    try:
        with pytest.raises(ConfigError, match="exit code -9"):
            measure_side_by_side(
                [task(seed=seed) for seed in range(200)], ProbeSetup(2, 1.0, 0.0, ImageFormat()), limit_s=300.0
            )
    finally:
        thread.join()
    assert time.monotonic() - begin_s < 120
    assert multiprocessing.active_children() == []


MEASURE_LONG_STEPS = """
from lwq_tune.estimation.probe_worker import ProbeSetup
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.estimation.probe_pool import measure_side_by_side
from tests.estimation.test_probe_pool import task

if __name__ == "__main__":
    measure_side_by_side([task(width=4.0, batch_size=1024)], ProbeSetup(1, 1.0, 0.0, ImageFormat()), limit_s=600.0)
"""


@pytest.mark.slow
def test_a_process_ends_in_the_middle_of_a_step_when_its_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(MEASURE_LONG_STEPS)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    parent = subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, env=env)
    measuring = None
    while measuring is None:
        assert parent.poll() is None
        children = psutil.Process(parent.pid).children()
        measuring = next((child for child in children if child.cpu_times().user > 10), None)  # torch is imported
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([measuring], timeout=5)
    assert alive == []


def _when_children(wait_s: float, act: Callable[[int], None]) -> None:
    """Do something to the first child once there is one."""
    deadline_s = time.monotonic() + 60
    while not (children := multiprocessing.active_children()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    time.sleep(wait_s)
    act(next(child.pid for child in children if child.pid is not None))
