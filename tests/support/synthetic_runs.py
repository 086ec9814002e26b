"""Run folders with known numbers, written through the real store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.schedules import parse_schedule
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.schema import EPOCH_COLUMNS, INTERVAL_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import identity_values

OBJECTIVES = [
    {"column": "test_accuracy", "direction": "maximize"},
    {"column": "emissions_kg_co2eq", "direction": "minimize"},
]
# Accuracy by seed, emissions in kg.
POINTS: dict[str, tuple[Sequence[float], float]] = {
    "full_precision": ((0.90, 0.92), 3e-6),
    "fixed_2": ((0.70, 0.74), 2e-6),
    "ascending_234": ((0.85, 0.85), 1e-6),
    "descending_432": ((0.80, 0.82), 4e-6),
}
SOURCES = {
    "carbon_intensity_g_per_kwh": 500.0,
    "carbon_intensity_source": "user",
    "cpu_source": "measured:rapl-package",
    "gpu_source": "none",
    "ram_source": "estimated:dimm-heuristic",
    "share_method": "whole-host",
    "concurrency": 1.0,
    "coverage": 1.0,
    "hostname": "h",
    "cpu_model": "Test CPU",
    "gpu_model": None,
}


def figures(accuracy: float, emissions_kg: float) -> dict[str, Any]:
    energy_kwh = emissions_kg / 0.5
    return {
        "train_loss": 1 - accuracy,
        "train_accuracy": accuracy,
        "val_loss": 1 - accuracy,
        "val_accuracy": accuracy,
        "test_loss": 1 - accuracy,
        "test_accuracy": accuracy,
        "train_time_s": 10.0,
        "eval_time_s": 1.0,
        "epoch_time_s": 11.0,
        "images_per_s": 100.0,
        "engine": "eager",
        "peak_memory_mib": 500.0,
        "energy_kwh": energy_kwh,
        "cpu_energy_kwh": energy_kwh,
        "emissions_kg_co2eq": emissions_kg,
        **SOURCES,
    }


def write_run(
    folder: Path,
    points: dict[str, tuple[Sequence[float], float]] | None = None,
    objectives: Any = None,
    n_epochs: int = 2,
    changes: dict[str, Any] | None = None,
    config_changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run whose trials have the given accuracies, one per seed, and emissions, even over its epochs."""
    cases = []
    for schedule, (accuracies, emissions_kg) in (POINTS if points is None else points).items():
        for seed, accuracy in enumerate(accuracies):
            config = TrialConfig(
                bit_widths=parse_schedule(schedule, 3), seed=seed, epochs=n_epochs, **(config_changes or {})
            )
            identity = identity_values(folder.name, config)
            cases.append(Case(identity, vars(trial_costs(config, ImageFormat())), accuracy, emissions_kg))
    return write_cases(folder, cases, objectives, n_epochs, changes)


@dataclass(frozen=True)
class Case:
    """A finished trial of a run.

    Attributes:
        identity: Columns that say which it is, and its configuration.
        costs: Columns of its modelled costs.
        accuracy: Of its last epoch.
        emissions_kg: Of its training.
    """

    identity: dict[str, Any]
    costs: dict[str, Any]
    accuracy: float
    emissions_kg: float


def write_cases(
    folder: Path,
    cases: Sequence[Case],
    objectives: Any = None,
    n_epochs: int = 2,
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run of these trials; accuracy rises and emissions are even over its epochs."""
    metadata = {"run": folder.name, "objectives": OBJECTIVES if objectives is None else objectives}
    more = changes or {}
    trials = []
    for case in cases:
        ended = {"status": "done", "attempts": 1, "epochs_done": n_epochs}
        trials.append(case.identity | case.costs | figures(case.accuracy, case.emissions_kg) | ended | more)
        rows = [
            case.identity
            | figures(case.accuracy * epoch / n_epochs, case.emissions_kg / n_epochs)
            | {"attempt": 1, "epoch": epoch}
            | more
            for epoch in range(1, n_epochs + 1)
        ]
        write_table(folder / "epochs" / f"{case.identity['trial_key']}.parquet", EPOCH_COLUMNS, rows, metadata)
    write_table(folder / "trials.parquet", TRIAL_COLUMNS, trials, metadata)
    return folder


def change_trials(run: Path, schedule: str, seed: int, **values: object) -> None:
    """Change the row of one trial in a run's table."""
    table = pq.read_table(run / "trials.parquet")
    rows = table.to_pylist()
    row = next(row for row in rows if row["schedule"] == schedule and row["config_seed"] == seed)
    row.update(values)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), run / "trials.parquet")


Rows = list[dict[str, Any]]
G_PER_KWH = 500.0
A, B = "a" * 12, "b" * 12
MILLIWATT_HOUR = 1e-6  # kWh
# Energy in mWh that each start was charged with, by interval. HostInterval 2 is a gap; B crashed before it.
CHARGED = {
    0: {(A, "h-1"): 8.0, (B, "h-2"): 8.0},
    1: {(A, "h-1"): 6.5, (B, "h-2"): 9.0},
    3: {(B, "h-3"): 4.0},
    4: {(B, "h-3"): 4.5},
}
# Active CPU, idle CPU and memory energy of the other parts in each interval.
OTHER_PARTS = {
    "driver": (0.25, 0.0, 0.5),
    "ray": (0.5, 0.0, 0.5),
    "ledger": (0.125, 0.0, 0.25),
    "other": (1.0, 0.0, 0.0),
    "unallocated": (0.0, 2.0, 3.0),
}
# Trial, start, attempt, epoch, energy of setup, training energy up to here. B's epoch 2 was trained again.
TRAINED = [
    (A, "h-1", 1, 1, 2.0, 4.0),
    (A, "h-1", 1, 2, 0.0, 8.0),
    (B, "h-2", 1, 1, 2.0, 4.0),
    (B, "h-2", 1, 2, 0.0, 8.0),
    (B, "h-3", 2, 2, 2.0, 8.0),
]


@dataclass
class LedgerRun:
    """Rows of a run with a ledger, to be changed before they are written."""

    trials: Rows
    epochs: Rows
    intervals: Rows

    def write(self, folder: Path) -> Path:
        metadata = {"run": folder.name, "objectives": OBJECTIVES}
        write_table(folder / "trials.parquet", TRIAL_COLUMNS, self.trials, metadata)
        for key in {row["trial_key"] for row in self.epochs}:
            rows = [row for row in self.epochs if row["trial_key"] == key]
            write_table(folder / "epochs" / f"{key}.parquet", EPOCH_COLUMNS, rows, metadata)
        write_table(folder / "energy" / "h.parquet", INTERVAL_COLUMNS, self.intervals, metadata)
        return folder


def ledger_run() -> LedgerRun:
    """Return a consistent run: two trials on one host, CPU and memory; the second crashed and was started again.

    An epoch takes 4 mWh of training (2 active and 1 idle CPU, 1 memory), 1 of evaluation and 1 between passes; a
    start takes 2 to set up. Both took 0.5 mWh after their last epoch; B lost 3 in the crash.
    """
    common = {**SOURCES, "cpu_source": "estimated:tdp*load^3", "share_method": "cpu-seconds", "concurrency": 2.0}
    epochs = [
        {
            "trial_key": key,
            "energy_segment": start,
            "attempt": attempt,
            "epoch": epoch,
            **common,
            **epoch_energies(1, setup),
            "cumulative_energy_kwh": total * MILLIWATT_HOUR,
            "cumulative_emissions_kg_co2eq": total * MILLIWATT_HOUR * G_PER_KWH / 1000,
        }
        for key, start, attempt, epoch, setup, total in TRAINED
    ]
    trials = [
        {
            "trial_key": key,
            "status": "done",
            **common,
            **epoch_energies(2, setup),
            "discarded_energy_kwh": lost * MILLIWATT_HOUR,
        }
        for key, setup, lost in ((A, 2.0, 0.0), (B, 4.0, 9.0))  # B: 3, and the 6 of its replaced epoch
    ]
    intervals = [row for interval in range(5) for row in interval_rows(interval)]
    return LedgerRun(trials, epochs, intervals)


def epoch_energies(n_epochs: int, setup: float) -> dict[str, float]:
    """Return the energies and emissions of some epochs, from energies in mWh."""
    ukwh = {
        "energy": 4.0,
        "active_energy": 2.0,
        "idle_energy": 2.0,
        "cpu_energy": 3.0,
        "ram_energy": 1.0,
        "eval_energy": 1.0,
        "overhead_energy": 1.0,
    }
    energies = {f"{name}_kwh": value * n_epochs * MILLIWATT_HOUR for name, value in ukwh.items()}
    energies["setup_energy_kwh"] = setup * MILLIWATT_HOUR
    kg = {
        name.replace("energy_kwh", "emissions_kg_co2eq"): energies[name] * G_PER_KWH / 1000
        for name in ("energy_kwh", "eval_energy_kwh", "overhead_energy_kwh", "setup_energy_kwh")
    }
    return energies | kg


def interval_rows(interval: int) -> Rows:
    """Return the rows of one interval; half of a trial's energy is active CPU, a quarter idle CPU, the rest memory."""
    if interval == 2:
        return [ledger_row(interval, "node", "cpu", None, None, energy=0.0, unmeasured_s=10.0, flags="gap,ledger-down")]
    charged = {("trial", *start): (total / 2, total / 4, total / 4) for start, total in CHARGED[interval].items()}
    parts = charged | {(part, None, None): split for part, split in OTHER_PARTS.items()}
    rows = []
    for (part, key, start), (active, idle, memory) in parts.items():
        named = {"trial_key": key, "segment": start}
        rows.append(ledger_row(interval, part, "cpu", active, idle, **named))
        rows.append(ledger_row(interval, part, "ram", 0.0, memory, **named))
    for domain in ("cpu", "ram"):
        used = math.fsum(row["energy_kwh"] for row in rows if row["domain"] == domain) / MILLIWATT_HOUR
        measured = {"unmeasured_s": 0.0} if domain == "cpu" else {}
        flags = "counter-reset" if interval == 4 else None
        rows.append(ledger_row(interval, "node", domain, None, None, energy=used, flags=flags, **measured))
    return rows


def ledger_row(
    interval: int,
    part: str,
    domain: str,
    active: float | None,
    idle: float | None,
    *,
    energy: float | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Return a row of the energy table, from energies in mWh."""
    energy_kwh = ((active or 0.0) + (idle or 0.0) if energy is None else energy) * MILLIWATT_HOUR
    return {
        "run": "run",
        "host": "h",
        "interval": interval,
        "begin_s": 1.8e9 + 10 * interval,
        "time_s": 10.0,
        "part": part,
        "domain": domain,
        "active_energy_kwh": None if active is None else active * MILLIWATT_HOUR,
        "idle_energy_kwh": None if idle is None else idle * MILLIWATT_HOUR,
        "energy_kwh": energy_kwh,
        "emissions_kg_co2eq": energy_kwh * G_PER_KWH / 1000,
        "g_per_kwh": G_PER_KWH,
        **values,
    }
