"""Layers whose weights and inputs are quantized while they train."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from lwq_tune.quantization.quantizers.base import Encoded, Quantizer
from lwq_tune.quantization.scheme import Scheme

DEFAULT_SCHEME = Scheme()


class QuantConv2d(nn.Conv2d):
    """Convolution whose weight, and whose input unless it is on the grid already, are fake-quantized.

    Strides, groups, dilation and padding are those of the float convolution; a bias stays in full precision. Parameters
    keep the names of the float convolution, so that its checkpoint can be loaded.
    """

    weight_quantizer: nn.Module
    act_quantizer: nn.Module

    @classmethod
    def from_float(
        cls,
        conv: nn.Conv2d,
        *,
        weight_bit_width: int,
        act_bit_width: int,
        scheme: Scheme = DEFAULT_SCHEME,
        finds_sign: bool = False,
    ) -> Self:
        """Return the quantized twin of ``conv``; it takes over the parameters themselves, not copies.

        Args:
            conv: Of any stride, padding, dilation and number of groups. A bias stays in full precision.
            weight_bit_width: Bits of the weight, or 32 for a float weight.
            act_bit_width: The same for the input; 32 also where the input comes quantized.
            scheme: The quantizers.
            finds_sign: Whether the input may be negative, which calibration finds.
        """
        quant = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
            device="meta",
        )
        quant.weight, quant.bias = conv.weight, conv.bias
        quant.weight_quantizer = scheme.weight_quantizer(weight_bit_width, conv.weight)
        quant.act_quantizer = scheme.act_quantizer(act_bit_width, finds_sign=finds_sign)
        return quant

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name nn.Conv2d gives it)
        """Convolve the quantized input with the quantized weight."""
        output: Tensor = self._conv_forward(self.act_quantizer(input), self.weight_quantizer(self.weight), self.bias)
        return output


class QuantLinear(nn.Linear):
    """Linear layer whose weight and input are fake-quantized; a bias stays in full precision."""

    weight_quantizer: nn.Module
    act_quantizer: nn.Module

    @classmethod
    def from_float(
        cls,
        linear: nn.Linear,
        *,
        weight_bit_width: int,
        act_bit_width: int,
        scheme: Scheme = DEFAULT_SCHEME,
        finds_sign: bool = False,
    ) -> Self:
        """Return the quantized twin of ``linear``; it takes over the parameters themselves, not copies."""
        quant = cls(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        quant.weight, quant.bias = linear.weight, linear.bias
        quant.weight_quantizer = scheme.weight_quantizer(weight_bit_width, linear.weight)
        quant.act_quantizer = scheme.act_quantizer(act_bit_width, finds_sign=finds_sign)
        return quant

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name nn.Linear gives it)
        """Apply the quantized weight to the quantized input."""
        return functional.linear(self.act_quantizer(input), self.weight_quantizer(self.weight), self.bias)


def encoded_weights(model: nn.Module) -> dict[str, Encoded]:
    """Return the integers of every quantized weight of a model, by the name of its parameter."""
    encoded = {}
    for name, module in model.named_modules():
        quantizer = getattr(module, "weight_quantizer", None)
        if isinstance(quantizer, Quantizer) and isinstance(module, QuantConv2d | QuantLinear):
            encoded[f"{name}.weight"] = quantizer.encode(module.weight.detach())
    return encoded
