"""What a sweep costs beside its training: its start, handovers, idle slots, and its driver as it grows.

start     from `python -m lwq_tune sweep` to the first row, with an energy ledger that starts too; and Ray alone
handover  from the record that ends a trial to the first epoch of the next one in the same process, and to its first
          training step: its quantizers are set up in between
packing   wall time over the time of all epochs per slot, from the first epoch on, where trials take --trial-seconds
growth    --trials trials of --short-epochs epochs of a tiny network on made-up images: wall time and CPU time per
          trial, and memory, of the driver and of the energy ledger, in quarters of the sweep. With several epochs,
          also what is done for each of them shows where it grows with the number of trials

Run: python -m benchmarks.sweep_overhead --json sweep_overhead.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.support.machine import version_of, write_json
from benchmarks.support.run_log import Usage, handovers, packing, per_trial, seconds
from benchmarks.support.sweeps import Sweep, run_short, run_sweep
from lwq_tune.host.hardware import available_cpus, cpu_model

SPACE = "named_schedules"
LONG = ("schedules=[fixed_4]", "engine=eager")
RAY = """
import json, os, sys, time
from lwq_tune.sweep.cluster.ray_session import ENVIRONMENT, local_ray
os.environ.update(ENVIRONMENT)
begin_s = time.perf_counter()
import ray, ray.tune
imported_s = time.perf_counter()
with local_ray(int(sys.argv[1])):
    times = [imported_s - begin_s, time.perf_counter() - imported_s]
print(json.dumps(times))
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep_overhead", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--slots", type=int, default=min(2, available_cpus()), help="trials at a time")
    parser.add_argument("--rounds", type=int, default=3, help="cold starts; the median counts")
    parser.add_argument("--long-trials", type=int, default=8, help="trials of the sweep whose packing is measured")
    parser.add_argument("--trial-seconds", type=float, default=30.0, help="how long each of them takes, about")
    parser.add_argument("--width", type=float, default=1.0, help="of the network of these and of the cold starts")
    parser.add_argument("--trials", type=int, default=1000, help="short trials, rounded up to a multiple of 8")
    parser.add_argument("--short-epochs", type=int, default=3, help="epochs of each of these")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.long_trials <= arguments.slots:
        parser.error(f"--long-trials must be more than the {arguments.slots} slots, got {arguments.long_trials}")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments)
    _print(figures)
    write_json(arguments.json, figures)


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all figures.

    Args:
        folder: For the runs.
        arguments: Of the command line.
    """
    load_average, slots = os.getloadavg()[0], arguments.slots

    def run(name: str, epochs: int, n_trials: int) -> Sweep:
        settings = [*LONG, f"width={arguments.width}", f"epochs={epochs}", f"seeds={list(range(n_trials))}"]
        return run_sweep(folder / name, SPACE, slots, settings)

    starts = [run(f"start{number}", 1, slots) for number in range(arguments.rounds)]
    epoch_s = statistics.median(trial.work_s for sweep in starts for trial in sweep.trials)
    epochs = max(1, round(arguments.trial_seconds / epoch_s))
    long = run("long", epochs, arguments.long_trials)
    short, samples = run_short(folder / "short", slots, arguments.trials, arguments.short_epochs)
    return {
        "start": start_figures(starts) | ray_figures(arguments.rounds),
        "handover": {"long": handovers(long.trials), "short": handovers(short.trials)},
        "packing": packing(long.trials, slots) | {"epochs": epochs, "trials": len(long.trials)},
        "growth": growth_figures(samples),
        "settings": {
            "slots": slots,
            "rounds": arguments.rounds,
            "width": arguments.width,
            "trials": len(short.trials),
            "epochs": arguments.short_epochs,
        },
        "machine": {
            "cpu_model": cpu_model(),
            "cpus": available_cpus(),
            "load_average_before": load_average,
            "ray": version_of("ray"),
            "torch": version_of("torch"),
        },
    }


def start_figures(sweeps: Sequence[Sweep]) -> dict[str, float]:
    """Return medians over cold starts, in seconds: the first row, the epoch in it, and what follows the last trial."""
    first_rows = [next(record for record in sweep.records if record["kind"] == "epoch") for sweep in sweeps]
    waits_s = [seconds(row["recorded_at_utc"]) - sweep.begin_s for sweep, row in zip(sweeps, first_rows, strict=True)]
    return {
        "first_row_s": statistics.median(waits_s),
        "first_epoch_s": statistics.median(row["epoch_time_s"] for row in first_rows),
        "after_last_trial_s": statistics.median(sweep.end_s - sweep.trials[-1].end_s for sweep in sweeps),
    }


def ray_figures(n_rounds: int) -> dict[str, float]:
    """Return medians of what Ray alone takes, in seconds: its import, and a local Ray as a sweep starts it."""
    command = [sys.executable, "-c", RAY, str(available_cpus())]
    outputs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(n_rounds)]
    imports_s, inits_s = zip(*(json.loads(output.splitlines()[-1]) for output in outputs), strict=True)
    return {"ray_import_s": statistics.median(imports_s), "ray_init_s": statistics.median(inits_s)}


def growth_figures(samples: Sequence[Usage]) -> dict[str, Any]:
    """Return figures of each quarter of a sweep, of the last over the first, and memory per trial after the first.

    Args:
        samples: Once a trial had ended, and after each quarter.
    """
    spans = per_trial(samples)
    first, last = samples[1], samples[-1]
    n_trials = max(1, last.n_ended - first.n_ended)
    return {
        "quarters": spans,
        **{f"{name}_last_over_first": spans[-1][name] / spans[0][name] for name in ("wall_ms", "driver_cpu_ms")},
        **{
            f"{name}_kib_per_trial": (last.memory_bytes[name] - first.memory_bytes[name]) / 1024 / n_trials
            for name in last.memory_bytes
        },
    }


def _print(figures: Mapping[str, Any]) -> None:
    host, start, packed = figures["machine"], figures["start"], figures["packing"]
    print(
        f"{figures['settings']['slots']} trials at a time on {host['cpu_model']}, {host['cpus']} CPUs, "
        f"load average before {host['load_average_before']:.1f}, Ray {host['ray']}, PyTorch {host['torch']}"
    )
    print(
        f"  first row      {start['first_row_s']:.1f} s after the start, of it training {start['first_epoch_s']:.1f} s"
    )
    print(f"  Ray alone      import {start['ray_import_s']:.1f} s, start {start['ray_init_s']:.1f} s")
    print(f"  end            {start['after_last_trial_s']:.1f} s after the last trial")
    for name, gaps_s in figures["handover"].items():
        epoch, step = (f"{gap_s['median']:.3f} s (95 % within {gap_s['p95']:.3f})" for gap_s in gaps_s.values())
        print(f"  handover       {epoch} to the next epoch, {step} to its first step, {name} trials (target 0.3 s)")
    print(
        f"  packing        {packed['wall_over_work']:.3f} at {packed['work_s'] / packed['trials']:.0f} s per trial, "
        f"{packed['at_a_minute']:.3f} at a minute (target 1.05)"
    )
    _print_growth(figures["growth"])


def _print_growth(growth: Mapping[str, Any]) -> None:
    for quarter in growth["quarters"]:
        used = (
            f"{name} {quarter[f'{name}_cpu_ms']:.1f} ms CPU, {quarter[f'{name}_memory_mib']:.0f} MiB"
            for name in ("driver", "ledger")
        )
        print(f"  {quarter['n_ended']:>6} trials  {quarter['wall_ms']:.0f} ms per trial; {'; '.join(used)}")
    print(
        f"  growth         last quarter over first: driver CPU {growth['driver_cpu_ms_last_over_first']:.2f}, "
        f"wall {growth['wall_ms_last_over_first']:.2f}; KiB per trial: "
        f"driver {growth['driver_kib_per_trial']:.1f}, ledger {growth['ledger_kib_per_trial']:.1f}"
    )


if __name__ == "__main__":
    main()
