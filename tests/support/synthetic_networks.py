"""Runs of networks with any number of units, described by `network.parquet`, written through the real store."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.inference_costs import mac_energy_pj
from lwq_tune.quantization.schedules import family, schedule_name
from lwq_tune.results.schema import NETWORK_COLUMNS
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import identity_values
from tests.support.synthetic_runs import OBJECTIVES, Case, Rows, write_cases

Schedule = tuple[int, ...]
SeedPoints = dict[Schedule, tuple[Sequence[float], float]]  # accuracy by seed, emissions in kg
FULL = 32


def layer_rows(n_units: int, *, with_gate: bool = True) -> Rows:
    """Return the layers of a network: stem, a convolution for each unit, a gate in no unit after the first, classifier.

    Unit k has 100 k weights and 1000 (n_units + 1 - k) multiply-accumulates.
    """

    def row(layer: str, unit: int | None, n_weights: int, macs: int, *, at_end: bool = False) -> dict[str, Any]:
        kind = "linear" if layer.endswith(("gate", "classifier")) else "conv"
        name = None if unit is None else layer
        return {
            "network": f"0a1b2c3d4e{n_units:02x}", "layer": layer, "kind": kind, "unit": unit, "unit_name": name,
            "is_first_or_last": int(at_end), "n_weights": n_weights, "macs": macs, "n_inputs": 64, "n_outputs": 32,
        }  # fmt: skip

    units = [row(f"features.{unit}", unit, 100 * unit, 1000 * (n_units + 1 - unit)) for unit in range(1, n_units + 1)]
    stem, gate = row("stem", None, 27, 5000, at_end=True), row("features.1.gate", None, 16, 16)
    gates, classifier = [gate] if with_gate else [], row("classifier", None, 640, 640, at_end=True)
    return [stem, units[0], *gates, *units[1:], classifier]


def costs_of(rows: Rows, bits: Schedule, act_bits: Schedule, first_last: int = FULL) -> dict[str, Any]:
    """Return the columns of modelled costs, added up layer by layer."""
    ends = FULL if {*bits, *act_bits} == {FULL} else first_last

    def of(row: dict[str, Any]) -> tuple[int, int]:
        if row["unit"] is not None:
            return bits[row["unit"] - 1], act_bits[row["unit"] - 1]
        return (ends, ends) if row["is_first_or_last"] else (FULL, FULL)

    in_units = [row for row in rows if row["unit"] is not None]
    weight_bits = sum(row["n_weights"] * of(row)[0] for row in rows)
    return {
        "weight_bits": weight_bits,
        "weight_mib": weight_bits / 8 / 2**20,
        "mean_weight_bits": sum(row["n_weights"] * of(row)[0] for row in in_units)
        / sum(row["n_weights"] for row in in_units),
        "macs": sum(row["macs"] for row in rows),
        "bitops": sum(row["macs"] * math.prod(of(row)) for row in rows),
        "stage_bitops": sum(row["macs"] * math.prod(of(row)) for row in in_units),
        "modelled_inference_energy_uj": sum(row["macs"] * mac_energy_pj(*of(row)) for row in rows) * 1e-6,
    }


def write_network_run(
    folder: Path, points: SeedPoints, *, act_bits: Schedule | None = None, changes: dict[str, Any] | None = None,
    identity: dict[str, Any] | None = None, with_gate: bool = True,
) -> Path:  # fmt: skip
    """Write a run of schedules that all have the same number of units, with the table of its network.

    Args:
        folder: Run folder.
        points: Accuracy by seed and emissions of each schedule.
        act_bits: Bits of activations; by default those of the weights.
        changes: Values of all trials and epochs.
        identity: Values of the configuration of all trials.
        with_gate: Whether a layer is in no unit, and so in full precision.
    """
    rows = layer_rows(len(next(iter(points))), with_gate=with_gate)
    cases = []
    for bits, (accuracies, emissions_kg) in points.items():
        its_acts = bits if act_bits is None or set(bits) == {FULL} else act_bits
        for seed, accuracy in enumerate(accuracies):
            own = identity_values(folder.name, TrialConfig(bit_widths=(2, 2, 2), seed=seed, epochs=2))
            own |= {
                "trial_key": hashlib.sha256(repr((bits, its_acts, seed)).encode()).hexdigest()[:12],
                "schedule": schedule_name(bits), "family": family(bits), "bit_widths": list(bits),
                "act_bit_widths": list(its_acts), "config_model": "torchvision:vgg16_bn", "config_blocks": [],
                "network": rows[0]["network"], **(identity or {}),
            }  # fmt: skip
            costs = costs_of(rows, bits, its_acts, int(own["config_first_last_bit_width"]))
            cases.append(Case(own, costs, accuracy, emissions_kg))
    write_table(folder / "network.parquet", NETWORK_COLUMNS, rows, {"run": folder.name, "objectives": OBJECTIVES})
    return write_cases(folder, cases, changes=changes)


def losses_of(n_units: int) -> list[float]:
    """Return the accuracy that a bit less costs in each unit: 0.1 to 0.5 points, the third unit 3 and the last 2."""
    losses = [0.001 * (1 + unit % 5) for unit in range(n_units)]
    losses[2], losses[-1] = 0.03, 0.02
    return losses


def accuracy_of(bits: Schedule) -> float:
    """Return an accuracy from which every bit below 4 takes what its unit loses."""
    return 0.95 - sum(loss * (4 - bit) for loss, bit in zip(losses_of(len(bits)), bits, strict=True))


def searched_points(n_units: int, n_schedules: int = 40, noise: float = 0.0005) -> SeedPoints:
    """Return schedules as a random search draws them from 2, 3 and 4 bits, a seed each, and full precision."""
    drawn = random.Random(0)
    schedules = [tuple(drawn.choice((2, 3, 4)) for _ in range(n_units)) for _ in range(n_schedules)]
    points: SeedPoints = {
        bits: ([accuracy_of(bits) + noise * drawn.gauss(0, 1)], 1e-8 * sum(bits)) for bits in schedules
    }
    return points | {(FULL,) * n_units: ([0.96], 2e-6)}


def lowered_one_by_one(n_units: int, n_seeds: int = 2) -> SeedPoints:
    """Return 4 bits everywhere, and each unit alone lowered to 2."""
    schedules = [tuple(2 if unit == lowered else 4 for unit in range(n_units)) for lowered in range(-1, n_units)]
    seeds = range(n_seeds)
    return {bits: ([accuracy_of(bits) + 0.001 * seed for seed in seeds], 1e-8 * sum(bits)) for bits in schedules}
