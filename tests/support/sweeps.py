"""Small sweeps in processes of their own, and what their tables must say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from analysis.__main__ import main as analyse
from lwq_tune.results.energy_tables import EnergyLog
from lwq_tune.results.row_log import read_log
from lwq_tune.sweep.stopping.controller import used_by_sweep
from tests.conftest import REPOSITORY, run_python

# Half of the images are for validation: evaluating costs a quarter of training.
SMALL = [
    "model=resnet",
    "blocks=[1,1,1]",
    "width=0.25",
    "epochs=3",
    "batch_size=64",
    "validation_fraction=0.5",
    "deploy=null",
]  # measuring has tests of its own
SCHEDULES = "[full_precision,ascending_234]"
FAULT_EPOCHS = 6
LONGER = (f"epochs={FAULT_EPOCHS}",)  # long enough to be cut off in between


def sweep_arguments(folder: Path, *settings: str, schedules: str = SCHEDULES) -> list[str]:
    settings = (*SMALL, "seeds=[0]", f"schedules={schedules}", *settings)
    flags = [part for setting in settings for part in ("--set", setting)]
    fixed = shlex.split("-m lwq_tune sweep --space named_schedules --run run --country FRA")
    return [*fixed, "--results", str(folder), *flags]


def fault_arguments(folder: Path, *flags: str, schedules: str = SCHEDULES) -> list[str]:
    """Return the sweep in which faults occur; its numbers are the same whatever runs at a time."""
    arguments = sweep_arguments(folder, f"epochs={FAULT_EPOCHS}", schedules=schedules)
    return [*arguments, "--cpus-per-trial", "1", *flags]


def read_trials(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "trials.parquet")


def read_epochs(run: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in sorted((run / "epochs").glob("*.parquet"))])


def audit(run: Path) -> str:
    """Return what the audit says, which must be that everything adds up."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = analyse(["audit", str(run)])
    assert code == 0, out.getvalue() + err.getvalue()
    assert out.getvalue().splitlines()[-1] == "audit: everything adds up"
    return out.getvalue()


def assert_whole(run: Path, n_epochs: int, gaps: bool = False) -> None:
    """Every trial is done, with each of its epochs once, energies that continue each other, and energies that add up.

    With ``gaps``, an epoch may lie as a whole where nobody measured: it has no energy, nor has a sum that holds it.
    """
    trials, epochs = read_trials(run), read_epochs(run)
    assert set(trials["status"]) == {"done"}, trials[["schedule", "status", "error"]].to_dict("records")
    assert not epochs.duplicated(["trial_key", "attempt", "epoch"]).any()
    ordered = epochs.sort_values(["trial_key", "epoch", "attempt"])
    last = ordered.drop_duplicates(["trial_key", "epoch"], keep="last").set_index("trial_key")
    for trial in trials.itertuples():
        rows = last.loc[[trial.trial_key]]
        assert rows["epoch"].tolist() == list(range(1, n_epochs + 1))
        assert (rows["energy_kwh"].isna() == (rows["coverage"] == 0)).all()
        assert gaps or rows["energy_kwh"].notna().all()
        sums = rows["energy_kwh"].cumsum(skipna=False).tolist()
        assert rows["cumulative_energy_kwh"].tolist() == pytest.approx(sums, rel=1e-9, nan_ok=True)
        assert trial.energy_kwh == pytest.approx(sums[-1], rel=1e-9, nan_ok=True)
    audit(run)


def start(arguments: list[str], cwd: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 300) -> None:
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


def is_trial(process: psutil.Process) -> bool:
    return bool(re.search("ray::.*Trainable", command_of(process)))


def is_agent(process: psutil.Process) -> bool:
    return bool(re.search("ray::(Dashboard|RuntimeEnv)Agent", command_of(process)))


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def resume(run: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "lwq_tune", "resume", str(run), *flags, cwd=run.parent)


@contextlib.contextmanager
def sweeping(arguments: list[str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a sweep beside the body; what is left of it afterwards, as where the body fails, is killed."""
    process = start(arguments, cwd)
    family: list[psutil.Process] = []
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for other in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
        process.communicate()


def kill_driver(process: subprocess.Popen[str], held: dict[str, int]) -> None:
    """Kill the process of a sweep and release its trials; they, and all else that it had started, end by themselves.

    Ray's agents notice only after a minute that their node is gone; nothing of the run depends on them.
    """
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    release(held)
    for other in family:
        if is_agent(other):
            other.kill()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert not alive


def used_kwh(run: Path) -> float:
    """Return the energy that counts towards a carbon budget."""
    energy = EnergyLog(run / "energy")
    energy.update()
    return used_by_sweep(energy)[0]


def rows_of(run: Path) -> Counter[str]:
    """Return the number of rows of each trial by key."""
    return Counter(record["trial_key"] for record in read_log(run / "rows.jsonl") if record["kind"] == "epoch")


def process_of(run: Path, trial_key: str) -> int:
    """Return the process that trains a trial, which its log names."""
    log = (run / "logs" / f"{trial_key}.log").read_text(encoding="utf-8")
    return int(re.findall(r"begins in process (\d+)", log)[-1])


def hold(
    run: Path,
    process: subprocess.Popen[str],
    n_trials: int = 2,
    n_epochs: int = 2,
    besides: Collection[str] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, int]:
    """Stop the process of each trial that has so many rows, wait for so many trials, and return their processes.

    Args:
        run: The run.
        process: The sweep.
        n_trials: Number of trials.
        n_epochs: Rows of each.
        besides: Trials that are left alone.
        meanwhile: Is called again and again.
    """
    held: dict[str, int] = {}

    def are_held() -> bool:
        meanwhile()
        for key, count in rows_of(run).items():
            if count >= n_epochs and key not in {*held, *besides}:
                held[key] = process_of(run, key)
                os.kill(held[key], signal.SIGSTOP)
        return len(held) >= n_trials

    wait_for(are_held, process)
    return held


class HangingTrial:
    """A trial all of whose processes are stopped.

    Args:
        run: The run.
        key: The trial.
        pid: Its first process, which is stopped already.
    """

    def __init__(self, run: Path, key: str, pid: int) -> None:
        self._run, self._key, self._stopped = run, key, {pid}

    def stop_again(self) -> bool:
        """Stop the process that has taken the place of one that was ended; return whether the trial was given up."""
        events = [record["kind"] for record in read_log(self._run / "rows.jsonl") if record["trial_key"] == self._key]
        if events.count("start") > len(self._stopped):
            self._stopped.add(process_of(self._run, self._key))
            for pid in self._stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        return "end" in events


def release(held: dict[str, int]) -> None:
    for pid in held.values():
        os.kill(pid, signal.SIGCONT)
