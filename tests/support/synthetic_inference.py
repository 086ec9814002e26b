"""Runs with measured inference of known costs, written through the real store.

`write_deployed_run` writes `trials.parquet`, tables of epochs and `inference.parquet`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lwq_tune.results.schema import INFERENCE_COLUMNS
from lwq_tune.results.tables import write_table
from tests.support.synthetic_runs import G_PER_KWH, OBJECTIVES, Rows, write_run

# Energy per image in uJ at batch 1 by what the quantized layers, or without any all layers, ran with.
ENERGIES_UJ = {"f32": 10_000.0, "bf16": 6_000.0, "u8": 5_000.0}
POWER_W = 10.0
# Accuracy by seed, training emissions in kg: quantized training costs more, since it is simulated.
DEPLOYED_POINTS: dict[str, tuple[Sequence[float], float]] = {
    "full_precision": ((0.930, 0.932, 0.934), 20e-3),
    "fixed_2": ((0.870, 0.874, 0.878), 27e-3),
    "fixed_4": ((0.922, 0.924, 0.926), 28e-3),
    "ascending_234": ((0.905, 0.903, 0.907), 28e-3),
}
SETTINGS = {
    "runtime": "openvino", "runtime_version": "2026.4.1", "n_threads": 1, "n_distinct_images": 1024, "is_steady": 1,
    "warm_up_s": 5.0, "compile_time_s": 0.5, "n_layers": 16, "idle_power_w": 20.0, "float_fallbacks": "",
    "carbon_intensity_g_per_kwh": G_PER_KWH, "carbon_intensity_source": "user", "cpu_source": "measured:rapl-package",
    "ram_source": "estimated:dimm-heuristic", "idle_source": "calibrated", "share_method": "exclusive", "coverage": 1.0,
    "concurrency": 1.0, "other_load": 0.01, "pue": 1.0, "hostname": "h", "cpu_model": "Test CPU",
    "instruction_set": "avx512_vnni", "governor": "performance", "measured_at_utc": "2026-11-29T00:00:00+00:00",
}  # fmt: skip
OF_TRIALS = [column.name for column in INFERENCE_COLUMNS if column.name.startswith("config_")]
OF_TRIALS += ["run", "trial_key", "schedule", "family", "bit_widths", "act_bit_widths"]


def write_deployed_run(
    folder: Path, points: dict[str, tuple[Sequence[float], float]] | None = None, *, spread: float = 0.0,
    training_spread: float = 0.03, seed: int = 0, **inference: Any,
) -> Path:  # fmt: skip
    """Write a run and its measured inference.

    Args:
        folder: Run folder.
        points: Accuracy by seed and mean training emissions of each schedule.
        spread: Standard deviation of the energy per image over repetitions, as a share.
        training_spread: Standard deviation of training emissions over seeds, as a share.
        seed: Of both.
        inference: Further arguments of `inference_rows`.
    """
    write_run(folder, DEPLOYED_POINTS if points is None else points)
    generator = np.random.default_rng(seed)
    table = pq.read_table(folder / "trials.parquet")
    trials = table.to_pylist()
    for trial in trials:
        factor = 1 + training_spread * float(generator.standard_normal())
        for column in ("emissions_kg_co2eq", "energy_kwh", "cpu_energy_kwh"):
            trial[column] *= factor
    pq.write_table(type(table).from_pylist(trials, schema=table.schema), folder / "trials.parquet")
    write_inference(folder, inference_rows(trials, spread=spread, generator=generator, **inference))
    return folder


def write_inference(run: Path, rows: Rows) -> Path:
    """Write `inference.parquet` of a run."""
    write_table(run / "inference.parquet", INFERENCE_COLUMNS, rows, {"run": run.name, "objectives": OBJECTIVES})
    return run


def inference_rows(
    trials: Rows,
    *,
    energies_uj: Mapping[str, float] = ENERGIES_UJ,
    factors: Mapping[str, float] | None = None,
    n_repetitions: int = 5,
    batch_sizes: Sequence[int] = (1,),
    spread: float = 0.0,
    generator: np.random.Generator | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Rows:
    """Return the rows that a deploy of some trials writes: full precision in f32 and bf16, the others in u8.

    Args:
        trials: Rows of the table of trials.
        energies_uj: Energy per image at batch 1; a batch of 64 takes half of it.
        factors: Of the energy, by schedule.
        n_repetitions: Measurements of each network.
        batch_sizes: Images per call.
        spread: Standard deviation of the energy over repetitions, as a share.
        generator: Of the spread and the order.
        changes: Values of all rows.
    """
    drawn = np.random.default_rng(0) if generator is None else generator
    networks = [
        (trial, precision)
        for trial in trials
        for precision in (("f32", "bf16") if trial["schedule"] == "full_precision" else ("f32",))
    ]
    cases = list(itertools.product(networks, batch_sizes, range(1, n_repetitions + 1)))
    positions = drawn.permutation(len(cases)) + 1
    rows = []
    for ((trial, precision), batch_size, repetition), position in zip(cases, positions, strict=True):
        is_full = trial["schedule"] == "full_precision"
        ran_with = precision if is_full else "u8"
        energy_uj = (
            energies_uj[ran_with] * (factors or {}).get(trial["schedule"], 1.0) * (1.0 if batch_size == 1 else 0.5)
        )
        energy_uj *= 1 + spread * float(drawn.standard_normal())
        rows.append({
            **{name: trial[name] for name in OF_TRIALS}, **SETTINGS,
            "float_precision": precision, "batch_size": batch_size, "repetition": repetition, "position": int(position),
            "status": "done", "precision_class": None if is_full else "u8", "n_integer_layers": 0 if is_full else 14,
            "energy_per_image_uj": energy_uj, "active_energy_per_image_uj": 0.8 * energy_uj,
            "emissions_per_image_ug_co2eq": energy_uj * G_PER_KWH / 3.6e6, "time_per_image_us": energy_uj / POWER_W,
            "images_per_s": 1e6 * POWER_W / energy_uj, "window_s": 60.0, "n_images": int(60e6 * POWER_W / energy_uj),
            "deployed_test_accuracy": trial["test_accuracy"], "simulated_test_accuracy": trial["test_accuracy"],
            "same_class": 1.0, "file_bytes": 1_000_000, **(changes or {}),
        })  # fmt: skip
    return rows
