"""Sweeps whose trials start from others: trained first and once, reused by another run, exported."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lwq_tune.data.loading import load_digits
from lwq_tune.deployment.archive import load_export
from tests.conftest import REPOSITORY, run_python
from tests.support.sweeps import read_trials, sweep_arguments

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def progressive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A finished sweep of one 2-bit trial that climbs down from full precision."""
    folder = tmp_path_factory.mktemp("starts")
    arguments = sweep_arguments(folder / "results", "init_from=progressive", schedules="[fixed_3, fixed_2]")
    result = run_python(*arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "results" / "run", result


def test_initial_trials_are_trained_once_shown_and_on_no_front(
    progressive: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    run, result = progressive
    trials = read_trials(run).set_index("schedule")
    assert trials["role"].to_dict() == {
        "full_precision": "initial",
        "fixed_4": "initial",
        "fixed_3": "trial",
        "fixed_2": "trial",
    }
    assert set(trials["status"]) == {"done"}
    assert trials.loc["fixed_2", "init_trial_key"] == trials.loc["fixed_3", "trial_key"]
    chain = trials.loc[["full_precision", "fixed_4", "fixed_3"], "energy_kwh"].sum()
    assert trials.loc["fixed_2", "init_energy_kwh"] == pytest.approx(chain)
    assert trials.loc["full_precision", "init_energy_kwh"] == 0
    assert "2 trials and 2 that they start from" in result.stderr
    assert "went into 2 trials that others start from, counted once" in result.stderr
    table = run_python("-m", "analysis", "table", str(run), cwd=run.parent)
    assert table.returncode == 0, table.stderr
    assert "fixed_2" in table.stdout
    assert "fixed_4" not in table.stdout


def test_another_run_calibrates_what_is_trained_and_trains_nothing(
    progressive: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run, _ = progressive
    arguments = sweep_arguments(
        tmp_path / "results", "mode=ptq", "quantizer=minmax", schedules="[full_precision, [8, 8, 8], fixed_2]"
    )
    result = run_python(*arguments, "--init-run", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    trials = read_trials(tmp_path / "results" / "run").set_index("schedule")
    assert len(trials) == 3
    assert set(trials["role"]) == {"trial"}
    assert trials["train_accuracy"].isna().all()
    assert trials["epochs_done"].tolist() == [1, 1, 1]
    full = read_trials(run).set_index("schedule").loc["full_precision"]
    assert trials.loc["full_precision", "test_accuracy"] == full["test_accuracy"]
    assert (trials["init_energy_kwh"] == full["energy_kwh"]).all()


def test_a_screen_on_validation_images_has_a_front_and_no_test_figures(
    progressive: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run, _ = progressive
    objectives = "[{column: val_accuracy, direction: maximize}, {column: weight_mib, direction: minimize}]"
    arguments = sweep_arguments(
        tmp_path / "results",
        "mode=ptq",
        "quantizer=minmax",
        "evaluation=validation",
        f"objectives={objectives}",
        schedules="[[8, 8, 8], fixed_2]",
    )
    result = run_python(*arguments, "--init-run", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    trials = read_trials(tmp_path / "results" / "run")
    assert trials["test_accuracy"].isna().all()
    assert trials["val_accuracy"].notna().all()
    assert "test -" in result.stderr
    for command in ("pareto", "table"):
        analysed = run_python("-m", "analysis", command, str(tmp_path / "results" / "run"), cwd=tmp_path)
        assert analysed.returncode == 0, analysed.stderr


def test_an_exported_network_has_the_accuracy_of_the_tables_in_numpy_too(
    progressive: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run, _ = progressive
    trial: pd.Series = read_trials(run).set_index("schedule").loc["fixed_2"]
    file = tmp_path / "network.npz"
    result = run_python(
        "-m", "lwq_tune", "export", str(run), "--trial", trial["trial_key"][:8], "--out", str(file), cwd=tmp_path
    )
    assert (result.returncode, result.stdout) == (0, f"{file}\n"), result.stderr
    description, tensors = load_export(file)
    assert {about["bit_width"] for about in description["weights"].values()} == {2}
    assert len(tensors["layer1.0.conv1.weight"].unique()) <= 4
    images = load_digits().test
    np.save(tmp_path / "images.npy", images.images.numpy())
    example = str(REPOSITORY / "examples" / "run_export.py")
    classes = run_python(example, str(file), str(tmp_path / "images.npy"), cwd=tmp_path)
    assert classes.returncode == 0, classes.stderr
    n_correct = sum(int(line) == label for line, label in zip(classes.stdout.split(), images.labels, strict=True))
    assert n_correct == pytest.approx(trial["test_accuracy"] * len(images), abs=1)
    missing = run_python("-m", "lwq_tune", "export", str(run), "--trial", "zzz", "--out", str(file), cwd=tmp_path)
    assert missing.returncode == 2
    assert "there are" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_trial_whose_initial_trial_failed_fails_with_that_reason(tmp_path: Path) -> None:
    arguments = sweep_arguments(
        tmp_path / "results", "init_from=full_precision", "pretrain_lr=1.0e+30", schedules="[fixed_2]"
    )
    result = run_python(*arguments, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    trials = read_trials(tmp_path / "results" / "run").set_index("schedule")
    assert "loss must stay finite" in trials.loc["full_precision", "error"]
    assert "which did not finish" in trials.loc["fixed_2", "error"]
    assert set(trials["status"]) == {"failed"}


def test_one_trial_without_ray_trains_what_it_starts_from(tmp_path: Path) -> None:
    start = "--init-from full_precision --pretrain-epochs 1"
    length = "--width 0.25 --epochs 1 --batch-size 256"
    result = run_python(
        *shlex.split(f"-m lwq_tune train --bits 2,2,2 {start} {length} --no-energy --json"),
        cwd=tmp_path,
        **{"PYTHONPATH": os.environ.get("PYTHONPATH", str(Path(__file__).parents[2]))},
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert "which the trial starts from" in result.stderr
