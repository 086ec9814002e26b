"""Quantized layers keep all that their float twins have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lwq_tune.quantization.layers import QuantConv2d, QuantLinear
from lwq_tune.quantization.scheme import Scheme

IMAGES = torch.randn(2, 6, 9, 8, generator=torch.Generator().manual_seed(0)).relu()
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {"bias": False},
    "bias": {},
    "stride and padding": {"stride": (2, 1), "padding": (0, 2)},
    "same": {"padding": "same"},
    "dilation": {"dilation": (1, 2)},
    "groups": {"groups": 3},
    "depthwise": {"groups": 6, "bias": False},
    "reflected": {"padding": 1, "padding_mode": "reflect"},
}


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_at_full_precision_is_that_of_torch(settings: dict[str, Any]) -> None:
    conv = nn.Conv2d(6, 12, 3, **settings)
    twin = QuantConv2d.from_float(conv, weight_bit_width=32, act_bit_width=32)
    assert torch.equal(twin(IMAGES), conv(IMAGES))
    assert twin.weight is conv.weight
    assert twin.bias is conv.bias
    assert twin.state_dict().keys() == conv.state_dict().keys()


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_quantized_convolution_is_that_of_torch_with_values_of_grids(settings: dict[str, Any]) -> None:
    conv = nn.Conv2d(6, 12, 3, **settings)
    twin = QuantConv2d.from_float(conv, weight_bit_width=2, act_bit_width=3, scheme=Scheme(per_channel=True))
    found = twin(IMAGES)
    levels = IMAGES / twin.act_quantizer.scale.detach()  # type: ignore[union-attr,operator]
    scales = twin.weight_quantizer.scale.detach()  # type: ignore[union-attr,operator]
    conv.weight.data = (conv.weight.data / scales).clamp(-2, 1).round() * scales
    expected = conv(levels.clamp(0, 7).round() * twin.act_quantizer.scale.detach())  # type: ignore[union-attr,operator]
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_keeps_its_bias_or_has_none(bias: bool) -> None:
    linear = nn.Linear(6, 4, bias=bias)
    twin = QuantLinear.from_float(linear, weight_bit_width=4, act_bit_width=32)
    assert twin.bias is linear.bias
    weight = twin.weight_quantizer(linear.weight)
    assert torch.equal(twin(IMAGES[..., :6]), nn.functional.linear(IMAGES[..., :6], weight, linear.bias))
