"""What a configuration costs at inference: arithmetic on layer shapes. No torch.

These are modelled figures of a deployed network. None of them says anything about the energy of training,
which is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.network import Layer

# Horowitz, ISSCC 2014, 45 nm, picojoules.
FP32_MULTIPLY_PJ, FP32_ADD_PJ = 3.7, 0.9
# Fit of the same table over the bit-width b used by QTools (Coelho et al. 2021): multiply b^2, b; add b.
INT_MULTIPLY_PJ_PER_BIT2, INT_MULTIPLY_PJ_PER_BIT, INT_ADD_PJ_PER_BIT = 0.0029948, 0.0010417, 0.003125
ACCUMULATOR_BITS = 32


@dataclass(frozen=True)
class ModelCosts:
    """Modelled inference costs of one configuration, for one image.

    Attributes:
        weight_bits: Bits of all weights when packed, biases and batch norm not counted.
        weight_mib: The same in MiB.
        mean_weight_bits: Mean bits per weight over the units, the part a schedule decides on.
        macs: Multiply-accumulates of the whole network.
        bitops: Sum over all layers of MACs x weight bits x activation bits, full precision as 32 x 32.
        stage_bitops: The part of ``bitops`` in the units.
        modelled_inference_energy_uj: Energy of the multiply-accumulates, 45 nm (Horowitz 2014; QTools fit),
            32-bit accumulators; memory traffic not counted.
    """

    weight_bits: int
    weight_mib: float
    mean_weight_bits: float
    macs: int
    bitops: int
    stage_bitops: int
    modelled_inference_energy_uj: float


def mac_energy_pj(weight_bit_width: int, act_bit_width: int) -> float:
    """Return the modelled energy of one multiply-accumulate in picojoules.

    Where one operand is in full precision, the operation is one of float32.

    >>> round(mac_energy_pj(8, 8), 3), round(mac_energy_pj(32, 32), 3)
    (0.3, 4.6)
    """
    if FULL_PRECISION_BITS in (weight_bit_width, act_bit_width):
        return FP32_MULTIPLY_PJ + FP32_ADD_PJ
    bits = math.sqrt(weight_bit_width * act_bit_width)
    multiply = INT_MULTIPLY_PJ_PER_BIT2 * bits**2 + INT_MULTIPLY_PJ_PER_BIT * bits
    return multiply + INT_ADD_PJ_PER_BIT * ACCUMULATOR_BITS


def model_costs(
    layers: Sequence[Layer],
    bit_widths: Sequence[int],
    act_bit_widths: Sequence[int],
    first_last_bit_width: int = FULL_PRECISION_BITS,
) -> ModelCosts:
    """Return the costs of a network whose units have the given bits.

    Args:
        layers: All layers.
        bit_widths: Weight bits per unit.
        act_bit_widths: Activation bits per unit.
        first_last_bit_width: Bits of weights and inputs of the first and the last layer, where they are in no unit. At
            8 the images enter as they are.
    """

    def bits(layer: Layer) -> tuple[int, int]:
        if layer.unit is not None:
            return bit_widths[layer.unit - 1], act_bit_widths[layer.unit - 1]
        rest = first_last_bit_width if layer.is_first_or_last else FULL_PRECISION_BITS
        return rest, rest

    in_units = [layer for layer in layers if layer.unit is not None]
    weight_bits = sum(layer.n_weights * bits(layer)[0] for layer in layers)
    unit_weight_bits = sum(layer.n_weights * bits(layer)[0] for layer in in_units)
    return ModelCosts(
        weight_bits=weight_bits,
        weight_mib=weight_bits / 8 / 2**20,
        mean_weight_bits=unit_weight_bits / sum(layer.n_weights for layer in in_units),
        macs=sum(layer.macs for layer in layers),
        bitops=sum(layer.macs * math.prod(bits(layer)) for layer in layers),
        stage_bitops=sum(layer.macs * math.prod(bits(layer)) for layer in in_units),
        modelled_inference_energy_uj=sum(layer.macs * mac_energy_pj(*bits(layer)) for layer in layers) * 1e-6,
    )
