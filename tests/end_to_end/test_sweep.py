"""Whole sweeps: real Ray, real training on real digits, real CodeCarbon, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest

from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS
from tests.conftest import REPOSITORY, run_python
from tests.end_to_end.conftest import Undisturbed
from tests.support.sweeps import (
    FAULT_EPOCHS,
    assert_whole,
    audit,
    fault_arguments,
    is_trial,
    n_rows,
    read_epochs,
    read_trials,
    resume,
    start,
    sweep_arguments,
    sweeping,
    training_numbers,
    wait_for,
)

pytestmark = pytest.mark.slow


def test_stdout_is_the_run_folder_and_stderr_the_story(
    undisturbed: Undisturbed,
) -> None:
    run, result = undisturbed.run, undisturbed
    assert result.stdout == f"{run}\n"
    assert "56.039 g/kWh (France, country-year:FRA:2023)" in result.stderr
    assert "2 trials: 2 done" in result.stderr
    assert "Traceback" not in result.stderr
    assert "WARNING" not in result.stderr


def test_the_tables_hold_what_the_design_promises(undisturbed: Undisturbed) -> None:
    run = undisturbed.run
    trials, epochs = read_trials(run), read_epochs(run)
    assert list(trials.columns) == [column.name for column in TRIAL_COLUMNS]
    assert list(epochs.columns) == [column.name for column in EPOCH_COLUMNS]
    assert trials["status"].tolist() == ["done", "done"]
    assert trials["schedule"].tolist() == ["full_precision", "ascending_234"]
    for key, group in epochs.groupby("trial_key"):
        trial = trials.set_index("trial_key").loc[key]
        assert group["epoch"].tolist() == list(range(1, FAULT_EPOCHS + 1))
        for column in ("energy_kwh", "cpu_energy_kwh", "ram_energy_kwh", "emissions_kg_co2eq"):
            assert trial[column] == pytest.approx(group[column].sum(), rel=1e-9)
        assert group["cumulative_energy_kwh"].iloc[-1] == pytest.approx(trial["energy_kwh"], rel=1e-9)
    assert (epochs["energy_kwh"] > 0).all()
    emissions = epochs["energy_kwh"] * epochs["carbon_intensity_g_per_kwh"] / 1000
    assert epochs["emissions_kg_co2eq"].tolist() == pytest.approx(emissions.tolist(), rel=1e-9)
    both = epochs["active_energy_kwh"] + epochs["idle_energy_kwh"]
    assert epochs["energy_kwh"].tolist() == pytest.approx(both.tolist(), rel=1e-9)
    assert (epochs["active_energy_kwh"] >= 0).all()
    assert (epochs["share_method"] == "cpu-seconds").all()
    assert (epochs["coverage"] == 1.0).all()
    assert (epochs["unmeasured_s"] == 0.0).all()


def test_the_energy_of_the_host_is_divided_and_the_audit_re_adds_it(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run, result = undisturbed.run, undisturbed
    (file,) = (run / "energy").glob("*.parquet")
    energy = pd.read_parquet(file)
    assert set(energy["part"]) == {"node", "trial", "driver", "ray", "ledger", "other", "unallocated"}
    node, parts = energy[energy["part"] == "node"], energy[energy["part"] != "node"]
    assert parts["energy_kwh"].sum() == pytest.approx(node["energy_kwh"].sum(), rel=1e-9)
    trials = read_trials(run)
    of_trials = parts[parts["part"] == "trial"].groupby("trial_key")["energy_kwh"].sum()
    assert (of_trials[trials["trial_key"]].to_numpy() > trials["energy_kwh"].to_numpy()).all()
    assert trials["discarded_energy_kwh"].tolist() == [0.0, 0.0]
    assert "energy of the host: " in result.stderr
    audit(run)


def test_the_manifest_says_with_what_and_where(undisturbed: Undisturbed) -> None:
    run = undisturbed.run
    manifest = json.loads((run / "manifest.json").read_text())
    (intensity,) = manifest["carbon_intensity"].values()
    assert (intensity["values_g_per_kwh"], intensity["source"]) == ([56.039], "country-year:FRA:2023")
    assert len(manifest["trials"]) == 2
    assert manifest["trial_statuses"] == {"done": 2}
    (session,) = manifest["sessions"]
    assert None not in session["versions"].values()
    assert session["host"]["available_cpus"] >= 1
    assert session["ended_at_utc"] > session["started_at_utc"]
    (sources,) = manifest["energy_sources"].values()
    assert sources["cpu_source"].startswith(("measured:", "estimated:"))


def test_analysis_draws_the_result(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = undisturbed.run
    result = run_python("-m", "analysis", "pareto", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.splitlines()[-1]).is_file()
    result = run_python("-m", "analysis", "table", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_resuming_a_finished_run_does_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = undisturbed.run
    before = (run / "rows.jsonl").read_bytes()
    result = run_python("-m", "lwq_tune", "resume", str(run), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "nothing to do" in result.stderr
    assert result.stdout == f"{run}\n"
    assert (run / "rows.jsonl").read_bytes() == before


def cut_off(run: Path, arguments: list[str], how: str) -> None:
    """Let a sweep record two rows, then end it from outside."""
    n_before = n_rows(run)
    process = start(arguments, run.parent)
    wait_for(lambda: n_rows(run) >= n_before + 2, process)
    if how == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole process group
    elif how == "terminal closed":
        os.killpg(process.pid, signal.SIGHUP)
    else:
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert f"python -m lwq_tune resume {run}" in err
    assert out.splitlines()[-1] == str(run)
    assert "interrupted" in read_trials(run)["status"].tolist()
    assert n_rows(run) >= n_before + 2


def assert_as_undisturbed(run: Path, undisturbed: Undisturbed, n_attempts: int) -> None:
    assert training_numbers(run) == undisturbed.numbers
    trials = read_trials(run)
    assert trials["status"].tolist() == ["done", "done"]
    assert trials["attempts"].max() == n_attempts
    epochs = read_epochs(run).sort_values(["epoch", "attempt"])
    for key, group in epochs.groupby("trial_key"):
        last = group.drop_duplicates("epoch", keep="last")
        trial = trials.set_index("trial_key").loc[key]
        assert trial["energy_kwh"] == pytest.approx(last["energy_kwh"].sum(), rel=1e-9)
        assert last["cumulative_energy_kwh"].is_monotonic_increasing
    audit(run)


def test_a_sweep_that_was_cut_off_ends_with_the_numbers_of_one_that_was_not(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run, ends = tmp_path / "run", ("sigterm", "ctrl-c", "terminal closed")
    for number, how in enumerate(ends):
        cut_off(run, ["-m", "lwq_tune", "resume", str(run)] if number else fault_arguments(tmp_path), how)
    resumed = resume(run)
    assert resumed.returncode == 0, resumed.stderr
    assert n_rows(run) <= 2 * FAULT_EPOCHS + len(ends), "each time, at most an epoch without a checkpoint is lost"
    assert_as_undisturbed(run, undisturbed, 1 + len(ends))


def test_a_sweep_whose_reader_goes_away_and_whose_trials_are_killed_ends_with_the_numbers_of_one_left_in_peace(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    run = tmp_path / "run"
    command = shlex.join([sys.executable, *fault_arguments(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    line = f"set -o pipefail; {command} 2>&1 | head -4"
    process = subprocess.Popen(
        ["bash", "-c", line], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: n_rows(run) >= 2, process)
    workers = [p for p in psutil.Process(process.pid).children(recursive=True) if is_trial(p)]
    assert workers, "no trial process was found"
    for worker in workers:
        worker.kill()
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert len(out.splitlines()) == 4
    assert_as_undisturbed(run, undisturbed, 2)
    assert_whole(run, FAULT_EPOCHS)
    assert (read_trials(run)["discarded_energy_kwh"] > 0).any()


FAILING_PLAN = """
import json, sys
from pathlib import Path
from lwq_tune.cli.messages import report_end
from lwq_tune.results.networks import trial_costs
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.config.trial import TrialConfig
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.plan import Plan
from lwq_tune.sweep.runner import run_trials
from lwq_tune.sweep.session import Run

small = dict(model="resnet", blocks=(1, 1, 1), width=0.25, epochs=1, batch_size=64)
trials = [TrialConfig(bit_widths=(32, 32, 32), lr=1e30, **small), TrialConfig(bit_widths=(2, 3, 4), **small)]
trials = {trial.trial_key: trial for trial in trials}
config = SweepConfig(results_dir=Path.cwd(), run="run", data_dir=Path.cwd())
folder = RunFolder(config.run_dir)
folder.create()
costs = {key: trial_costs(t, ImageFormat()) for key, t in trials.items()}
recorder = RunRecorder(folder, trials, costs, {"run": "run"})
intensities = {"": IntensitySeries.constant(475.0, "world-average")}
end = run_trials(Plan(folder, config, trials, intensities, dict.fromkeys(trials, 1)), recorder, print)
sys.exit(report_end(Run(folder.path, recorder.trial_rows(), end=end)))
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
from lwq_tune.sweep.cluster.ray_session import local_ray
import os, psutil, subprocess, sys
from pathlib import Path
with local_ray(1):
    import ray  # not before: what keeps it on loopback must be set first
    join = "import ray, sys; ray.init(sys.argv[1])"
    address = ray.get_runtime_context().gcs_address
    for token in (os.environ["RAY_AUTH_TOKEN"], "another"):
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        environment["RAY_NUM_REDIS_GET_RETRIES"] = "3"  # attempts, a second apart
        command = [sys.executable, "-c", join, address]
        joined = subprocess.run(command, env=environment, capture_output=True, text=True)
        print(joined.returncode, "InvalidAuthToken" in joined.stderr)
    print([str(path) for path in Path.home().rglob("*")])
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]
    open_ports = {c.laddr for p in tree for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    print([name for p in tree for name in p.cmdline() if name.endswith(("monitor.py", "dashboard/dashboard.py"))])
    print(len(open_ports), sorted({address.ip for address in open_ports}))
"""


def test_a_local_ray_listens_on_loopback_asks_for_its_own_token_and_leaves_nothing_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    result = run_python("-c", PORTS, cwd=tmp_path, HOME=str(home))
    assert result.returncode == 0, result.stderr
    with_its_token, with_another, in_the_home, helpers, ports = result.stdout.splitlines()[-5:]
    assert (with_its_token, with_another) == ("0 False", "1 True")
    assert in_the_home == "[]", "as a sweep that is killed now would leave it"
    assert not list(home.rglob("*"))
    assert helpers == "[]"
    count, addresses = ports.split(" ", 1)
    assert int(count) >= 4
    assert set(re.findall(r"'(.*?)'", addresses)) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_two_sweeps_at_once_share_one_ledger_and_both_add_up_and_neither_run_takes_a_second_process(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    # The first trains its one trial from before the second begins until after it has ended.
    with sweeping(sweep_arguments(folders[0], "epochs=2000", schedules="[full_precision]"), tmp_path) as first:
        wait_for(lambda: n_rows(folders[0] / "run") >= 1, first)
        second = run_python(*sweep_arguments(folders[1]), cwd=tmp_path)
        refused = resume(folders[0] / "run")
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (130, 0), err + second.stderr
    assert refused.returncode == 2
    assert "one process at a time works on a run" in refused.stderr
    tables = []
    for folder in folders:
        audit(folder / "run")
        (file,) = (folder / "run" / "energy").glob("*.parquet")
        tables.append(pd.read_parquet(file))
    assert read_epochs(folders[1] / "run")["concurrency"].max() > 2, "trials of both count"
    # What one run's trials used is part of the other's `other`: while both ran, nothing was charged twice.
    begin_s = max(table["begin_s"].min() for table in tables)
    end_s = min((table["begin_s"] + table["time_s"]).max() for table in tables)
    assert end_s > begin_s
    trials_kwh = sum(
        t[(t["part"] == "trial") & t["begin_s"].between(begin_s, end_s)]["energy_kwh"].sum() for t in tables
    )
    node_kwh = max(t[(t["part"] == "node") & t["begin_s"].between(begin_s, end_s)]["energy_kwh"].sum() for t in tables)
    assert trials_kwh < node_kwh


def ledgers() -> list[psutil.Process]:
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if os.environ[FOLDER_VARIABLE] in (process.info["cmdline"] or [])]


def test_a_ledger_that_is_killed_is_replaced_and_the_sweep_says_what_nobody_measured(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(sweep_arguments(tmp_path, "epochs=12", "width=0.5"), tmp_path)
    # Three times: a gap may fall between two training passes, whose rows then know nothing of it.
    for n_before in (2, 8, 14):
        wait_for(lambda: n_rows(run) >= n_before and len(ledgers()) == 1, process)  # noqa: B023 (waited for right here)
        ledgers()[0].kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "nothing was measured" in err
    epochs = read_epochs(run)
    assert epochs["unmeasured_s"].sum() > 0
    assert (epochs["coverage"] < 1).any()
    assert (epochs["coverage"] == 1).any()
    # An epoch that lay in the gap as a whole has no energy, rather than 0; every other has what was seen of it.
    assert (epochs["energy_kwh"].isna() == (epochs["coverage"] == 0)).all()
    assert "ledger-down" in audit(run)


SHORT_BASELINE = """
import sys
from lwq_tune.cli.main import main
from lwq_tune.sweep import confirmation as exclusive
from lwq_tune.sweep import runner
runner.prepare_host = lambda: exclusive.prepare_host(idle_s=4.0, warm_up_s=3.0)
sys.exit(main(sys.argv[1:]))
"""


def test_an_exclusive_sweep_runs_one_trial_at_a_time_on_a_host_it_has_seen_idle(tmp_path: Path) -> None:
    arguments = sweep_arguments(tmp_path, "epochs=1")[2:]  # without -m lwq_tune
    result = run_python("-c", SHORT_BASELINE, *arguments, "--exclusive", "--pue", "1.5", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    epochs = read_epochs(tmp_path / "run")
    assert epochs["concurrency"].tolist() == [1.0, 1.0]
    assert epochs["pue"].tolist() == [1.5, 1.5]
    (file,) = (tmp_path / "run" / "energy").glob("*.parquet")
    energy = pd.read_parquet(file)
    first_trial_s = energy.loc[energy["part"] == "trial", "begin_s"].min()
    assert first_trial_s - energy["begin_s"].min() > 7, "an idle baseline and a warm-up come first"
    audit(tmp_path / "run")
