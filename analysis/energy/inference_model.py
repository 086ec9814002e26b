"""Modelled energy of one inference: multiply-accumulates, weights and activations, from bits and layer shapes.

A model, not a measurement: `modelled:horowitz45nm-qkeras`. It says what a chip that computes at these bits could
gain; training, whose quantization is simulated, gains nothing by it. The two are never added.

Counted per image at batch 1: the multiply-accumulates as ``modelled_inference_energy_uj`` of the tables counts them
(32-bit accumulators; where one operand is in full precision, float32), and beside them, which that column leaves
out, the memory: each weight read once, each layer's inputs read once and its outputs written once, all at the bits of
the layer. Not counted: batch norm, ReLU, the additions of the shortcuts, control, leakage, values that are read again,
sparsity. Real hardware gains less than any such model says: on a RISC-V core built for it, 2-bit
convolutions ran 3.1 times as fast as 8-bit ones, against a factor of 16 in BitOps (MPIC, as recorded in PLiNIO).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.runs.load import AnalysisError

MODEL = "modelled:horowitz45nm-qkeras"
FULL_PRECISION_BITS = 32
# 45 nm, 0.9 V, picojoules (Horowitz, ISSCC 2014).
FP32_MULTIPLY_PJ, FP32_ADD_PJ = 3.7, 0.9
# Fit of the same table over the bit-width b by QTools (Coelho et al. 2021, `config_public.py`): multiply b^2, b; add b.
INT_MULTIPLY_PJ_PER_BIT2, INT_MULTIPLY_PJ_PER_BIT, INT_ADD_PJ_PER_BIT = 0.0029948, 0.0010417, 0.003125
ACCUMULATOR_BITS = 32
# Horowitz: 10 pJ for 64 bits from 8 KB of SRAM, the least; larger memories cost more.
SRAM_PJ_PER_BIT = 10 / 64
# Horowitz: 1.3 to 2.6 nJ for 64 bits from DRAM; QTools takes the lower end.
DRAM_PJ_PER_BIT = 1300 / 64
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
_NEEDED = [
    "config_blocks",
    "config_width",
    "macs",
    "bit_widths",
    "act_bit_widths",
    "config_first_last_bit_width",
]


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


def inference_energy(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the modelled energy of one inference of each trial, in microjoules per image.

    Args:
        trials: Columns ``config_blocks``, ``config_width``, ``macs``, ``bit_widths``, ``act_bit_widths``,
            ``config_first_last_bit_width`` and ``modelled_inference_energy_uj`` of the table of trials.

    Returns:
        The index of ``trials``; ``compute_energy_uj`` (the same as ``modelled_inference_energy_uj``),
        ``weight_sram_energy_uj`` and ``weight_dram_energy_uj`` (each weight once from the one or the other),
        ``activation_sram_energy_uj``, and the sums of compute, weights and activations with all weights on the chip,
        ``on_chip_energy_uj``, and in DRAM, ``dram_energy_uj``. NaN where a trial has no recorded shapes.

    Raises:
        AnalysisError: This version knows no network of the recorded MACs, or no constants of the MAC energies.
    """
    rows = []
    for values in trials[_NEEDED].itertuples(index=False, name=None):
        is_known = not any(isinstance(value, float) and math.isnan(value) for value in values) and bool(values[0])
        rows.append(_energy(*values) if is_known else (math.nan,) * len(COLUMNS))
    frame = pd.DataFrame(rows, index=trials.index, columns=list(COLUMNS), dtype=float)
    recorded = trials["modelled_inference_energy_uj"].to_numpy(dtype=float)
    computed = frame["compute_energy_uj"].to_numpy()
    is_other = np.abs(recorded - computed) > RELATIVE_TOLERANCE * computed
    if is_other.any():
        row = int(is_other.argmax())
        raise AnalysisError(
            f"the modelled MAC energy follows from the configuration, {trials['schedule'].iloc[row]} has "
            f"{recorded[row]:.6g} uJ where this version has {computed[row]:.6g} uJ; use the lwq_tune that wrote it"
        )
    return frame


@functools.lru_cache(maxsize=4096)
def _energy(
    blocks: tuple[int, ...],
    width: float,
    macs: int,
    bit_widths: tuple[int, ...],
    act_bit_widths: tuple[int, ...],
    first_last_bit_width: int,
) -> tuple[float, ...]:
    """Return `COLUMNS` of one configuration."""
    is_full_precision = {*bit_widths, *act_bit_widths} == {FULL_PRECISION_BITS}
    first_last = FULL_PRECISION_BITS if is_full_precision else int(first_last_bit_width)
    compute_pj, weight_bits, activation_bits = 0.0, 0, 0
    for layer in network_layers(blocks, width, count_classes(blocks, width, int(macs))):
        weight_bit_width = first_last if layer.stage is None else bit_widths[layer.stage - 1]
        act_bit_width = first_last if layer.stage is None else act_bit_widths[layer.stage - 1]
        compute_pj += layer.macs * mac_energy_pj(weight_bit_width, act_bit_width)
        weight_bits += layer.n_weights * weight_bit_width
        activation_bits += (layer.n_inputs + layer.n_outputs) * act_bit_width
    compute = compute_pj * 1e-6
    sram, dram = (weight_bits * pj_per_bit * 1e-6 for pj_per_bit in (SRAM_PJ_PER_BIT, DRAM_PJ_PER_BIT))
    activations = activation_bits * SRAM_PJ_PER_BIT * 1e-6
    return compute, sram, dram, activations, compute + sram + activations, compute + dram + activations


def mac_energy_pj(weight_bit_width: int, act_bit_width: int) -> float:
    """Return the modelled energy of one multiply-accumulate in picojoules, as lwq_tune records it.

    >>> round(mac_energy_pj(8, 8), 3), round(mac_energy_pj(4, 4), 3), round(mac_energy_pj(32, 4), 3)
    (0.3, 0.152, 4.6)
    """
    if FULL_PRECISION_BITS in (weight_bit_width, act_bit_width):
        return FP32_MULTIPLY_PJ + FP32_ADD_PJ
    bits = math.sqrt(weight_bit_width * act_bit_width)
    multiply = INT_MULTIPLY_PJ_PER_BIT2 * bits**2 + INT_MULTIPLY_PJ_PER_BIT * bits
    return multiply + INT_ADD_PJ_PER_BIT * ACCUMULATOR_BITS


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
    """Return the number of classes of a network, which no column holds, from its multiply-accumulates.

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
