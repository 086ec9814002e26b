"""What the energy ledger charges trials with, against a sampler of ``/proc/stat`` that shares no code with it.

Several sweeps of one endless trial each run at once, beside foreign load: a process that computes half of the time, and
processes that live for 0.3 s. Of each interval of the ledger, a trial should be charged with the node's CPU energy
above idle, times the trial's part of the node's CPU time, which the sampler reads for itself.

Run: python -m benchmarks.attribution --json attribution.json
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.machine import version_of, write_json
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.files.private_folder import make_private_folder
from lwq_tune.host.hardware import cpu_model
from lwq_tune.results.row_log import read_log

PERIOD_S = 0.1
START_S = 300.0
HALF = """
import time
while True:
    end = time.monotonic() + 0.5
    while time.monotonic() < end: pass
    time.sleep(0.5)
"""
SHORT_LIVED = """
import subprocess, sys, time
burn = "import time; end = time.monotonic() + 0.3\\nwhile time.monotonic() < end: pass"
while True:
    subprocess.run([sys.executable, "-S", "-c", burn])
    time.sleep(1)
"""


def main() -> None:
    """Measure, print, write; exit with 1 where the audit of a run finds a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=90.0, help="how long they are watched")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_private_folder(Path(folder) / "ledger")
        os.environ[FOLDER_VARIABLE] = str(Path(folder) / "ledger")
        figures = measure(Path(folder), arguments.sweeps, arguments.seconds)
    figures["settings"] = {"sweeps": arguments.sweeps, "seconds": arguments.seconds}
    figures["machine"] = {
        "cpu_model": cpu_model(),
        "cpus": os.cpu_count(),
        "codecarbon": version_of("codecarbon"),
        "load_before": os.getloadavg()[0],
    }
    for number, trial in enumerate(figures["trials"]):
        print(
            f"trial {number}: charged {trial['charged_j']:.1f} J, by its CPU time {trial['expected_j']:.1f} J "
            f"({trial['charged_j'] / trial['expected_j']:.4f}) over {trial['intervals']} intervals; "
            f"median difference of an interval {trial['median_difference']:.2%}"
        )
    print(f"all trials: {figures['charged_over_expected']:.4f}; audits: {figures['audits']}")
    write_json(arguments.json, figures)
    sys.exit(any(figures["audits"]))


def measure(folder: Path, n_sweeps: int, time_s: float) -> dict[str, Any]:
    """Return what each trial was charged with and what its CPU time makes of it, in J, and the audits' exit codes."""
    foreign: list[subprocess.Popen[bytes]] = []
    runs = [folder / f"sweep{number}" / "run" for number in range(n_sweeps)]
    sweeps = [_start(run) for run in runs]
    try:
        watched = [_process_of(run, sweep) for run, sweep in zip(runs, sweeps, strict=True)]
        foreign = [subprocess.Popen([sys.executable, "-c", code]) for code in (HALF, SHORT_LIVED)]
        sampler = ProcessSampler([pid for _, pid in watched])
        with sampler:
            time.sleep(time_s)
    finally:
        for process in [*foreign, *sweeps]:
            process.send_signal(signal.SIGINT if process in sweeps else signal.SIGKILL)
        for process in [*foreign, *sweeps]:
            process.wait()
    trials = [compare(_intervals(run), key, pid, sampler) for run, (key, pid) in zip(runs, watched, strict=True)]
    audit = [sys.executable, "-m", "analysis", "audit"]
    return {
        "trials": trials,
        "charged_over_expected": sum(t["charged_j"] for t in trials) / sum(t["expected_j"] for t in trials),
        "audits": [
            subprocess.run([*audit, str(run)], stdout=subprocess.DEVNULL, check=False).returncode for run in runs
        ],
    }


def _start(run: Path) -> subprocess.Popen[bytes]:
    settings = ("model=resnet", "blocks=[1,1,1]", "width=0.5", "epochs=5000", "schedules=[ascending_234]", "seeds=[0]")
    command = [
        sys.executable,
        *shlex.split("-m lwq_tune sweep --space named_schedules --carbon-intensity 56"),
        *("--results", str(run.parent), "--run", run.name),
        *(part for setting in settings for part in ("--set", setting)),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _process_of(run: Path, sweep: subprocess.Popen[bytes]) -> tuple[str, int]:
    """Wait for the first epoch of the only trial of a sweep and return its key and its process."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and sweep.poll() is None:
        keys = [record["trial_key"] for record in read_log(run / "rows.jsonl") if record["kind"] == "epoch"]
        if keys:
            log = (run / "logs" / f"{keys[0]}.log").read_text(encoding="utf-8")
            return keys[0], int(re.findall(r"begins in process (\d+)", log)[-1])
        time.sleep(0.5)
    raise SystemExit(f"the sweep in {run.parent} did not train")


@dataclass
class ProcessSampler:
    """Reads the CPU seconds of the host and of some processes, ten times a second, while its body runs."""

    pids: list[int]
    times_s: list[float] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    own_s: dict[int, list[float]] = field(default_factory=dict)

    def __enter__(self) -> ProcessSampler:
        """Begin."""
        self.own_s = {pid: [] for pid in self.pids}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        while not self._is_over.wait(PERIOD_S):
            user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
            self.times_s.append(time.time())
            self.busy_s.append((user + nice + system + irq + softirq) * tick_s)
            for pid in self.pids:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self.own_s[pid].append((int(fields[11]) + int(fields[12])) * tick_s)


def compare(intervals: Iterable[Mapping[str, Any]], key: str, pid: int, sampler: ProcessSampler) -> dict[str, Any]:
    """Return what a trial was charged with while the sampler ran, and what the sampler makes of it, in J.

    Args:
        intervals: Of the energy log of its run.
        key: The trial.
        pid: Its process.
        sampler: Has sampled this process.
    """
    charged_j, expected_j = [], []
    for record in intervals:
        ends_s = (record["begin_s"], record["begin_s"] + record["time_s"])
        if ends_s[0] < sampler.times_s[0] or ends_s[1] > sampler.times_s[-1]:
            continue
        busy_s, own_s = (
            float(np.diff(np.interp(ends_s, sampler.times_s, series))[0])
            for series in (sampler.busy_s, sampler.own_s[pid])
        )
        parts = record["parts"]["cpu"]
        charged_j.append(sum(active for name, (active, _) in parts.items() if name.startswith(f"trial|{key}|")))
        expected_j.append(sum(active for active, _ in parts.values()) * own_s / busy_s)
    differences = [abs(got / should - 1) for got, should in zip(charged_j, expected_j, strict=True) if should > 0]
    return {
        "charged_j": sum(charged_j),
        "expected_j": sum(expected_j),
        "intervals": len(charged_j),
        "median_difference": statistics.median(differences),
    }


def _intervals(run: Path) -> list[dict[str, Any]]:
    (log,) = (run / "energy").glob("*.jsonl")
    return [record for record in read_log(log) if "parts" in record]


if __name__ == "__main__":
    main()
