"""Whole sweeps: real Ray, real training on real digits, real CodeCarbon, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.store import read_log
from tests.conftest import REPOSITORY, run_python

pytestmark = pytest.mark.slow

SMALL = ["model=resnet", "blocks=[1,1,1]", "width=0.25", "epochs=3", "batch_size=64"]


def sweep_arguments(folder: Path, *settings: str, schedules: str = "[full_precision,ascending_234]") -> list[str]:
    settings = (*SMALL, "seeds=[0]", f"schedules={schedules}", *settings)
    flags = [part for setting in settings for part in ("--set", setting)]
    return ["-m", "lwq_tune", "sweep", "--space", "named_schedules", "--results", str(folder), "--run", "run",
            "--country", "FRA", *flags]  # fmt: skip


def read_trials(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "trials.parquet")


def read_epochs(run: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in sorted((run / "epochs").glob("*.parquet"))])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A finished sweep, run from a folder with spaces, other letters and a decoy `analysis.py`."""
    folder = tmp_path_factory.mktemp("sweep") / "a földér"
    folder.mkdir()
    (folder / "analysis.py").write_text("raise RuntimeError('decoy')\n")
    result = run_python(*sweep_arguments(folder / "results"), cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "results" / "run", result


def test_stdout_is_the_run_folder_and_stderr_the_story(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    run, result = finished
    assert result.stdout == f"{run}\n"
    assert "56.039 g/kWh (country-year:FRA:2023)" in result.stderr
    assert "2 trials: 2 done" in result.stderr
    assert "Traceback" not in result.stderr
    assert "WARNING" not in result.stderr


def test_the_tables_hold_what_the_design_promises(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    run, _ = finished
    trials, epochs = read_trials(run), read_epochs(run)
    assert list(trials.columns) == [column.name for column in TRIAL_COLUMNS]
    assert list(epochs.columns) == [column.name for column in EPOCH_COLUMNS]
    assert trials["status"].tolist() == ["done", "done"]
    assert trials["schedule"].tolist() == ["full_precision", "ascending_234"]
    for key, group in epochs.groupby("trial_key"):
        trial = trials.set_index("trial_key").loc[key]
        assert group["epoch"].tolist() == [1, 2, 3]
        for column in ("energy_kwh", "cpu_energy_kwh", "ram_energy_kwh", "emissions_kg_co2eq"):
            assert trial[column] == pytest.approx(group[column].sum(), rel=1e-9)
        assert group["cumulative_energy_kwh"].iloc[-1] == pytest.approx(trial["energy_kwh"], rel=1e-9)
    assert (epochs["energy_kwh"] > 0).all()
    emissions = epochs["energy_kwh"] * epochs["carbon_intensity_g_per_kwh"] / 1000
    assert epochs["emissions_kg_co2eq"].tolist() == pytest.approx(emissions.tolist(), rel=1e-9)
    assert epochs["active_energy_kwh"].isna().all(), "there is no ledger yet that could split"
    assert (epochs["share_method"] == "whole-host").all()


def test_the_manifest_says_with_what_and_where(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    run, _ = finished
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["carbon_intensity"] == {"g_per_kwh": 56.039, "source": "country-year:FRA:2023"}
    assert len(manifest["trials"]) == 2
    assert manifest["trial_statuses"] == {"done": 2}
    (session,) = manifest["sessions"]
    assert None not in session["versions"].values()
    assert session["host"]["available_cpus"] >= 1
    assert session["ended_at_utc"] > session["started_at_utc"]
    (sources,) = manifest["energy_sources"].values()
    assert sources["cpu_source"].startswith(("measured:", "estimated:"))


def test_analysis_draws_the_result(finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    run, _ = finished
    result = run_python("-m", "analysis", "pareto", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.splitlines()[-1]).is_file()
    result = run_python("-m", "analysis", "table", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_resuming_a_finished_run_does_nothing(
    finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run, _ = finished
    before = (run / "rows.jsonl").read_bytes()
    result = run_python("-m", "lwq_tune", "resume", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "nothing to do" in result.stderr
    assert result.stdout == f"{run}\n"
    assert (run / "rows.jsonl").read_bytes() == before


def start(arguments: list[str], cwd: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 120) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        if process.poll() is not None or time.monotonic() > end_s:
            process.kill()
            pytest.fail(f"the sweep ended or hung too early: {process.communicate()}")
        time.sleep(0.05)


def n_rows(run: Path) -> int:
    return sum(record["kind"] == "epoch" for record in read_log(run / "rows.jsonl"))


def training_numbers(run: Path) -> dict[str, list[list[float]]]:
    epochs = read_epochs(run).sort_values(["trial_key", "epoch", "attempt"])
    last = epochs.drop_duplicates(["trial_key", "epoch"], keep="last")
    columns = ["epoch", "train_loss", "val_loss", "test_loss", "test_accuracy"]
    return {str(key): group[columns].values.tolist() for key, group in last.groupby("trial_key")}


LONGER = ("epochs=6", "width=0.5")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[float]]]:
    folder = tmp_path_factory.mktemp("whole")
    result = run_python(*sweep_arguments(folder, *LONGER), cwd=folder)
    assert result.returncode == 0, result.stderr
    return training_numbers(folder / "run")


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm", "driver killed", "trial killed"])
def test_a_sweep_that_was_cut_off_ends_with_the_numbers_of_one_that_was_not(
    how: str, tmp_path: Path, uninterrupted: dict[str, list[list[float]]]
) -> None:
    run = tmp_path / "run"
    process = start(sweep_arguments(tmp_path, *LONGER), tmp_path)
    wait_for(lambda: n_rows(run) >= 2, process)
    if how == "trial killed":
        workers = [p for p in psutil.Process(process.pid).children(recursive=True) if is_trial(p)]
        assert workers, "no trial process was found"
        for worker in workers:
            worker.kill()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    else:
        if how == "ctrl-c":
            os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole process group
        else:
            process.send_signal({"sigterm": signal.SIGTERM, "driver killed": signal.SIGKILL}[how])
        out, err = process.communicate(timeout=120)
        if how == "driver killed":
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130, err
            assert f"python -m lwq_tune resume {run}" in err
            assert out.splitlines()[-1] == str(run)
            assert "interrupted" in read_trials(run)["status"].tolist()
        kept = n_rows(run)
        assert kept >= 2
        resumed = run_python("-m", "lwq_tune", "resume", str(run), cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stderr
        assert n_rows(run) <= 12 + 1, "at most the epoch that was not in a checkpoint is trained again"
    assert training_numbers(run) == uninterrupted
    trials = read_trials(run)
    assert trials["status"].tolist() == ["done", "done"]
    assert trials["attempts"].max() == 2
    epochs = read_epochs(run).sort_values(["epoch", "attempt"])
    for key, group in epochs.groupby("trial_key"):
        last = group.drop_duplicates("epoch", keep="last")
        trial = trials.set_index("trial_key").loc[key]
        assert trial["energy_kwh"] == pytest.approx(last["energy_kwh"].sum(), rel=1e-9)
        assert last["cumulative_energy_kwh"].is_monotonic_increasing


def is_trial(process: psutil.Process) -> bool:
    try:
        return bool(re.search("ray::.*Trainable", " ".join(process.cmdline())))
    except psutil.Error:
        return False


FAILING_PLAN = """
import json, sys
from pathlib import Path
from lwq_tune.commands.common import report_end, trial_costs
from lwq_tune.config import TrialConfig
from lwq_tune.sweep_config import SweepConfig
from lwq_tune.energy.meter import WORLD_AVERAGE
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.store import RunFolder
from lwq_tune.sweep.runner import Plan, run_trials

small = dict(model="resnet", blocks=(1, 1, 1), width=0.25, epochs=1, batch_size=64)
trials = [TrialConfig(bit_widths=(32, 32, 32), lr=1e30, **small), TrialConfig(bit_widths=(2, 3, 4), **small)]
trials = {trial.trial_key: trial for trial in trials}
config = SweepConfig(results_dir=Path.cwd(), run="run", data_dir=Path.cwd())
folder = RunFolder(config.run_dir)
folder.create()
recorder = RunRecorder(folder, trials, {key: trial_costs(t, 10) for key, t in trials.items()}, {"run": "run"})
stopped = run_trials(Plan(folder, config, trials, WORLD_AVERAGE, {}), recorder)
sys.exit(report_end(folder.path, recorder.trial_rows(), stopped))
"""


def test_a_trial_that_raises_is_recorded_and_the_others_finish(tmp_path: Path) -> None:
    result = run_python("-c", FAILING_PLAN, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    trials = read_trials(tmp_path / "run")
    assert trials["status"].tolist() == ["failed", "done"]
    assert "TrialDivergedError" in trials["error"].iloc[0]
    assert "loss must stay finite" in trials["error"].iloc[0]
    assert "failed: full_precision seed 0: TrialDivergedError" in result.stderr


PORTS = """
from lwq_tune.sweep.ray_session import local_ray
import psutil, os
with local_ray(1):
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]
    open_ports = {c.laddr for p in tree for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    print(len(open_ports), sorted({address.ip for address in open_ports}))
"""


def test_ray_listens_on_loopback_only(tmp_path: Path) -> None:
    result = run_python("-c", PORTS, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    count, addresses = result.stdout.splitlines()[-1].split(" ", 1)
    assert int(count) >= 4
    assert set(re.findall(r"'(.*?)'", addresses)) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_a_second_sweep_on_the_host_is_refused_while_one_runs(tmp_path: Path) -> None:
    process = start(sweep_arguments(tmp_path, *LONGER), tmp_path)
    wait_for((tmp_path / "run" / "manifest.json").exists, process)
    second = run_python("-m", "lwq_tune", "train", "--bits", "2,3,4", cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert second.returncode == 2
    assert "one sweep at a time may run on a host" in second.stderr
