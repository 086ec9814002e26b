"""What the energy ledger costs, and what it says against as many plain trackers.

A real ledger serves ``--trials`` processes that hold memory as a trial does and sleep. Then as many processes each
compute for ``--burn`` seconds, once charged by the ledger and once with a CodeCarbon tracker of the whole machine each.

Run: python -m benchmarks.ledger --json ledger.json
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.support.machine import version_of, write_json
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.interval_log import read_intervals
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.sensors.processes import ProcessReader
from lwq_tune.energy.service.client import LedgerClient
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.energy.trial_meter import LedgerMeter
from lwq_tune.host.hardware import cpu_model

N_MARKS = 200
N_TRACKED = 2
IDLE_TRIAL = "import torch\nprint('ready', flush=True)\ninput()"
BURN = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"
TRACKED = """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", output_methods=[], log_level="critical", gpu_ids=[])
tracker.start()
{}
tracker.stop()
print(tracker.final_emissions_data.energy_consumed)
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the cost is measured")
    parser.add_argument("--burn", type=float, default=8.0, help="how long the processes compute that are compared")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER_VARIABLE] = folder
        spec = RunSpec("benchmark", Path(folder) / "intervals.jsonl", IntensitySeries.constant(56.0, "user"))
        figures = {
            **measure_cost(spec, arguments.trials, arguments.seconds),
            **compare_trackers(spec, arguments.burn),
            "settings": {"trials": arguments.trials, "seconds": arguments.seconds, "burn_s": arguments.burn},
            "machine": {
                "cpu_model": cpu_model(),
                "cpus": os.cpu_count(),
                "codecarbon": version_of("codecarbon"),
                "processes": len(ProcessReader().processes()),
            },
        }
    _print(figures)
    write_json(arguments.json, figures)


def measure_cost(spec: RunSpec, n_trials: int, time_s: float) -> dict[str, float]:
    """Return the ledger's CPU time over ``time_s``, as a share of one core, and the times of epoch marks."""
    children = [_start(IDLE_TRIAL) for _ in range(n_trials)]
    for child in children:
        if child.stdout is not None:
            child.stdout.readline()
    meters = [LedgerMeter(spec, f"trial{n}", child.pid, 1.0) for n, child in enumerate(children)]
    client = LedgerClient()
    reader = ProcessReader()
    time.sleep(3.0)
    before_s, begin_s = _cpu_s(reader, client.ledger_pid), time.monotonic()
    time.sleep(time_s)
    share = (_cpu_s(reader, client.ledger_pid) - before_s) / (time.monotonic() - begin_s)
    marks_s = []
    for number in range(N_MARKS):
        mark_s = time.perf_counter()
        meters[number % n_trials].begin_window()
        marks_s.append(time.perf_counter() - mark_s)
        time.sleep(0.08)
    figures = {
        "share_of_a_core": share,
        "mark_median_ms": 1e3 * statistics.median(marks_s),
        "mark_p95_ms": 1e3 * statistics.quantiles(marks_s, n=20)[-1],
        "resident_mib": reader.proportional_bytes([client.ledger_pid]) / 2**20,
    }
    for meter, child in zip(meters, children, strict=True):
        meter.close()
        child.communicate("\n")
    client.close()
    return figures


def compare_trackers(spec: RunSpec, burn_s: float) -> dict[str, float]:
    """Return what processes that compute side by side are charged with in all, over what the host used."""
    begin_s = time.time()
    children = [_start(f"input()\n{BURN.format(burn_s)}\ninput()") for _ in range(N_TRACKED)]
    meters = [LedgerMeter(spec, f"burning{n}", child.pid, 1.0) for n, child in enumerate(children)]
    for child, meter in zip(children, meters, strict=True):
        meter.begin_window()
        _write(child)
    time.sleep(burn_s)
    charged_kwh = math.fsum(meter.end_window().energy_kwh or 0.0 for meter in meters)
    for child, meter in zip(children, meters, strict=True):
        meter.close()
        child.communicate("\n")
    node_kwh = host_kwh(read_intervals(spec.log), begin_s, burn_s)
    trackers = [_start(TRACKED.format(BURN.format(burn_s))) for _ in range(N_TRACKED)]
    tracked_kwh = math.fsum(float(child.communicate()[0].split()[-1]) for child in trackers)
    return {"ledger_over_host": charged_kwh / node_kwh, "trackers_over_host": tracked_kwh / node_kwh}


def host_kwh(intervals: Iterable[Mapping[str, Any]], begin_s: float, time_s: float) -> float:
    """Return the energy of the host over ``time_s`` at its mean power in the intervals from ``begin_s`` on.

    >>> interval = {"begin_s": 5.0, "time_s": 2.0, "node": {"cpu": 60.0, "ram": 20.0}}
    >>> round(host_kwh([{**interval, "begin_s": 1.0, "node": {"cpu": 9e9}}, interval], 5.0, 3.6) * 1e6, 6)
    40.0
    """
    records = [interval for interval in intervals if interval["begin_s"] >= begin_s]
    host_w: float = sum(sum(r["node"].values()) for r in records) / sum(r["time_s"] for r in records)
    return host_w * time_s / 3.6e6


def _start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _write(child: subprocess.Popen[str]) -> None:
    if child.stdin is not None:
        child.stdin.write("\n")
        child.stdin.flush()


def _cpu_s(reader: ProcessReader, pid: int) -> float:
    process = reader.process(pid)
    if process is None:
        raise SystemExit("nothing to measure: the ledger has ended")
    return process.own_s + process.reaped_s


def _print(figures: dict[str, Any]) -> None:
    settings, host = figures["settings"], figures["machine"]
    print(
        f"{settings['trials']} trials on {host['cpu_model']}, {host['cpus']} CPUs, {host['processes']} processes, "
        f"CodeCarbon {host['codecarbon']}"
    )
    print(f"  ledger at 1 Hz               {100 * figures['share_of_a_core']:.2f} % of one core")
    print(
        f"  an epoch mark                {figures['mark_median_ms']:.1f} ms, 95 % within {figures['mark_p95_ms']:.1f}"
    )
    print(f"  its memory                   {figures['resident_mib']:.0f} MiB")
    print(f"  {N_TRACKED} busy trials are charged   {figures['ledger_over_host']:.2f} times what the host used")
    print(f"  {N_TRACKED} plain trackers say         {figures['trackers_over_host']:.2f} times what the host used")


if __name__ == "__main__":
    main()
