"""What a configuration costs at inference: arithmetic on layer shapes. No torch.

These are modelled figures of a deployed network. None of them says anything about the energy of training,
which is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS, LayerShape

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
        mean_weight_bits: Mean bits per weight over the residual stages, the part a schedule decides on.
        macs: Multiply-accumulates of the whole network.
        bitops: Sum over all layers of MACs x weight bits x activation bits, full precision as 32 x 32.
        stage_bitops: The part of ``bitops`` in the residual stages.
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
    shapes: Sequence[LayerShape],
    bit_widths: Sequence[int],
    act_bit_widths: Sequence[int],
    first_last_bit_width: int = FULL_PRECISION_BITS,
) -> ModelCosts:
    """Return the costs of a network whose stages have the given bits.

    Args:
        shapes: All layers, from `layer_shapes`.
        bit_widths: Weight bits per residual stage.
        act_bit_widths: Activation bits per residual stage.
        first_last_bit_width: Bits of weights and inputs of stem and classifier. At 8 the images enter as they are.
    """

    def bits(shape: LayerShape) -> tuple[int, int]:
        if shape.stage is None:
            return first_last_bit_width, first_last_bit_width
        return bit_widths[shape.stage - 1], act_bit_widths[shape.stage - 1]

    staged = [shape for shape in shapes if shape.stage is not None]
    weight_bits = sum(shape.n_weights * bits(shape)[0] for shape in shapes)
    stage_weight_bits = sum(shape.n_weights * bits(shape)[0] for shape in staged)
    return ModelCosts(
        weight_bits=weight_bits,
        weight_mib=weight_bits / 8 / 2**20,
        mean_weight_bits=stage_weight_bits / sum(shape.n_weights for shape in staged),
        macs=sum(shape.macs for shape in shapes),
        bitops=sum(shape.macs * math.prod(bits(shape)) for shape in shapes),
        stage_bitops=sum(shape.macs * math.prod(bits(shape)) for shape in staged),
        modelled_inference_energy_uj=sum(shape.macs * mac_energy_pj(*bits(shape)) for shape in shapes) * 1e-6,
    )
