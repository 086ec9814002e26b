"""The same network with the same bits, four ways: ours, in full precision, with plain operators, with Brevitas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.models.cifar_resnet import BasicBlock, CifarResNet
from lwq_tune.quantization.layers import QuantConv2d
from lwq_tune.quantization.prepare import prepare_qat
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer

BREVITAS_COLLECTING_STEPS = 300  # its default


def ours(bits: Sequence[int]) -> CifarResNet:
    """Return our network; 32 bits throughout for full precision."""
    torch.manual_seed(0)
    return prepare_qat(CifarResNet(), bits)


class PlainLSQ(nn.Module):
    """LSQ as one writes it first: plain operators, their autograd, the gradient scale by the detach trick."""

    def __init__(self, quantizer: LSQQuantizer) -> None:
        super().__init__()
        self.low, self.high, self.signed = quantizer.low, quantizer.high, quantizer.signed
        self.scale = nn.Parameter(quantizer.scale.detach().clone())

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` on the grid."""
        n_values = values.numel() if self.signed else values[0].numel()
        factor = (n_values * self.high) ** -0.5
        scale = (self.scale - self.scale * factor).detach() + self.scale * factor
        scaled = (values / scale).clamp(self.low, self.high)
        levels = scaled + (scaled.round() - scaled).detach()
        return levels * scale  # type: ignore[no-any-return]


def plain(bits: Sequence[int]) -> CifarResNet:
    """Return our network with every quantizer replaced by its plain twin."""
    model = _with_all_relus(ours(bits))
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, LSQQuantizer):
                setattr(module, name, PlainLSQ(child))
    return model


def _with_all_relus(model: CifarResNet) -> CifarResNet:
    """Put back the ReLUs that our quantizers make superfluous, as in anybody's network."""
    for module in model.modules():
        if isinstance(module, BasicBlock):
            module.relu1, module.relu2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    return model


def brevitas(bits: Sequence[int], *, collects_statistics: bool) -> CifarResNet:
    """Return the network with Brevitas' own layers at the same places.

    Args:
        bits: Bits per stage.
        collects_statistics: Whether its activation quantizers are in the phase of their first 300 steps, in which
            they take a percentile of all values; later steps are cheaper.

    Raises:
        ImportError: Brevitas is not installed, or not whole.
    """
    import brevitas.nn as qnn
    from brevitas.quant import Uint8ActPerTensorFloat

    n_steps = BREVITAS_COLLECTING_STEPS if collects_statistics else 1

    def act(bit_width: int) -> nn.Module:
        made: nn.Module = qnn.QuantIdentity(
            bit_width=bit_width, act_quant=Uint8ActPerTensorFloat, collect_stats_steps=n_steps
        )
        return made

    def convolution(conv: nn.Conv2d, bit_width: int) -> nn.Module:
        made: Any = qnn.QuantConv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            bias=False,
            weight_bit_width=bit_width,
        )
        made.weight = conv.weight
        layer: nn.Module = made
        return layer

    return _replace(_with_all_relus(ours(bits)), bits, convolution, act)


def _replace(
    model: CifarResNet,
    bits: Sequence[int],
    convolution: Callable[[nn.Conv2d, int], nn.Module],
    act: Callable[[int], nn.Module],
) -> CifarResNet:
    """Put foreign layers where ours are: convolutions, activation quantizers before them and at the ends of a stage."""
    for stage, bit_width in zip(model.stages(), bits, strict=True):
        for block in stage:
            for name in ("input_quantizer", "output_quantizer"):
                if isinstance(getattr(block, name), LSQQuantizer):
                    setattr(block, name, act(bit_width))
        for parent in list(stage.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, QuantConv2d):
                    foreign = convolution(child, bit_width)
                    has_act = isinstance(child.act_quantizer, LSQQuantizer)
                    setattr(parent, name, nn.Sequential(act(bit_width), foreign) if has_act else foreign)
    return model
