"""Sweeps that end before their time, as asked for, and what `resume` makes of them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import run_python
from tests.end_to_end.conftest import Undisturbed
from tests.support.sweeps import (
    FAULT_EPOCHS,
    assert_whole,
    fault_arguments,
    hold,
    n_rows,
    read_trials,
    release,
    resume,
    rows_of,
    sweeping,
    training_numbers,
    used_kwh,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SPACE = f"""version: 1
fixed: {{model: resnet, blocks: [1, 1, 1], width: 0.25, epochs: {FAULT_EPOCHS}, batch_size: 64,
  validation_fraction: 0.5, augmentation: none}}
schedules: [full_precision]
seeds: [0]
"""


def contents(run: Path) -> dict[Path, bytes]:
    """Return every file of a run but its lock, which names the process that works on it."""
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to be"
        time.sleep(0.05)


def test_ctrl_c_twice_ends_a_sweep_whose_trial_is_stuck_and_an_edited_space_goes_on_as_asked(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    space, run = tmp_path / "space.yaml", tmp_path / "run"
    space.write_text(SPACE)
    fixed = shlex.split("-m lwq_tune sweep --run run --country FRA --cpus-per-trial 1")
    arguments = [*fixed, "--space", str(space), "--results", str(tmp_path)]
    with sweeping(arguments, tmp_path) as process:
        (worker,) = hold(run, process, n_trials=1).values()
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(1)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, err
        assert f"python -m lwq_tune resume {run}" in err
        assert "Traceback" not in err
        assert out == f"{run}\n"
    wait_until(lambda: has_ended(worker), timeout_s=10)  # killed before the sweep ended, it gives its memory back
    assert read_trials(run)["status"].tolist() == ["interrupted"]

    space.write_text(SPACE.replace("[full_precision]", "[full_precision, ascending_234]"))
    before = contents(run)
    refused = resume(run)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "\n  -schedules: [full_precision]\n  +schedules: [full_precision, ascending_234]\n" in refused.stderr
    assert "--extend" in refused.stderr
    assert "--as-recorded" in refused.stderr
    assert contents(run) == before

    as_recorded = resume(run, "--as-recorded")
    assert as_recorded.returncode == 0, as_recorded.stderr
    (key,) = training_numbers(run)
    assert training_numbers(run)[key] == undisturbed.numbers[key]

    log, rows = (run / "rows.jsonl").read_bytes(), rows_of(run)
    extended = resume(run, "--extend")
    assert extended.returncode == 0, extended.stderr
    assert "extended by 1 trials" in extended.stderr
    assert (run / "rows.jsonl").read_bytes().startswith(log)
    assert rows_of(run)[key] == rows[key], "what was trained is not trained again"
    assert training_numbers(run) == undisturbed.numbers
    assert_whole(run, FAULT_EPOCHS)
    assert "nothing to do" in resume(run).stderr


def test_a_carbon_budget_ends_the_sweep_with_the_running_epoch_and_a_larger_one_finishes_it(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run = tmp_path / "run"
    budget_kwh = float(f"{undisturbed.used_kwh:.3g}")
    said = f"the sweep ended early: the carbon budget of {budget_kwh:.4g} kWh is used"
    with sweeping(fault_arguments(tmp_path, "--carbon-budget", f"{budget_kwh}kWh"), tmp_path) as process:
        held = hold(run, process, n_epochs=1)
        # A host costs something while its trials stand still.
        wait_for(lambda: used_kwh(run) > budget_kwh, process, timeout_s=1200)
        before = rows_of(run)
        release(held)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert said in err
    assert out == f"{run}\n"
    after = rows_of(run)
    assert all(1 <= after[key] <= before[key] + 2 for key in held), "the epoch that ran, and one already on its way"
    assert set(read_trials(run)["status"]) == {"interrupted"}

    again = resume(run)
    assert again.returncode == 0, again.stderr
    assert said in again.stderr
    assert rows_of(run) == after
    larger = resume(run, "--carbon-budget", "1kWh")
    assert larger.returncode == 0, larger.stderr
    assert training_numbers(run) == undisturbed.numbers
    assert_whole(run, FAULT_EPOCHS)


def test_target_and_dominance_end_trials_and_the_front_leaves_out_the_stopped_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Full precision reaches the target in its fourth epoch; the other one never does, and has used more by its fifth.
    rules = "stopping={target: {val_accuracy: 0.6}, dominance: {optimism: 0, margin: 0}}"
    settings = ("--set", "validation_fraction=0.1", "--set", rules)
    result = run_python(*fault_arguments(tmp_path, "--max-concurrent", "1", *settings), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    trials = read_trials(run).set_index("schedule")
    assert trials["status"].to_dict() == {"full_precision": "done", "ascending_234": "stopped"}
    assert (trials["epochs_done"] < FAULT_EPOCHS).all()
    first, second = trials.loc["full_precision"], trials.loc["ascending_234"]
    assert re.match(r"target: val_accuracy 0\.\d+ at epoch \d reaches 0.6", first["stop_reason"])
    assert second["stop_reason"].startswith("dominance: ")
    assert second["emissions_kg_co2eq"] > first["emissions_kg_co2eq"]
    assert second["val_accuracy"] < first["val_accuracy"]
    assert f"stopped early: ascending_234 seed 0: {second['stop_reason']}" in result.stderr
    assert "nothing to do" in resume(run).stderr
    front = run_python("-m", "analysis", "pareto", str(run), cwd=tmp_path)
    assert front.returncode == 0, front.stderr
    assert "full_precision" in front.stdout
    assert "ascending_234" not in front.stdout
    assert "left out: 1 stopped of 2 trials" in front.stderr


def test_a_plateau_ends_a_trial_as_done(tmp_path: Path) -> None:
    rules = ("schedules=[full_precision]", "stopping={plateau: {epochs: 2, min_gain: 0.9}}")
    flags = [part for rule in rules for part in ("--set", rule)]
    result = run_python(*fault_arguments(tmp_path, *flags), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (trial,) = read_trials(tmp_path / "run").to_dict("records")
    assert (trial["status"], trial["epochs_done"]) == ("done", 3)
    assert trial["stop_reason"].startswith("plateau: val_accuracy has not gained 0.9")
    assert n_rows(tmp_path / "run") == 3
