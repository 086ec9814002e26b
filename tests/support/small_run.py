"""Rows and a recorder for tests of what comes after training."""

from __future__ import annotations

from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder


def epoch_row(epoch: int, val_accuracy: float = 0.5, emissions_kg: float | None = 1e-6) -> dict[str, Any]:
    """Return an epoch as a trial reports it, with the columns that sums are made of; emissions per epoch."""
    total_kg = None if emissions_kg is None else emissions_kg * epoch
    return {
        "epoch": epoch,
        "energy_segment": None,
        "val_accuracy": val_accuracy,
        "energy_kwh": 1e-6,
        "emissions_kg_co2eq": emissions_kg,
        "cumulative_emissions_kg_co2eq": total_kg,
        "train_time_s": 1.0,
        "eval_time_s": 0.1,
        "epoch_time_s": 1.2,
        "images_per_s": 10.0,
        "peak_memory_mib": 500.0,
        "coverage": 1.0,
        "concurrency": 1.0,
        "idle_source": "model",
        "unmeasured_s": 0.0,
    }


def recorder_of(folder: RunFolder, trials: dict[str, TrialConfig]) -> RunRecorder:
    """Return a recorder of some trials."""
    costs = {key: trial_costs(trial, ImageFormat()) for key, trial in trials.items()}
    return RunRecorder(folder, trials, costs, {"run": "run", "objectives": []})


def train(
    recorder: RunRecorder, key: str, n_epochs: int, val_accuracy: float = 0.5, emissions_kg: float = 1e-6
) -> None:
    """Record a start and some epochs of a trial."""
    recorder.start_attempt(key)
    for epoch in range(1, n_epochs + 1):
        recorder.add_row(key, "ray", epoch_row(epoch, val_accuracy, emissions_kg))
