"""Reading a large run and reducing it to its front, its tables and its report, as ``python -m analysis`` does it.

A run of ``--trials`` trials of ``--epochs`` epochs is made up in a temporary folder, two seeds of each configuration.
Its files are read while they are still in the page cache. ``one_file`` reads the same columns of all epochs from a
single Parquet file: what the machine can do where nothing is spent on opening a file for each trial.

Run: python -m benchmarks.large_reports --json large_reports.json
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.fronts.pareto import pareto_front
from analysis.paper.table3 import FIGURES, table_over_epochs, table_over_seeds
from analysis.runs.configurations import done_trials, summarise_trials
from analysis.runs.load import load_run, read_epochs
from benchmarks.support.machine import version_of, write_json
from benchmarks.support.synthetic_run import write_run
from lwq_tune.host.hardware import available_cpus, cpu_model

PEAK_MEMORY = """
import sys
from analysis.__main__ import main
code = main(sys.argv[1:])
status = open("/proc/self/status").read().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


def main() -> None:
    """Write a run, read it, print, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_reports", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        write_run(run, arguments.trials, arguments.epochs)
        figures = {
            "settings": {"trials": arguments.trials, "epochs": arguments.epochs},
            "size_mib": sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 2**20,
            "commands": {name: measure_command(name, run) for name in ("pareto", "table", "report")},
            "report_size_mb": (run / "analysis" / "report.html").stat().st_size / 1e6,
            **measure_steps(run),
            "machine": {
                "cpu_model": cpu_model(),
                "cpus": available_cpus(),
                "pyarrow": pa.__version__,
                "pandas": version_of("pandas"),
            },
        }
    _print(figures)
    write_json(arguments.json, figures)


def measure_command(name: str, run: Path) -> dict[str, float]:
    """Return time and peak memory of an analysis from the shell, start of Python included.

    Raises:
        SystemExit: The command failed.
    """
    before, begin_s = os.times(), time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-c", PEAK_MEMORY, name, str(run)], capture_output=True, text=True, check=False
    )
    time_s, after = time.perf_counter() - begin_s, os.times()
    if child.returncode:
        raise SystemExit(f"python -m analysis {name} failed: {child.stderr}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"time_s": time_s, "cpu_time_s": cpu_s, "peak_memory_mib": int(child.stdout.split()[-1]) / 1024}


def measure_steps(run: Path) -> dict[str, Any]:
    """Return the time of each step in seconds, and what came out."""
    times: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        begin_s = time.perf_counter()
        result = step()
        times[name] = time.perf_counter() - begin_s
        return result

    runs = timed("read_trials", lambda: load_run(run))
    done = done_trials(runs.trials)
    summary = timed("summarise_trials", lambda: summarise_trials(done))
    front = timed("front", lambda: pareto_front(summary, runs.objectives))
    epochs = timed("read_epochs", lambda: read_epochs(done, FIGURES))
    timed("table_over_epochs", lambda: table_over_epochs(done, epochs))
    timed("table_over_seeds", lambda: table_over_seeds(done))
    one_file = run / "all_epochs.parquet"
    pq.write_table(pa.Table.from_pandas(epochs, preserve_index=False), one_file)
    timed("one_file", lambda: pq.read_table(one_file).to_pandas())
    return {
        "steps_s": times,
        "read_epochs_over_one_file": times["read_epochs"] / times["one_file"],
        "epoch_rows": len(epochs),
        "configurations": len(front),
        "on_front": int(front["on_front"].sum()),
    }


def _print(figures: Mapping[str, Any]) -> None:
    host, settings = figures["machine"], figures["settings"]
    print(
        f"{settings['trials']} trials x {settings['epochs']} epochs, {figures['size_mib']:.0f} MiB, on "
        f"{host['cpu_model']}, {host['cpus']} CPUs, pyarrow {host['pyarrow']}, pandas {host['pandas']}"
    )
    for name, cost in figures["commands"].items():
        print(
            f"  python -m analysis {name:<8} {cost['time_s']:7.1f} s   CPU {cost['cpu_time_s']:.1f} s, "
            f"peak memory {cost['peak_memory_mib']:.0f} MiB"
        )
    print(f"  report.html has {figures['report_size_mb']:.1f} MB")
    for name, time_s in figures["steps_s"].items():
        print(f"    {name.replace('_', ' '):<24} {time_s:6.2f} s")
    ratio = figures["read_epochs_over_one_file"]
    print(f"  {figures['epoch_rows']} rows of epochs, read in {ratio:.1f} times the time of one file")
    print(f"  {figures['on_front']} of {figures['configurations']} configurations are on the front")


if __name__ == "__main__":
    main()
