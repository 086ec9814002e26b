"""Modelled energy and time of one inference: multiply-accumulates, weights and activations, from bits and layer shapes.

A model, not a measurement: layers and units of the network as the run recorded them (`network.parquet`), bits of the
trial, costs from a table of `analysis.energy.hardware`. It says what hardware that computes at these bits could gain;
training, whose quantization is simulated, gains nothing by it. The two are never added.

Counted per image at batch 1: the multiply-accumulates, for the default table as ``modelled_inference_energy_uj`` of
the tables of results counts them; and beside them, which that column leaves out, the memory where the table gives its
cost: each weight read once, each layer's inputs read once and its outputs written once, all at the bits of the layer.
Not counted: batch norm, ReLU, the additions of the shortcuts, and what else the table says that it leaves out. Real
hardware gains less than a count of bits says: on a RISC-V core built for it, 2-bit convolutions ran 3.1 times as fast
as 8-bit ones, against a factor of 16 in BitOps (the table ``mpic``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from analysis.energy.hardware.reader import default_hardware
from analysis.energy.hardware.table import HardwareTable
from analysis.runs.load import AnalysisError
from analysis.runs.networks import RecordedLayer, RecordedNetwork

FULL_PRECISION_BITS = 32
RELATIVE_TOLERANCE = 1e-9

COLUMNS = (
    "compute_energy_uj",
    "weight_sram_energy_uj",
    "weight_dram_energy_uj",
    "activation_sram_energy_uj",
    "on_chip_energy_uj",
    "dram_energy_uj",
)
LATENCY = "latency_ms"
_NEEDED = ["network", "bit_widths", "act_bit_widths", "config_first_last_bit_width"]


def inference_energy(trials: pd.DataFrame, hardware: HardwareTable | None = None) -> pd.DataFrame:
    """Return the modelled energy of one inference of each trial, in microjoules per image, and its time.

    Args:
        trials: Columns ``network``, ``macs``, ``bit_widths``, ``act_bit_widths``, ``config_first_last_bit_width`` and
            ``modelled_inference_energy_uj`` of `analysis.runs.load.Runs.trials`.
        hardware: What computes it; by default the 45 nm model that the last column follows from.

    Returns:
        The index of ``trials``; ``compute_energy_uj`` (for the default hardware the same as
        ``modelled_inference_energy_uj``), ``weight_sram_energy_uj`` and ``weight_dram_energy_uj`` (each weight once
        from memory on or off the chip), ``activation_sram_energy_uj``, and the sums of compute, weights and activations
        with all weights on the chip, ``on_chip_energy_uj``, and off it, ``dram_energy_uj``; ``latency_ms`` of the
        multiply-accumulates of an image where the hardware has times. NaN where the hardware's table does not give a
        cost, does not cover the bits of a trial (`find_uncovered` says which), or a trial has no recorded shapes.

    Raises:
        AnalysisError: The recorded MACs or MAC energies are of no network or constants that this version knows.
    """
    hardware = hardware or default_hardware()
    _refuse_other_network(trials)
    columns = [*COLUMNS, *([LATENCY] if hardware.latencies_ns else [])]
    rows = []
    for network, *bits in trials[_NEEDED].itertuples(index=False, name=None):
        costs = _costs(hardware, network, *bits) if isinstance(network, RecordedNetwork) else None
        rows.append(costs or (math.nan,) * (len(COLUMNS) + 1))
    frame = pd.DataFrame(rows, index=trials.index, columns=[*COLUMNS, LATENCY], dtype=float)[columns]
    if hardware is default_hardware():
        _refuse_other_model(trials, frame)
    return frame


def _refuse_other_network(trials: pd.DataFrame) -> None:
    """Refuse MACs that are not those of the network, or are of a network that no table describes."""
    for schedule, network, macs in trials[["schedule", "network", "macs"]].itertuples(index=False, name=None):
        if pd.isna(macs) or (isinstance(network, RecordedNetwork) and network.macs == macs):
            continue
        of_network = (
            f"its network has {network.macs}" if isinstance(network, RecordedNetwork) else "no network is known of it"
        )
        raise AnalysisError(
            f"recorded MACs belong to the recorded network, {schedule} has {macs:.0f} and {of_network}; use the "
            "lwq_tune that wrote the tables"
        )


def _refuse_other_model(trials: pd.DataFrame, frame: pd.DataFrame) -> None:
    recorded = trials["modelled_inference_energy_uj"].to_numpy(dtype=float)
    computed = frame["compute_energy_uj"].to_numpy()
    is_other = np.abs(recorded - computed) > RELATIVE_TOLERANCE * computed
    if is_other.any():
        row = int(is_other.argmax())
        raise AnalysisError(
            f"the modelled MAC energy follows from the configuration, {trials['schedule'].iloc[row]} has "
            f"{recorded[row]:.6g} uJ where this version has {computed[row]:.6g} uJ; use the lwq_tune that wrote it"
        )


def has_float_first_last(trials: pd.DataFrame) -> bool:
    """Whether a quantized network has its first or last layer in full precision."""
    return any(
        first_last == FULL_PRECISION_BITS
        and {*weights, *activations} != {FULL_PRECISION_BITS}
        and any(layer.is_first_or_last and layer.unit is None for layer in network.layers)
        for network, weights, activations, first_last in trials[_NEEDED].itertuples(index=False, name=None)
        if isinstance(network, RecordedNetwork)
    )


def find_uncovered(trials: pd.DataFrame, hardware: HardwareTable) -> pd.Series:
    """Return the bits of each trial that a table does not cover, as text; empty where it covers them all.

    Args:
        trials: Columns ``network``, ``bit_widths``, ``act_bit_widths`` and ``config_first_last_bit_width`` of
            `analysis.runs.load.Runs.trials`.
        hardware: What would compute it.
    """
    found = []
    for network, *widths in trials[_NEEDED].itertuples(index=False, name=None):
        bits = (
            layer_bits(network.layers, hardware.first_last_bits, *widths)
            if isinstance(network, RecordedNetwork)
            else []
        )
        lacking = [pair for pair in dict.fromkeys(bits) if not hardware.covers(*pair)]
        found.append(", ".join(f"{weight} x {activation}" for weight, activation in lacking))
    return pd.Series(found, index=trials.index, dtype=object)


def layer_bits(
    layers: Sequence[RecordedLayer],
    float_first_last_bits: int | None,
    bit_widths: tuple[int, ...],
    act_bit_widths: tuple[int, ...],
    first_last_bit_width: int,
) -> list[tuple[int, int]]:
    """Return the weight and activation bits of each layer.

    A layer has those of its unit. In no unit, the first and the last layer have ``first_last_bit_width``, or
    ``float_first_last_bits`` where a quantized network has them in full precision, and others are in full precision.

    >>> stem = RecordedLayer("stem", "conv", None, True, 1, 1, 1, 1)
    >>> block = RecordedLayer("block", "conv", 1, False, 1, 1, 1, 1)
    >>> gate = RecordedLayer("gate", "linear", None, False, 1, 1, 1, 1)
    >>> layer_bits([stem, block, gate], None, (2,), (4,), 8), layer_bits([stem, block, gate], 8, (32,), (32,), 8)
    ([(8, 8), (2, 4), (32, 32)], [(32, 32), (32, 32), (32, 32)])
    >>> layer_bits([stem, block, gate], None, (2,), (4,), 32), layer_bits([stem, block, gate], 8, (2,), (4,), 32)
    ([(32, 32), (2, 4), (32, 32)], [(8, 8), (2, 4), (32, 32)])
    """
    is_full_precision = {*bit_widths, *act_bit_widths} == {FULL_PRECISION_BITS}
    first_last = FULL_PRECISION_BITS if is_full_precision else int(first_last_bit_width)
    if first_last == FULL_PRECISION_BITS and not is_full_precision and float_first_last_bits is not None:
        first_last = float_first_last_bits
    units = list(zip(bit_widths, act_bit_widths, strict=True))
    return [
        units[layer.unit - 1]
        if layer.unit is not None
        else ((first_last if layer.is_first_or_last else FULL_PRECISION_BITS),) * 2
        for layer in layers
    ]


@functools.lru_cache(maxsize=4096)
def _costs(
    hardware: HardwareTable,
    network: RecordedNetwork,
    bit_widths: tuple[int, ...],
    act_bit_widths: tuple[int, ...],
    first_last_bit_width: int,
) -> tuple[float, ...] | None:
    """Return `COLUMNS` and the latency of one configuration; None where the hardware does not cover its bits."""
    bits = layer_bits(network.layers, hardware.first_last_bits, bit_widths, act_bit_widths, first_last_bit_width)
    if not all(hardware.covers(*pair) for pair in set(bits)):
        return None
    return tuple(layer_costs(hardware, ((layer, *pair) for layer, pair in zip(network.layers, bits, strict=True))))


def layer_costs(hardware: HardwareTable, layers: Iterable[tuple[RecordedLayer, int, int]]) -> Iterator[float]:
    """Return `COLUMNS` and ``latency_ms`` of a network, NaN for what a table does not give.

    Args:
        hardware: What computes it.
        layers: Each layer with its weight bits and its activation bits.

    Raises:
        NotCoveredError: The table says nothing of the bits of a layer.
    """
    compute_pj, latency_ns, weight_bits, activation_bits = 0.0, 0.0 if hardware.latencies_ns else math.nan, 0, 0
    for layer, weight_bit_width, act_bit_width in layers:
        compute_pj += layer.macs * hardware.mac_energy_pj(weight_bit_width, act_bit_width)
        if hardware.latencies_ns:
            latency_ns += layer.macs * hardware.mac_latency_ns(weight_bit_width, act_bit_width)
        weight_bits += layer.n_weights * weight_bit_width
        activation_bits += (layer.n_inputs + layer.n_outputs) * act_bit_width
    memory = hardware.memory
    compute = compute_pj * 1e-6
    sram, dram, activations = (
        math.nan if pj_per_byte is None else n_bits / 8 * pj_per_byte * 1e-6
        for n_bits, pj_per_byte in (
            (weight_bits, memory.weights_on_chip),
            (weight_bits, memory.weights_off_chip),
            (activation_bits, memory.activations),
        )
    )
    yield from (compute, sram, dram, activations, compute + sram + activations, compute + dram + activations)
    yield latency_ns * 1e-6
