"""Layers whose weights and inputs are quantized while they train."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from lwq_tune.quantization.lsq import LSQQuantizer
from lwq_tune.quantization.schedules import FULL_PRECISION_BITS


def make_quantizer(bit_width: int, *, signed: bool) -> nn.Module:
    """Return a quantizer of ``bit_width`` bits, or the identity at 32 bits."""
    if bit_width == FULL_PRECISION_BITS:
        return nn.Identity()
    return LSQQuantizer(bit_width, signed=signed)


class QuantConv2d(nn.Conv2d):
    """Convolution whose weight, and whose input unless it is on the grid already, are fake-quantized.

    Parameters keep the names of the float convolution, so that its checkpoint can be loaded.
    """

    weight_quantizer: nn.Module
    act_quantizer: nn.Module

    @classmethod
    def from_float(cls, conv: nn.Conv2d, *, weight_bit_width: int, act_bit_width: int) -> Self:
        """Return the quantized twin of ``conv``; it takes over the weight itself, not a copy.

        Args:
            conv: Without bias, as before batch norm.
            weight_bit_width: In [2, 8], or 32 for a float weight.
            act_bit_width: The same for the input; 32 also where the input comes quantized.
        """
        quant = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            bias=False,
            device="meta",
        )
        quant.weight = conv.weight
        quant.weight_quantizer = make_quantizer(weight_bit_width, signed=True)
        quant.act_quantizer = make_quantizer(act_bit_width, signed=False)
        if isinstance(quant.weight_quantizer, LSQQuantizer):
            quant.weight_quantizer.initialize(conv.weight)
        return quant

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name nn.Conv2d gives it)
        """Convolve the quantized input with the quantized weight."""
        return functional.conv2d(
            self.act_quantizer(input),
            self.weight_quantizer(self.weight),
            None,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )
