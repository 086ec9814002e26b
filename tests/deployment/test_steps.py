"""Every step that an export knows, alone: in torch, in NumPy and in both runtimes it is what torch computes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lwq_tune.deployment.forward_steps import forward_steps
from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import to_onnx
from lwq_tune.deployment.reference import logits_of
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.errors import ResultsError
from tests.support.example_reader import run_example
from tests.support.quantized_graphs import Squeeze

SHAPE = (4, 7, 10)
IMAGES = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(3)) * 3
Function = Callable[[Tensor], Tensor]


def _batch_norm(kind: type[nn.Module], n_channels: int, **settings: Any) -> nn.Module:
    norm: Any = kind(n_channels, **settings)
    generator = torch.Generator().manual_seed(0)
    for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        if values is not None:
            values.data.uniform_(0.2, 1.5, generator=generator)
    return norm


MODULES: dict[str, tuple[nn.Module, list[str]]] = {
    "identity": (nn.Identity(), []),
    "conv": (nn.Conv2d(4, 6, 3, bias=False), ["conv"]),
    "conv with bias": (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0)), ["conv"]),
    "dilated conv": (nn.Conv2d(4, 6, 3, padding=(2, 4), dilation=(2, 3)), ["conv"]),
    "grouped conv": (nn.Conv2d(4, 6, 3, groups=2), ["conv"]),
    "depthwise conv": (nn.Conv2d(4, 8, 3, 2, 1, groups=4, bias=False), ["conv"]),
    "same padding": (nn.Conv2d(4, 6, 3, padding="same", dilation=2), ["conv"]),
    "valid padding": (nn.Conv2d(4, 6, 3, padding="valid"), ["conv"]),
    "batch norm": (_batch_norm(nn.BatchNorm2d, 4), ["batch_norm"]),
    "batch norm without factors": (_batch_norm(nn.BatchNorm2d, 4, affine=False), ["batch_norm"]),
    "batch norm of a conv": (
        nn.Sequential(nn.Conv2d(4, 6, 3), _batch_norm(nn.BatchNorm2d, 6)),
        ["conv", "batch_norm"],
    ),
    "batch norm of values": (
        nn.Sequential(nn.Flatten(), nn.Linear(280, 5), _batch_norm(nn.BatchNorm1d, 5)),
        ["flatten", "linear", "batch_norm"],
    ),
    "linear": (nn.Sequential(nn.Flatten(), nn.Linear(280, 5, bias=False)), ["flatten", "linear"]),
    "relu": (nn.ReLU(), ["relu"]),
    "relu6": (nn.ReLU6(inplace=True), ["clip"]),
    "hardtanh": (nn.Hardtanh(-0.5, 2.0), ["clip"]),
    "leaky relu": (nn.LeakyReLU(0.2), ["leaky_relu"]),
    "sigmoid": (nn.Sigmoid(), ["sigmoid"]),
    "tanh": (nn.Tanh(), ["tanh"]),
    "silu": (nn.SiLU(), ["silu"]),
    "gelu": (nn.GELU(), ["gelu"]),
    "hardsigmoid": (nn.Hardsigmoid(), ["hardsigmoid"]),
    "hardswish": (nn.Hardswish(), ["hardswish"]),
    "dropout": (nn.Sequential(nn.Dropout(), nn.Dropout2d()), []),
    "max pool": (nn.MaxPool2d(2), ["max_pool"]),
    "max pool with padding": (nn.MaxPool2d(3, 2, 1), ["max_pool"]),
    "max pool with windows that end outside": (nn.MaxPool2d((3, 2), (2, 3), ceil_mode=True), ["max_pool"]),
    "average pool": (nn.AvgPool2d(2), ["window_average"]),
    "average pool with padding": (nn.AvgPool2d(3, 2, 1), ["window_average"]),
    "average pool that leaves padding out": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), ["window_average"]),
    "average pool with windows that end outside": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), ["window_average"]),
    "average pool with wide windows": (nn.AvgPool2d((2, 3), (3, 3), (1, 0), ceil_mode=True), ["window_average"]),
    "mean of channels": (nn.AdaptiveAvgPool2d(1), ["average_pool"]),
    "adaptive pool": (nn.AdaptiveAvgPool2d((3, 4)), ["adaptive_average"]),
    "adaptive pool of equal parts": (nn.AdaptiveAvgPool2d((7, 5)), ["adaptive_average"]),
    "adaptive pool to more": (nn.AdaptiveAvgPool2d((9, None)), ["adaptive_average"]),
    "adaptive pool of one pixel": (
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2, 3))),
        ["average_pool", "adaptive_average"],
    ),
    "adaptive pool to the same": (nn.AdaptiveAvgPool2d((7, 10)), []),
    "squeeze and excite": (
        Squeeze(4),
        ["average_pool", "flatten", "linear", "relu", "linear", "sigmoid", "reshape", "expand", "multiply"],
    ),
}
FUNCTIONS: dict[str, tuple[Function, list[str]]] = {
    "relu": (functional.relu, ["relu"]),
    "relu in place": (lambda x: functional.relu(x, True), ["relu"]),
    "relu of torch": (torch.relu, ["relu"]),
    "relu method": (lambda x: x.relu_(), ["relu"]),
    "relu6": (lambda x: functional.relu6(x, inplace=True), ["clip"]),
    "hardtanh": (lambda x: functional.hardtanh(x, -2.0, max_val=3.0), ["clip"]),
    "clamp": (lambda x: x.clamp(-1, max=2.5), ["clip"]),
    "clamp from below": (lambda x: torch.clamp(x, min=0), ["relu"]),
    "leaky relu": (lambda x: functional.leaky_relu(x, 0.3), ["leaky_relu"]),
    "sigmoid": (torch.sigmoid, ["sigmoid"]),
    "sigmoid method": (lambda x: x.sigmoid(), ["sigmoid"]),
    "silu": (functional.silu, ["silu"]),
    "gelu": (functional.gelu, ["gelu"]),
    "hardswish": (functional.hardswish, ["hardswish"]),
    "hardsigmoid": (functional.hardsigmoid, ["hardsigmoid"]),
    "hardswish by hand": (lambda x: x * functional.relu6(x + 3) / 6, ["add", "clip", "multiply", "multiply"]),
    "dropout": (lambda x: functional.dropout(x, 0.5, training=False), []),
    "max pool": (lambda x: functional.max_pool2d(x, 3, stride=2, padding=1), ["max_pool"]),
    "max pool of torch": (lambda x: torch.max_pool2d(x, 2), ["max_pool"]),
    "average pool": (lambda x: functional.avg_pool2d(x, 3, 2, 1, False, False), ["window_average"]),
    "adaptive pool": (lambda x: functional.adaptive_avg_pool2d(x, (1, 1)), ["average_pool"]),
    "adaptive pool to several": (lambda x: functional.adaptive_avg_pool2d(x, 2), ["adaptive_average"]),
    "mean": (lambda x: x.mean((2, 3)), ["average_pool", "flatten"]),
    "mean with axes": (lambda x: torch.mean(x, dim=[-1, -2], keepdim=True), ["average_pool"]),
    "flatten": (lambda x: torch.flatten(x, start_dim=1), ["flatten"]),
    "flatten method": (lambda x: x.flatten(1), ["flatten"]),
    "view": (lambda x: x.view(x.size(0), -1), ["flatten"]),
    "reshape": (lambda x: x.reshape(x.shape[0], 280), ["flatten"]),
    "view of the number of values": (lambda x: x.view(-1, 4 * 7 * 10), ["flatten"]),
    "squeeze": (
        lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze(3).squeeze(2),
        ["average_pool", "reshape", "flatten"],
    ),
    "add": (operator.add, ["relu", "add"]),
    "add in place": (operator.iadd, ["relu", "add"]),
    "add of torch": (torch.add, ["relu", "add"]),
    "add of a number": (lambda x: 1.5 + x - 0.25, ["add", "add"]),
    "multiply": (operator.mul, ["relu", "multiply"]),
    "multiply by itself": (lambda x: x * x, ["multiply"]),
    "multiply by a number": (lambda x: x.mul(0.5), ["multiply"]),
    "concat": (lambda x: torch.cat([x, functional.relu(x), x], dim=1), ["relu", "concat"]),
    "concat from behind": (lambda x: torch.concat((x, x), -3), ["concat"]),
    "every second pixel": (lambda x: x[:, :, ::2, ::3], ["subsample"]),
    "every second column": (lambda x: x[:, :, :, ::2], ["subsample"]),
    "some channels": (lambda x: x[:, 1:3], ["channels"]),
    "half of the channels": (lambda x: x.chunk(2, dim=1)[1], ["channels"]),
    "parts of the channels": (lambda x: torch.split(x, [1, 3], dim=1)[1], ["channels"]),
    "shuffled channels": (
        lambda x: x.view(x.size(0), 2, 2, 7, 10).transpose(1, 2).contiguous().view(x.size(0), 4, 7, 10),
        ["reshape", "permute", "reshape"],
    ),
    "permute": (lambda x: x.permute(0, 2, 3, 1), ["permute"]),
}  # fmt: skip


class _Function(nn.Module):
    def __init__(self, function: Function, *, has_two_inputs: bool) -> None:
        super().__init__()
        self.function, self.has_two_inputs = function, has_two_inputs

    def forward(self, images: Tensor) -> Tensor:
        x = images * 0.5
        result: Tensor = self.function(x, torch.relu(x)) if self.has_two_inputs else self.function(x)  # type: ignore[call-arg]
        return torch.flatten(result, 1)


def check(model: nn.Module, expected_ops: list[str], tmp_path: Path) -> None:
    model.eval()
    network = describe_network(model, SHAPE)
    assert [step["op"] for step in network.steps] == expected_ops
    with torch.no_grad():
        expected, in_float64 = model(IMAGES.clone()), model.double()(IMAGES.double())
        model.float()
    assert network.n_classes == expected.shape[1]
    assert torch.allclose(logits_of(network, IMAGES), in_float64, rtol=1e-6, atol=1e-6)
    assert torch.allclose(logits_of(network, IMAGES, torch.float32), expected, rtol=1e-5, atol=1e-6)
    assert run_example(network, IMAGES.numpy(), tmp_path) == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)
    content = to_onnx(network).serialized()
    for name in ("openvino", "onnxruntime"):
        found = make_runtime(name).load(content, n_threads=1).run(IMAGES.numpy())
        assert found == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize("name", MODULES)
def test_a_layer_is_its_steps_everywhere(name: str, tmp_path: Path) -> None:
    module, ops = MODULES[name]
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            parameter.data.uniform_(-1, 1, generator=generator)
    ends_flat = any(op in ("linear",) for op in ops) and "multiply" not in ops
    whole = nn.Sequential(_Function(torch.relu, has_two_inputs=False), nn.Unflatten(1, SHAPE), module)
    check(
        nn.Sequential(whole, nn.Identity() if ends_flat else nn.Flatten()),
        ["multiply", "relu", "flatten", "reshape", *ops, *([] if ends_flat else ["flatten"])],
        tmp_path,
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_its_steps_everywhere(name: str, tmp_path: Path) -> None:
    function, ops = FUNCTIONS[name]
    has_two_inputs = name in ("add", "add in place", "add of torch", "multiply")
    is_flat = ops[-1:] == ["flatten"]
    model = _Function(function, has_two_inputs=has_two_inputs)
    check(model, ["multiply", *ops, *([] if is_flat else ["flatten"])], tmp_path)


class _InPlace(nn.Module):
    """What is read after it was changed in place is what it was changed to."""

    def forward(self, images: Tensor) -> Tensor:
        x = images * 2
        y = nn.functional.relu(x, inplace=True)
        x.add_(1)
        return torch.flatten(torch.cat([x, y], 1), 1)


def test_what_is_changed_in_place_is_changed_for_all_who_read_it_later(tmp_path: Path) -> None:
    check(_InPlace(), ["multiply", "relu", "add", "concat", "flatten"], tmp_path)


class _Unused(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        images.mean((2, 3)).sigmoid()
        return torch.flatten(images.tanh(), 1)


def test_what_no_logit_rests_on_is_no_step(tmp_path: Path) -> None:
    check(_Unused(), ["tanh", "flatten"], tmp_path)


class _Branching(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) if images.sum() > 0 else -images.flatten(1)


class _Several(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.flatten(1), images.tanh().flatten(1)


class _Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return torch.flatten(images * self.factor, 1)


def _flat(module: nn.Module) -> nn.Module:
    return nn.Sequential(module, nn.Flatten())


def _of(function: Function) -> nn.Module:
    return _Function(function, has_two_inputs=False)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "a function": (_of(lambda x: torch.cumsum(x, 1)), "cumsum"),
    "a method": (_of(lambda x: x.sort(1)[0]), "sort"),
    "a layer": (_flat(nn.LayerNorm([4, 7, 10])), "LayerNorm"),
    "padding that is not zeros": (_flat(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")), "padding_mode=reflect"),
    "statistics of the batch": (_flat(nn.BatchNorm2d(4, track_running_stats=False)), "BatchNorm2d"),
    "dropout that is always on": (_of(lambda x: functional.dropout(x, 0.5)), "dropout"),
    "a dilated pool": (_flat(nn.MaxPool2d(2, dilation=2)), "MaxPool2d"),
    "a divisor": (_flat(nn.AvgPool2d(2, divisor_override=3)), "AvgPool2d"),
    "an approximation": (_flat(nn.GELU("tanh")), "GELU"),
    "a layer on each pixel": (_flat(nn.Linear(10, 3)), "Linear"),
    "images side by side": (_of(lambda x: torch.cat([x, x])), "cat"),
    "images in other places": (_of(lambda x: x.transpose(0, 1)), "transpose"),
    "values of all images": (_of(lambda x: x.view(-1, 2, 7, 10)), "view"),
    "a difference": (_of(lambda x: x - x.relu()), "sub"),
    "a parameter": (_Scaled(), "factor"),
    "a branch": (_Branching(), "torch.fx traces, _Branching is not"),
    "several outputs": (_Several(), "gives logits"),
    "no logits": (nn.ReLU(), "gives logits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_step_is_refused_by_name(name: str) -> None:
    model, told = REFUSED[name]
    with pytest.raises(NotImplementedError, match=told):
        forward_steps(model.eval(), SHAPE)
    with pytest.raises(ResultsError, match=told):
        describe_network(model, SHAPE)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_padding_that_is_not_the_same_on_both_sides_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"kernel_size=\(2, 2\)"):
        forward_steps(_flat(nn.Conv2d(4, 4, 2, padding="same")), SHAPE)


def test_tracing_leaves_a_network_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Flatten())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forward_steps(model.train(), SHAPE)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert np.isfinite(before["1.running_mean"].numpy()).all()
