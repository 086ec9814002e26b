"""A run folder of any size with made-up figures: the files, columns and types that a sweep writes."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.manifest import Manifest, SpaceRecord
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS, arrow_schema
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import identity_values

Values = Mapping[str, Any]

BIT_WIDTHS = range(2, 9)
N_STAGES = 5
N_SEEDS = 2
CARBON_INTENSITY_G_PER_KWH = 56.0
OBJECTIVES = [
    {"column": "test_accuracy", "direction": "maximize"},
    {"column": "emissions_kg_co2eq", "direction": "minimize"},
]
# Of the host and its meters, the same in every row.
ORIGIN = {
    "attempt": 1,
    "energy_segment": "node-1-1",
    "ray_trial_id": "00000_00000",
    "engine": "eager",
    "setup_time_s": 0.0,
    "carbon_intensity_g_per_kwh": CARBON_INTENSITY_G_PER_KWH,
    "carbon_intensity_source": "user",
    "cpu_source": "estimated:tdp*load^3",
    "gpu_source": "none",
    "ram_source": "estimated:dimm-heuristic",
    "idle_source": "model",
    "share_method": "cpu-seconds",
    "concurrency": 2.0,
    "coverage": 1.0,
    "unmeasured_s": 0.0,
    "pue": 1.0,
    "hostname": "node",
    "cpu_model": "Example CPU",
    "recorded_at_utc": "2026-01-01T00:00:00.000+00:00",
}
SUMMED = (
    "train_time_s",
    "eval_time_s",
    "epoch_time_s",
    "active_energy_kwh",
    "idle_energy_kwh",
    "energy_kwh",
    "cpu_energy_kwh",
    "ram_energy_kwh",
    "emissions_kg_co2eq",
    "eval_energy_kwh",
    "eval_emissions_kg_co2eq",
    "overhead_energy_kwh",
    "overhead_emissions_kg_co2eq",
)


def write_run(folder: Path, n_trials: int, n_epochs: int) -> None:
    """Write a run folder as a finished sweep leaves it, without its logs and intervals.

    The tables of epochs are built from columns: from rows, as a sweep has them, four million would take an hour.
    """
    files = RunFolder(folder)
    files.epochs.mkdir(parents=True)
    metadata = {"run": folder.name, "objectives": OBJECTIVES}
    schema = arrow_schema(EPOCH_COLUMNS, metadata)
    generator = np.random.default_rng(0)
    trials = []
    for config in itertools.islice(trial_configs(n_epochs), n_trials):
        identity = ORIGIN | identity_values(folder.name, config)
        figures = epoch_figures(config, generator)
        pq.write_table(epoch_table(identity, figures, schema), files.epochs / f"{config.trial_key}.parquet")
        trials.append(trial_values(config, identity, figures))
    write_table(files.trials, TRIAL_COLUMNS, trials, metadata)
    Manifest(
        run=folder.name,
        space=SpaceRecord("synthetic", "", "", (), ""),
        objectives=OBJECTIVES,
        sweep={},
        dataset={},
        carbon_intensity={},
        trials=[],
        initial_trials=[],
        init_energies_kwh={},
        sessions=[],
    ).write(files)


def trial_configs(n_epochs: int) -> Iterator[TrialConfig]:
    """Yield trials in a fixed order: schedules of five stages in a random order, each with its seeds."""
    schedules = list(itertools.product(BIT_WIDTHS, repeat=N_STAGES))
    random.Random(0).shuffle(schedules)  # noqa: S311 (an order, no secret)
    for bit_widths, seed in itertools.product(schedules, range(N_SEEDS)):
        yield TrialConfig(
            model="resnet", blocks=(1,) * N_STAGES, bit_widths=bit_widths, seed=seed, epochs=n_epochs, dataset="cifar10"
        )


def epoch_figures(config: TrialConfig, generator: np.random.Generator) -> dict[str, Any]:
    """Return columns of shape (n_epochs,) that look like training: it saturates, more bits are better and dearer."""
    mean_bits = sum(config.bit_widths) / len(config.bit_widths)
    progress = np.arange(1, config.epochs + 1) / config.epochs

    def noisy(value: Any, spread: float) -> Any:
        return value * generator.normal(1.0, spread, config.epochs)

    limit = 0.9 * (1 - math.exp(-mean_bits / 2)) * generator.normal(1.0, 0.01)
    accuracy = noisy(limit * (1 - np.exp(-6 * progress)), 0.01)
    energy_kwh = noisy(2e-4 * (1 + mean_bits / 8), 0.05)
    parts_kwh = {"": energy_kwh, "eval_": 0.1 * energy_kwh, "overhead_": noisy(1e-6, 0.2)}
    emissions = {name: kwh * CARBON_INTENSITY_G_PER_KWH / 1000 for name, kwh in parts_kwh.items()}
    time_s = noisy(20.0, 0.05)
    return {
        "epoch": np.arange(1, config.epochs + 1),
        **{f"{part}_accuracy": noisy(accuracy, 0.005) for part in ("train", "val", "test")},
        **{f"{part}_loss": -np.log(np.clip(noisy(accuracy, 0.01), 1e-3, 1.0)) for part in ("train", "val", "test")},
        "lr": 0.05 * (1 + np.cos(np.pi * progress)),
        "train_time_s": time_s,
        "eval_time_s": 0.1 * time_s,
        "epoch_time_s": 1.1 * time_s,
        "images_per_s": 45_000 / time_s,
        "peak_memory_mib": noisy(1500.0, 0.01),
        **{f"{name}energy_kwh": kwh for name, kwh in parts_kwh.items()},
        **{f"{name}emissions_kg_co2eq": kg for name, kg in emissions.items()},
        **{
            f"{name}_energy_kwh": share * energy_kwh
            for name, share in (("active", 0.7), ("idle", 0.3), ("cpu", 0.8), ("ram", 0.2))
        },
        "cumulative_energy_kwh": energy_kwh.cumsum(),
        "cumulative_emissions_kg_co2eq": emissions[""].cumsum(),
    }


def epoch_table(constants: Values, figures: Values, schema: pa.Schema) -> pa.Table:
    """Return the table of a trial's epochs from what all of them share and from columns; the rest is null."""
    n_epochs = len(figures["epoch"])

    def column(field: pa.Field) -> pa.Array:
        if field.name in figures:
            return pa.array(figures[field.name], field.type)
        return pa.repeat(pa.scalar(constants.get(field.name), field.type), n_epochs)

    return pa.table([column(field) for field in schema], schema=schema)


def trial_values(config: TrialConfig, identity: Values, figures: Values) -> dict[str, Any]:
    """Return the row of a finished trial: last metrics, summed times and energies."""
    last = {name: float(values[-1]) for name, values in figures.items()}
    sums = {name: float(figures[name].sum()) for name in SUMMED}
    return {
        **identity,
        **last,
        **sums,
        **vars(trial_costs(config, ImageFormat())),
        "status": "done",
        "attempts": 1,
        "epochs_done": config.epochs,
        "init_energy_kwh": 0.0,
        "discarded_energy_kwh": 0.0,
        "discarded_emissions_kg_co2eq": 0.0,
    }
