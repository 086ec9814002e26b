"""Messages at the end of a session: statuses, energies, and the command to resume."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.cli import exit_codes
from lwq_tune.cli.deploy import summary
from lwq_tune.estimation.messages import compare
from lwq_tune.formatting import duration, wh
from lwq_tune.output_streams import say

if TYPE_CHECKING:
    from lwq_tune.results.energy_tables import EnergyLog
    from lwq_tune.sweep.session import Run


def report_end(run: Run) -> int:
    """Print how a session ended and return the exit code; the run folder is the last line on stdout.

    Args:
        run: The run after the session.
    """
    if run.energy is not None:
        say(energy_balance(run.energy, run.trial_rows))
    if run.estimate is not None and run.energy is not None and run.has_ended:
        used = run.energy.parts.get("trial")
        kwh, kg = (None, None) if used is None else (used.kwh, used.kg_co2eq)
        say(compare(run.estimate, run.time_s, kwh, kg))
    statuses = run.statuses
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    say(f"{len(statuses)} trials: {counts}")
    say(_energy_line(run.trial_rows))
    for row in run.trial_rows:
        if row["status"] == "failed":
            say(f"failed: {row['schedule']} seed {row['config_seed']}: {row['error']} (logs/{row['trial_key']}.log)")
        elif row["status"] == "stopped" or row.get("stop_reason"):
            say(f"{row['status']} early: {row['schedule']} seed {row['config_seed']}: {row['stop_reason']}")
    if run.deployed is not None:
        for line in summary(run.deployed.rows):
            say(line)
    code = exit_codes.DONE
    if run.end.ended_by is not None:
        say(f"the sweep ended early: {run.end.ended_by}")
        code = exit_codes.TRIAL_FAILED if "failed" in statuses else exit_codes.DONE
    elif "interrupted" in statuses or "pending" in statuses:
        say(f"stopped by Ray: {run.end.stopped_by}" if run.end.stopped_by else "interrupted")
        say(f"every finished epoch is kept; continue with:\n  python -m lwq_tune resume {_quoted(run.path)}")
        code = exit_codes.TRIAL_FAILED if run.end.stopped_by else exit_codes.INTERRUPTED
    elif "failed" in statuses:
        code = exit_codes.TRIAL_FAILED
    if run.deployed is not None and run.deployed.is_interrupted:
        say(f"interrupted; what was measured is kept, continue with:\n  python -m lwq_tune deploy {_quoted(run.path)}")
        code = exit_codes.INTERRUPTED
    print(run.path, flush=True)
    return code


def energy_balance(energy: EnergyLog, trial_rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the line on what the energy of the hosts was used for."""
    node = energy.parts.get("node")
    if node is None:
        return "energy of the host: not measured"
    discarded_kwh = sum(row.get("discarded_energy_kwh") or 0.0 for row in trial_rows)

    def of(*names: str) -> str:
        return wh(sum(energy.parts[name].kwh for name in names if name in energy.parts))

    line = (
        f"energy of the host: {wh(node.kwh)}, {1000 * node.kg_co2eq:.3g} g CO2eq; of it trials {of('trial')} "
        f"(lost or trained again {wh(discarded_kwh)}), the sweep itself {of('driver', 'ray', 'ledger')}, "
        f"other processes {of('other')}, idle and not reserved {of('unallocated')}"
    )
    gap = f"; for {energy.unmeasured_s:.1f} s nothing was measured" if energy.unmeasured_s >= 0.05 else ""
    return line + gap


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _energy_line(trial_rows: Sequence[Mapping[str, Any]]) -> str:
    started = [row for row in trial_rows if row["epochs_done"]]
    energies = [row.get("energy_kwh") for row in started]
    if not started or any(energy is None for energy in energies):
        return "training energy: not measured"
    total_kwh = sum(energy for energy in energies if energy is not None)
    emissions_g = 1000 * sum(row["emissions_kg_co2eq"] for row in started)
    time_s = sum(row["train_time_s"] for row in started)
    sources = ", ".join(
        dict.fromkeys(f"CPU {row['cpu_source']}, RAM {row['ram_source']}, GPU {row['gpu_source']}" for row in started)
    )
    line = (
        f"training energy of the trials: {wh(total_kwh)}, {emissions_g:.3g} g CO2eq, in {duration(time_s)} ({sources})"
    )
    initial = [row for row in started if row["role"] == "initial"]
    if initial:
        initial_kwh = sum(row["energy_kwh"] for row in initial)
        line += f"\nof it {wh(initial_kwh)} went into {len(initial)} trials that others start from, counted once"
    setup_kwh = sum(row["setup_energy_kwh"] or 0.0 for row in started)
    if setup_kwh:
        line += f"\nbesides, {wh(setup_kwh)} went into compiling and calibrating"
    more = _extra_energy_of_quantized(started)
    return f"{line}\n{more}" if more else line


def _extra_energy_of_quantized(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a sentence if training with simulated quantization used more energy, as is usual."""
    trained = [row for row in rows if row["config_mode"] == "qat"]

    def mean_per_epoch(*, full_precision: bool) -> float | None:
        chosen = [row for row in trained if (row["family"] == "full_precision") == full_precision]
        values = [row["energy_kwh"] / row["epochs_done"] for row in chosen]
        return sum(values) / len(values) if values else None

    quantized, full = mean_per_epoch(full_precision=False), mean_per_epoch(full_precision=True)
    if quantized is None or not full or quantized <= full:
        return None
    return (
        f"quantized trials used {quantized / full:.2f} times the training energy of full precision per epoch: "
        "quantization is simulated in float here and saves nothing while training"
    )
