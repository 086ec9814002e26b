"""DoReFa-Net quantizers (Zhou et al. 2016): weights by tanh, activations clipped to [0, 1]; nothing is learned.

q_k(r) = round((2^k - 1) r) / (2^k - 1), straight-through gradient                              (eqs. 5, 6)
weights, k > 1:  w_q = 2 q_k( tanh(w) / (2 max|tanh(w)|) + 1/2 ) - 1, max without gradient             (eq. 9)
weights, k = 1:  w_b = sign(w) * E|w|, d w_b / d w = 1                                              (eqs. 7, 8)
activations:     q_k( clip(x, 0, 1) ), gradient 1 on [0, 1], 0 outside                                (eq. 11)

Weights lie in [-1, 1], whatever their scale was; the batch norm behind each convolution takes that up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lwq_tune.quantization.fake_quantize import Rule, fake_quantize
from lwq_tune.quantization.quantizers.base import MIN_SCALE, Encoded, Grid, Quantizer, over_values, scale_shape

DOREFA_RULE = Rule("closed", "none")


def _unit_grid(values: Tensor, quantizer: Quantizer) -> Tensor:
    """Return ``values`` clipped to [0, 1], or [-1, 1], on the grid of all levels."""
    low, high = quantizer.bounds()
    n_steps = quantizer.levels[1].clone()  # a tensor of its own: compiled functions take no tensor twice
    return fake_quantize(values, n_steps.reciprocal(), low, high, 1.0, DOREFA_RULE, inverse=n_steps)


class DoReFaWeightQuantizer(Quantizer):
    """Weights through tanh onto [-1, 1]; at one bit, their sign times their mean magnitude."""

    name = "a DoReFa weight"
    min_bit_width = 1

    def __init__(self, bit_width: int, *, per_channel: bool = False) -> None:
        super().__init__(bit_width, 0, 2**bit_width - 1, per_channel=per_channel)
        self.is_binary = bit_width == 1

    def quantize(self, values: Tensor) -> Tensor:
        """Return the quantized weights."""
        if self.is_binary:
            signs = torch.where(values >= 0, 1.0, -1.0)
            return values + (signs * self._magnitude(values) - values).detach()
        return 2 * _unit_grid(self._normalized(values), self) - 1

    def encode(self, values: Tensor) -> Encoded:
        """Return the integers that stand for ``values``."""
        if self.is_binary:
            levels, scale = values >= 0, 2 * self._magnitude(values)
        else:
            levels = (self._normalized(values.detach()) * self.high).round().clamp(0, self.high)
            one = torch.ones(scale_shape(values.shape[0] if self.per_channel else None, values.dim()))
            scale = 2 * one / self.high
        return Encoded(levels.to(torch.uint8), Grid(self.bit_width, scale, torch.full_like(scale, self.high / 2)))

    def _normalized(self, weight: Tensor) -> Tensor:
        """Return the weights in [0, 1], gradient of tanh included."""
        squashed = torch.tanh(weight)
        dims = over_values(weight, per_channel=self.per_channel)
        largest = squashed.detach().abs().amax(dims, keepdim=self.per_channel).clamp_min(MIN_SCALE)
        return squashed / (2 * largest) + 0.5

    def _magnitude(self, weight: Tensor) -> Tensor:
        dims = over_values(weight, per_channel=self.per_channel)
        return weight.detach().abs().mean(dims, keepdim=self.per_channel)

    def _set_range(self, values: Tensor, weight: float) -> None:
        """Do nothing: the range is that of tanh."""


class DoReFaActQuantizer(Quantizer):
    """Activations clipped to [0, 1]; to [-1, 1], which the paper has not, where calibration finds negative ones.

    Args:
        bit_width: Bits.
        finds_sign: Whether they may be negative.
    """

    name = "a DoReFa activation"

    def __init__(self, bit_width: int, *, finds_sign: bool = False) -> None:
        super().__init__(bit_width, 0, 2**bit_width - 1, finds_sign=finds_sign)
        self.clips_at_zero = not finds_sign

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` clipped and on the grid."""
        return _unit_grid(values, self)

    def fixed_grid(self) -> Grid:
        """Return the grid in evaluation."""
        return Grid(self.bit_width, torch.ones(()) / self.high, torch.full((), float(-self.low)))

    def _set_range(self, values: Tensor, weight: float) -> None:
        """Do nothing: the range is given."""
