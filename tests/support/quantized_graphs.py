"""Quantized networks of all layers that an export knows: small ones of our own, and any other that torch.fx traces.

`quantized` puts quantizers by a plain rule of its own: every layer but the first convolution and the last layer has
weights and an input of few bits; of several layers that read one tensor, all read one quantizer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.quantization.layers import QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.scheme import Scheme


class _Smallest(fx.Interpreter):
    """Note the smallest value of each tensor."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, float] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.found[n] = float(result.min())
        return result


def settled(model: nn.Module, images: Tensor) -> nn.Module:
    """Return a network in evaluation whose batch norm has the statistics of some images, and factors and shifts."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
            if norm.affine:
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0.2, 0.3)
        model.train()
        for _ in range(3):
            model(images)
    return model.eval()


def quantized(model: nn.Module, images: Tensor, bits: int, scheme: Scheme = Scheme()) -> fx.GraphModule:  # noqa: B008
    """Return the quantized twin of a network in evaluation, calibrated."""
    traced = fx.symbolic_trace(model)
    modules = dict(traced.named_modules())
    smallest = _Smallest(traced)
    with torch.no_grad():
        smallest.run(images.clone())
    layers = [
        node
        for node in traced.graph.nodes
        if node.op == "call_module" and isinstance(modules[node.target], nn.Conv2d | nn.Linear)
    ]
    read: dict[fx.Node, fx.Node] = {}
    for node in layers[1:-1]:
        name, layer = str(node.target), modules[str(node.target)]
        kind = QuantConv2d if isinstance(layer, nn.Conv2d) else QuantLinear
        twin = kind.from_float(layer, weight_bit_width=bits, act_bit_width=32, scheme=scheme)  # type: ignore[arg-type]
        parent, _, own = name.rpartition(".")
        setattr(traced.get_submodule(parent), own, twin)
        source = node.args[0]
        if source not in read:
            quantizer = scheme.act_quantizer(bits)
            if smallest.found[source] < 0 and scheme.quantizer == "lsq":
                quantizer = LSQQuantizer(bits, signed=True)
            traced.add_submodule(f"{source.name}_quantizer", quantizer)
            with traced.graph.inserting_after(source):
                read[source] = traced.graph.call_module(f"{source.name}_quantizer", (source,))
        node.replace_input_with(source, read[source])
    traced.graph.lint()
    traced.recompile()
    calibrate(traced.eval(), [images], batch_statistics=False)
    return traced.eval()


class Squeeze(nn.Module):
    """Squeeze and excite, its shape taken apart and put together again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the channels, each times its weight."""
        n, c, _, _ = x.size()
        y = functional.relu(self.fc1(self.pool(x).view(n, c)))
        y = torch.sigmoid(self.fc2(y)).view(n, c, 1, 1)
        return x * y.expand_as(x)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze and excite, projection without activation."""

    def __init__(self, c_in: int, c_out: int, stride: int, activation: type[nn.Module]) -> None:
        super().__init__()
        wide = 3 * c_in
        self.conv = nn.Sequential(
            nn.Conv2d(c_in, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            activation(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            activation(),
            Squeeze(wide),
            nn.Conv2d(wide, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.is_residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return x + self.conv(x) if self.is_residual else self.conv(x)


def mobile() -> nn.Module:
    """Return inverted residuals with the activations of MobileNet v2 and v3."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(inplace=True),
        InvertedResidual(8, 8, 1, nn.ReLU6),
        InvertedResidual(8, 12, 2, nn.Hardswish),
        InvertedResidual(12, 12, 1, nn.SiLU),
        nn.Conv2d(12, 24, 1, bias=False),
        nn.BatchNorm2d(24),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 10),
    )


def plain() -> nn.Module:
    """Return convolutions with biases and no batch norm, and a classifier of three layers, as VGG has."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, 1, 1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, 1, 2, dilation=2),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(16, 16, (3, 1), (2, 1), (1, 0), groups=4),
        nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool2d((3, 2)),
        nn.Flatten(),
        nn.Linear(96, 24),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(24, 24, bias=False),
        nn.BatchNorm1d(24),
        nn.ReLU(inplace=True),
        nn.Linear(24, 10),
    )


class Branches(nn.Module):
    """Branches that are put side by side, as in DenseNet, GoogLeNet and ShuffleNet, written with functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.left = nn.Conv2d(8, 4, 1)
        self.right = nn.Conv2d(8, 4, 3, padding=1, groups=2)
        self.after = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.after_norm = nn.BatchNorm2d(16, affine=False)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        x = functional.max_pool2d(functional.relu(self.norm(self.stem(images))), 3, stride=2, padding=1)
        x = torch.cat([functional.hardswish(self.left(x)), self.right(x)], 1)
        x = functional.relu6(self.after_norm(self.after(x)))
        x = functional.avg_pool2d(x, 2)
        kept, changed = x.chunk(2, dim=1)
        changed = functional.relu(self.inner(changed))
        n, c, h, w = changed.shape
        both = torch.cat((kept, changed), dim=1).view(n, 2, c, h, w).transpose(1, 2).contiguous().view(n, 2 * c, h, w)
        y = functional.dropout(both, 0.1, training=self.training).mean([2, 3])
        return self.fc(y)  # type: ignore[no-any-return]


NETWORKS = {"mobile": mobile, "plain": plain, "branches": Branches}


def small_graph(name: str, images: Tensor, seed: int = 0) -> nn.Module:
    """Return one of the float networks in evaluation."""
    torch.manual_seed(seed)
    return settled(NETWORKS[name](), images)
