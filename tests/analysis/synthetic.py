"""Run folders with known numbers, written through the real store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwq_tune.commands.common import trial_costs
from lwq_tune.config import TrialConfig
from lwq_tune.quantization.schedules import parse_schedule
from lwq_tune.results.rows import identity_values
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.store import write_table

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
    "carbon_intensity_g_per_kwh": 500.0, "carbon_intensity_source": "user", "cpu_source": "measured:rapl-package",
    "gpu_source": "none", "ram_source": "estimated:dimm-heuristic", "share_method": "whole-host", "concurrency": 1.0,
    "coverage": 1.0, "hostname": "h", "cpu_model": "Test CPU", "gpu_model": None,
}  # fmt: skip


def figures(accuracy: float, emissions_kg: float) -> dict[str, Any]:
    energy_kwh = emissions_kg / 0.5
    return {
        "train_loss": 1 - accuracy, "train_accuracy": accuracy, "val_loss": 1 - accuracy, "val_accuracy": accuracy,
        "test_loss": 1 - accuracy, "test_accuracy": accuracy, "train_time_s": 10.0, "eval_time_s": 1.0,
        "epoch_time_s": 11.0, "images_per_s": 100.0, "engine": "eager", "peak_memory_mib": 500.0,
        "energy_kwh": energy_kwh, "cpu_energy_kwh": energy_kwh, "emissions_kg_co2eq": emissions_kg, **SOURCES,
    }  # fmt: skip


def write_run(
    folder: Path,
    points: dict[str, tuple[Sequence[float], float]] | None = None,
    objectives: Any = None,
    n_epochs: int = 2,
    changes: dict[str, Any] | None = None,
    config_changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run whose trials have the given accuracies, one per seed, and emissions, even over its epochs."""
    metadata = {"run": folder.name, "objectives": OBJECTIVES if objectives is None else objectives}
    trials = []
    for schedule, (accuracies, emissions_kg) in (POINTS if points is None else points).items():
        for seed, accuracy in enumerate(accuracies):
            config = TrialConfig(
                bit_widths=parse_schedule(schedule, 3), seed=seed, epochs=n_epochs, **(config_changes or {})
            )
            identity = identity_values(folder.name, config)
            trials.append(
                {**identity, **vars(trial_costs(config, 10)), **figures(accuracy, emissions_kg), "status": "done",
                 "attempts": 1, "epochs_done": n_epochs, **(changes or {})}
            )  # fmt: skip
            rows = [
                {**identity, **figures(accuracy * epoch / n_epochs, emissions_kg / n_epochs), "attempt": 1,
                 "epoch": epoch, **(changes or {})}
                for epoch in range(1, n_epochs + 1)
            ]  # fmt: skip
            write_table(folder / "epochs" / f"{config.trial_key}.parquet", EPOCH_COLUMNS, rows, metadata)
    write_table(folder / "trials.parquet", TRIAL_COLUMNS, trials, metadata)
    return folder
