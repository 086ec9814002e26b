"""Modelled energy and time of one inference: multiply-accumulates, weights and activations, from bits and layer shapes.

A model, not a measurement: layers and bits of the network, costs from a table of `analysis.energy.hardware`. It says
what hardware that computes at these bits could gain; training, whose quantization is simulated, gains nothing by it.
The two are never added.

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
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.energy.hardware.reader import default_hardware
from analysis.energy.hardware.table import HardwareTable
from analysis.runs.load import AnalysisError

FULL_PRECISION_BITS = 32
IMAGE_SIZE, IMAGE_CHANNELS, STEM_CHANNELS = 32, 3, 16
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
_BITS = ["bit_widths", "act_bit_widths", "config_first_last_bit_width"]
_NEEDED = ["config_blocks", "config_width", "macs", *_BITS]


@dataclass(frozen=True)
class Layer:
    """One convolution or linear layer, for one image.

    Attributes:
        stage: 1-based residual stage, None for stem and classifier.
        n_weights: Weights, biases not counted.
        macs: Multiply-accumulates.
        n_inputs: Values it reads.
        n_outputs: Values it writes.
    """

    stage: int | None
    n_weights: int
    macs: int
    n_inputs: int
    n_outputs: int


def inference_energy(trials: pd.DataFrame, hardware: HardwareTable | None = None) -> pd.DataFrame:
    """Return the modelled energy of one inference of each trial, in microjoules per image, and its time.

    Args:
        trials: Columns ``config_blocks``, ``config_width``, ``macs``, ``bit_widths``, ``act_bit_widths``,
            ``config_first_last_bit_width`` and ``modelled_inference_energy_uj`` of the table of trials.
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
    columns = [*COLUMNS, *([LATENCY] if hardware.latencies_ns else [])]
    rows = []
    for values in trials[_NEEDED].itertuples(index=False, name=None):
        is_known = not any(isinstance(value, float) and math.isnan(value) for value in values) and bool(values[0])
        costs = _costs(hardware, *values) if is_known else None
        rows.append(costs or (math.nan,) * (len(COLUMNS) + 1))
    frame = pd.DataFrame(rows, index=trials.index, columns=[*COLUMNS, LATENCY], dtype=float)[columns]
    if hardware is default_hardware():
        _refuse_other_model(trials, frame)
    return frame


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
    """Whether a quantized network has its stem and classifier in full precision."""
    widths = trials[_BITS].itertuples(index=False, name=None)
    return any(
        first_last == FULL_PRECISION_BITS and {*weights, *activations} != {FULL_PRECISION_BITS}
        for weights, activations, first_last in widths
    )


def find_uncovered(trials: pd.DataFrame, hardware: HardwareTable) -> pd.Series:
    """Return the bits of each trial that a table does not cover, as text; empty where it covers them all.

    Args:
        trials: Columns ``bit_widths``, ``act_bit_widths`` and ``config_first_last_bit_width`` of the table of trials.
        hardware: What would compute it.
    """
    found = []
    for values in trials[_BITS].itertuples(index=False, name=None):
        bits = dict.fromkeys(_stage_bits(hardware.first_last_bits, *values).values())
        found.append(", ".join(f"{weight} x {act}" for weight, act in bits if not hardware.covers(weight, act)))
    return pd.Series(found, index=trials.index, dtype=object)


def _stage_bits(
    float_first_last_bits: int | None,
    bit_widths: tuple[int, ...],
    act_bit_widths: tuple[int, ...],
    first_last_bit_width: int,
) -> dict[int | None, tuple[int, int]]:
    """Return the weight and activation bits of each stage by its number, None for stem and classifier.

    >>> _stage_bits(None, (2, 4), (8, 8), 8), _stage_bits(8, (32,), (32,), 8)
    ({None: (8, 8), 1: (2, 8), 2: (4, 8)}, {None: (32, 32), 1: (32, 32)})

    Where a quantized network has stem and classifier in full precision, they may be taken at other bits:

    >>> _stage_bits(None, (2,), (2,), 32), _stage_bits(8, (2,), (2,), 32)
    ({None: (32, 32), 1: (2, 2)}, {None: (8, 8), 1: (2, 2)})
    """
    is_full_precision = {*bit_widths, *act_bit_widths} == {FULL_PRECISION_BITS}
    first_last = FULL_PRECISION_BITS if is_full_precision else int(first_last_bit_width)
    if first_last == FULL_PRECISION_BITS and not is_full_precision and float_first_last_bits is not None:
        first_last = float_first_last_bits
    pairs = zip(bit_widths, act_bit_widths, strict=True)
    return {None: (first_last, first_last), **dict(enumerate(pairs, start=1))}


@functools.lru_cache(maxsize=4096)
def _costs(
    hardware: HardwareTable,
    blocks: tuple[int, ...],
    width: float,
    macs: int,
    bit_widths: tuple[int, ...],
    act_bit_widths: tuple[int, ...],
    first_last_bit_width: int,
) -> tuple[float, ...] | None:
    """Return `COLUMNS` and the latency of one configuration; None where the hardware does not cover its bits."""
    bits = _stage_bits(hardware.first_last_bits, bit_widths, act_bit_widths, first_last_bit_width)
    layers = network_layers(blocks, width, count_classes(blocks, width, int(macs)))
    if not all(hardware.covers(*pair) for pair in bits.values()):
        return None
    return tuple(layer_costs(hardware, ((layer, *bits[layer.stage]) for layer in layers)))


def layer_costs(hardware: HardwareTable, layers: Iterator[tuple[Layer, int, int]]) -> Iterator[float]:
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


@functools.lru_cache(maxsize=256)
def network_layers(blocks: tuple[int, ...], width: float, num_classes: int) -> tuple[Layer, ...]:
    """Return the layers of the CIFAR residual network that the columns ``config_blocks`` and ``config_width`` name.

    Written here a second time, from He et al. 2016, section 4.2, as the analysis imports nothing of lwq_tune but its
    schema; a test holds both against each other.

    >>> layers = network_layers((3, 3, 3), 1.0, 10)
    >>> sum(layer.macs for layer in layers), sum(layer.n_weights for layer in layers)
    (40813184, 270896)
    """
    channels = [max(1, round(STEM_CHANNELS * width)) * 2**stage for stage in range(len(blocks))]
    layers = [_convolution(None, IMAGE_CHANNELS, channels[0], 3, IMAGE_SIZE, IMAGE_SIZE)]
    c_in, size_in = channels[0], IMAGE_SIZE
    for stage, (n_blocks, c_out) in enumerate(zip(blocks, channels, strict=True), start=1):
        size = IMAGE_SIZE // 2 ** (stage - 1)
        for _ in range(n_blocks):
            layers.append(_convolution(stage, c_in, c_out, 3, size_in, size))
            layers.append(_convolution(stage, c_out, c_out, 3, size, size))
            if c_in != c_out:
                layers.append(_convolution(stage, c_in, c_out, 1, size_in, size))
            c_in, size_in = c_out, size
    layers.append(Layer(None, c_in * num_classes, c_in * num_classes, c_in, num_classes))
    return tuple(layers)


def _convolution(stage: int | None, c_in: int, c_out: int, kernel: int, size_in: int, size_out: int) -> Layer:
    n_weights = c_out * c_in * kernel * kernel
    return Layer(stage, n_weights, n_weights * size_out**2, c_in * size_in**2, c_out * size_out**2)


def count_classes(blocks: tuple[int, ...], width: float, macs: int) -> int:
    """Return the classes of a network from its recorded multiply-accumulates, which no column names.

    Raises:
        AnalysisError: No number of classes gives them.

    >>> count_classes((3, 3, 3), 1.0, 40813184)
    10
    """
    layers = network_layers(blocks, width, 1)
    num_classes, rest = divmod(macs - sum(layer.macs for layer in layers[:-1]), layers[-1].macs)
    if rest or num_classes < 1:
        raise AnalysisError(
            f"recorded MACs belong to the recorded network, blocks {blocks} and width {width} cannot have {macs}; "
            "use the lwq_tune that wrote the tables"
        )
    return num_classes
