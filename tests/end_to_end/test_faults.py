"""Faults that are really done to small sweeps: nothing is lost, nothing counts twice, the numbers are the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwq_tune import load_space
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.loading import load_dataset
from lwq_tune.energy.meter import NullMeter
from lwq_tune.results.row_log import read_log
from lwq_tune.training.checkpoint import STATE_FILE, find_in_run
from lwq_tune.training.trial import Trial
from tests.end_to_end.conftest import Undisturbed
from tests.support.hub_folders import write_hub_folder
from tests.support.sweeps import (
    FAULT_EPOCHS,
    SMALL,
    HangingTrial,
    assert_whole,
    fault_arguments,
    hold,
    kill_driver,
    n_rows,
    read_epochs,
    read_trials,
    release,
    resume,
    sweep_arguments,
    sweeping,
    training_numbers,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip_bytes(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for position in range(len(content) // 3, len(content), len(content) // 5):
        content[position] ^= 0xFF
    file.write_bytes(content)


def test_a_driver_that_is_killed_takes_its_trials_along_and_of_a_damaged_checkpoint_the_one_before_is_used(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run = tmp_path / "run"
    with sweeping(fault_arguments(tmp_path), tmp_path) as process:
        held = hold(run, process, n_epochs=3)
        kill_driver(process, held)
    assert process.returncode == -signal.SIGKILL
    damaged = {}
    for damage, key in zip((cut_short, flip_bytes), held, strict=True):
        newest, before = (info.folder for info in find_in_run(run / "ray", key)[:2])
        damage(newest / STATE_FILE)
        damaged[key] = newest, before
    result = resume(run)
    assert result.returncode == 0, result.stderr
    for key, (newest, before) in damaged.items():
        log = (run / "logs" / f"{key}.log").read_text(encoding="utf-8")
        assert f"checkpoint skipped: a checkpoint must be whole, {newest / STATE_FILE} has another digest" in log
        assert str(before) not in log
    assert training_numbers(run) == undisturbed.numbers
    assert_whole(run, FAULT_EPOCHS)
    repeated = read_epochs(run).groupby("trial_key")["attempt"].apply(lambda attempts: len(attempts) - FAULT_EPOCHS)
    assert repeated.between(1, 2).all(), "the epoch of the damaged checkpoint, and one that had none yet"
    assert read_trials(run)["attempts"].tolist() == [2, 2]


def fill(folder: Path) -> Path:
    """Leave no room on a disk."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(b"\0" * 4096):
            pass
    return file


def mount(folder: Path, size: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount(folder, "8m")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_ends_the_sweep_and_with_room_it_goes_on(small_disk: Path, undisturbed: Undisturbed) -> None:
    run = small_disk / "run"
    with sweeping(fault_arguments(small_disk), small_disk.parent) as process:
        held = hold(run, process)
        filler = fill(small_disk)
        before = n_rows(run)
        release(held)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    assert "every row must reach the disk" in err
    assert f"make room, then: python -m lwq_tune resume {run}" in err
    assert "Traceback" not in err
    assert n_rows(run) >= before
    filler.unlink()
    result = resume(run)
    assert result.returncode == 0, result.stderr
    assert training_numbers(run) == undisturbed.numbers
    assert_whole(run, FAULT_EPOCHS)


def test_a_trial_that_hangs_and_one_without_room_for_its_checkpoint_are_given_up_and_a_paused_one_is_done(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run, limit_s = tmp_path / "run", max(6.0, undisturbed.time_s / 3)
    schedules = "[full_precision,ascending_234,fixed_4]"
    arguments = fault_arguments(tmp_path, "--max-concurrent", "2", "--epoch-limit", f"{limit_s:g}", schedules=schedules)
    with sweeping(arguments, tmp_path) as process:
        held = hold(run, process)
        hung, crowded = held
        hanging = HangingTrial(run, hung, held[hung])
        checkpoints = run / "ray" / "session_001" / crowded
        shutil.copytree(checkpoints, tmp_path / "copy")
        mount(checkpoints, "1m")
        try:
            shutil.copytree(tmp_path / "copy", checkpoints, dirs_exist_ok=True)
            fill(checkpoints)
            release({crowded: held[crowded]})
            paused = hold(run, process, 1, 1, besides=held, meanwhile=hanging.stop_again)
            end_s = time.monotonic() + limit_s / 8
            wait_for(lambda: hanging.stop_again() or time.monotonic() > end_s, process)
            release(paused)
            wait_for(hanging.stop_again, process, timeout_s=900)
            _, err = process.communicate(timeout=600)
        finally:
            subprocess.run(["umount", "--lazy", str(checkpoints)], check=True)
    assert process.returncode == 1, err
    trials = read_trials(run).set_index("trial_key")
    assert trials["status"].to_dict() == {hung: "failed", crowded: "failed", **dict.fromkeys(paused, "done")}
    assert trials["attempts"].drop(crowded).to_dict() == {hung: 3, **dict.fromkeys(paused, 1)}
    assert f"an epoch may take {limit_s:g} s (--epoch-limit)" in trials.loc[hung, "error"]
    assert trials.loc[crowded, "error"].startswith(
        "given up after 3 failures of its process; the last: OSError: [Errno 28]"
    )
    assert trials.loc[crowded, "error"] in err
    assert "Traceback" not in err
    result = resume(run, "--retry-failed")
    assert result.returncode == 0, result.stderr
    numbers = training_numbers(run)
    assert {key: numbers[key] for key in held} == undisturbed.numbers
    assert_whole(run, FAULT_EPOCHS)


N_DATA_EPOCHS = 12


def has_ended(run: Path, key: str) -> bool:
    return any(record["kind"] == "end" and record["trial_key"] == key for record in read_log(run / "rows.jsonl"))


DATA_SETTINGS = (f"epochs={N_DATA_EPOCHS}", "batch_size=32")
DATA_SCHEDULES = "[full_precision,fixed_4,ascending_234]"


def data_arguments(results: Path, data: Path) -> list[str]:
    arguments = sweep_arguments(results, f"dataset={data}", *DATA_SETTINGS, schedules=DATA_SCHEDULES)
    return [*arguments, "--cpus-per-trial", "1", "--max-concurrent", "2"]


def numbers_without_ray(data: Path) -> dict[str, list[list[float]]]:
    """Return the training numbers of the sweep of `data_arguments`, from trials that are trained in this process."""
    space = load_space("named_schedules", (*SMALL, "seeds=[0]", f"schedules={DATA_SCHEDULES}", *DATA_SETTINGS))
    trials = space.with_dataset(str(data), describe_dataset(str(data)).digest).trials
    return {
        trial.trial_key: [
            [row.epoch, row.train_loss, row.val_loss, row.test_loss, row.test_accuracy]
            for row in Trial(trial, load_dataset(str(data), data), NullMeter()).epochs()
        ]
        for trial in trials
    }


def test_a_data_file_that_disappears_fails_the_trial_that_reads_it_and_one_that_comes_back_mends_it(
    tmp_path: Path,
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    write_hub_folder(data, n_train=200)
    expected = numbers_without_ray(data)
    (file,) = data.glob("train-*.parquet")
    with sweeping(data_arguments(tmp_path, data), tmp_path) as process:
        held = hold(run, process)
        file.rename(tmp_path / "elsewhere")
        key, *others = held
        os.kill(held[key], signal.SIGKILL)  # the process that takes its place reads the data anew
        wait_for(lambda: has_ended(run, key), process)  # none that has read them takes its place
        release({other: held[other] for other in others})
        _, err = process.communicate(timeout=600)
    assert process.returncode == 1, err
    trials = read_trials(run).set_index("trial_key")
    assert trials.loc[key, "status"] == "failed"
    assert f"a data set folder holds train-*.parquet, none found in {data}" in trials.loc[key, "error"]
    assert set(trials.drop(key).loc[others, "status"]) == {"done"}
    assert f"none found in {data}" in err
    before = (run / "rows.jsonl").read_bytes()
    refused = resume(run, "--retry-failed")
    assert refused.returncode == 2
    assert f"a data set folder holds train-*.parquet, none found in {data}" in refused.stderr
    assert (run / "rows.jsonl").read_bytes() == before
    (tmp_path / "elsewhere").rename(file)
    result = resume(run, "--retry-failed")
    assert result.returncode == 0, result.stderr
    assert training_numbers(run) == expected
    assert_whole(run, N_DATA_EPOCHS)
