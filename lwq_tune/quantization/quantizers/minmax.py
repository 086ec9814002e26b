"""Affine quantization between observed extremes (Jacob et al. 2018, section 3): the usual default of PTQ.

s = (max+ - min-) / (2^b - 1),  z = clamp(-round(min- / s), 0, 2^b - 1)   with min- = min(min, 0), max+ = max(max, 0)
x_hat = (clamp(round(x / s) + z, 0, 2^b - 1) - z) * s;  gradient 1 where the level is in range, 0 outside

Weights take their present extremes at each step. Activations take a moving average over the training batches
(Jacob et al. 2018, section 3.1): first batch as it is, then 0.9 of the old and 0.1 of the new. Nothing is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lwq_tune.quantization.fake_quantize import fake_quantize_affine
from lwq_tune.quantization.quantizers.base import Encoded, Grid, Quantizer, over_values

MOMENTUM = 0.9
_MIN_SCALE = torch.finfo(torch.float32).eps


def affine_grid(smallest: Tensor, largest: Tensor, high: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and zero point of the grid of ``high`` steps that spans two extremes and 0.

    >>> affine_grid(torch.tensor(-1.0), torch.tensor(2.0), 3)
    (tensor(1.), tensor(1.))
    """
    below, above = smallest.clamp_max(0), largest.clamp_min(0)
    scale = ((above - below) / high).clamp_min(_MIN_SCALE)
    return scale, (-(below / scale).round()).clamp_max(high).clamp_min(0)


class _AffineQuantizer(Quantizer):
    """Base of both: an unsigned grid with a zero point."""

    name = "min-max"

    def __init__(self, bit_width: int, *, per_channel: bool = False) -> None:
        super().__init__(bit_width, 0, 2**bit_width - 1, per_channel=per_channel)

    def affine(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point."""
        raise NotImplementedError

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` on the grid."""
        scale, zero_point = self.affine(values)
        low, high = self.bounds()
        return fake_quantize_affine(values, scale, zero_point, low, high)


class MinMaxWeightQuantizer(_AffineQuantizer):
    """Weights between their present extremes."""

    def affine(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point of the present weights, without gradient."""
        weight = values.detach()
        dims = over_values(weight, per_channel=self.per_channel)
        extremes = weight.amin(dims, keepdim=self.per_channel), weight.amax(dims, keepdim=self.per_channel)
        return affine_grid(*extremes, self.high_bound())

    def encode(self, values: Tensor) -> Encoded:
        """Return the integers that stand for ``values``."""
        scale, zero_point = self.affine(values)
        levels = (values.detach() * scale.reciprocal()).round().add(zero_point).clamp(self.low, self.high)
        return Encoded(levels.to(torch.uint8), Grid(self.bit_width, scale, zero_point))

    def _set_range(self, values: Tensor, weight: float) -> None:
        """Do nothing: the range is that of the weights."""


class MinMaxActQuantizer(_AffineQuantizer):
    """Activations between moving averages of their extremes, which may be negative.

    Attributes:
        smallest: Moving average of the minimum, shape ().
        largest: Moving average of the maximum, shape ().
    """

    smallest: Tensor
    largest: Tensor

    def __init__(self, bit_width: int) -> None:
        super().__init__(bit_width)
        self.register_buffer("smallest", torch.zeros(()))
        self.register_buffer("largest", torch.zeros(()))

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` on the grid; in training, their extremes enter the moving averages first."""
        if self.training:
            self._observe(values.detach())
        return super().quantize(values)

    def affine(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero point of the moving averages."""
        return affine_grid(self.smallest.clone(), self.largest.clone(), self.high_bound())

    def fixed_grid(self) -> Grid:
        """Return the grid in evaluation."""
        return Grid(self.bit_width, *affine_grid(self.smallest, self.largest, self.high))

    @torch.no_grad()
    def _observe(self, values: Tensor) -> None:
        smallest, largest = torch.aminmax(values)
        self.smallest.lerp_(smallest.float(), 1 - MOMENTUM)
        self.largest.lerp_(largest.float(), 1 - MOMENTUM)

    def _set_range(self, values: Tensor, weight: float) -> None:
        if weight < 1:
            return  # `quantize` takes later batches into the moving averages
        smallest, largest = torch.aminmax(values)
        self.smallest.copy_(smallest)
        self.largest.copy_(largest)
