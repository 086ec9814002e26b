"""Which steps a layer, a function or a method of tensors is; what the steps mean is in `forward_steps`.

A function is described by one with its signature, which gets the result (for its shape) before the arguments. Tensors
come without values. None is returned for what no step is.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lwq_tune.quantization.quantizers.base import Quantizer

Step = dict[str, Any]
Steps = list[Step] | None


def describe_module(name: str, module: nn.Module, out: Tensor, x: Tensor) -> Steps:
    """Return the steps of a layer or quantizer.

    Args:
        name: Its name in the network.
        module: The layer.
        out: What it gives.
        x: What it gets.
    """
    match module:
        case nn.Conv2d(padding_mode="zeros") | nn.Linear():
            return _layer_steps(name, module, x)
        case nn.modules.batchnorm._BatchNorm(track_running_stats=True) if x.dim() in (2, 4):
            return [{"op": "batch_norm", "name": name, "eps": module.eps}]
        case Quantizer():
            return [{"op": "quantize", "grid": name}]
    describe = next((describe for kind, describe in _MODULES.items() if isinstance(module, kind)), None)
    return None if describe is None else describe(module, out, x)


def describe_function(target: Any, out: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Steps:
    """Return the steps of a function, or of a method by its name.

    Args:
        target: Function or name.
        out: What it gives.
        args: Its arguments.
        kwargs: The same by name.
    """
    if getattr(target, "__name__", None) == "stochastic_depth":  # of torchvision, which need not be installed
        describe: Callable[..., Steps] | None = _stochastic_depth
    else:
        describe = _METHODS.get(target) if isinstance(target, str) else _FUNCTIONS.get(target)
    if describe is None:
        return None
    try:
        bound = inspect.signature(describe).bind(out, *args, **kwargs)
    except TypeError:  # an argument that is not known
        return None
    return describe(*bound.args, **bound.kwargs)


def _layer_steps(name: str, module: nn.Conv2d | nn.Linear, x: Tensor) -> Steps:
    before = describe_module(f"{name}.act_quantizer", getattr(module, "act_quantizer", nn.Identity()), x, x)
    if isinstance(module, nn.Conv2d):
        left_right, top_bottom = (module._reversed_padding_repeated_twice[at : at + 2] for at in (0, 2))
        if left_right[0] != left_right[1] or top_bottom[0] != top_bottom[1]:
            return None  # "same", with an even kernel
        step: Step = {
            "op": "conv",
            "stride": list(module.stride),
            "padding": [top_bottom[0], left_right[0]],
            "dilation": list(module.dilation),
            "groups": module.groups,
        }
    else:
        step = {"op": "linear"}
    if before is None or (step["op"] == "linear" and x.dim() != 2):
        return None
    bias = {} if module.bias is None else {"bias": f"{name}.bias"}
    return [*before, {**step, "weight": f"{name}.weight", **bias}]


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else [int(one) for one in value]


def _of(op: str) -> Callable[..., Steps]:
    """Return what describes an activation function without settings."""

    def describe(_out: Tensor, _x: Tensor, inplace: bool = False) -> Steps:
        return [{"op": op}]

    return describe


def _hardtanh(_out: Tensor, _x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: Any = None) -> Steps:
    return [{"op": "clip", "low": float(min_val), "high": float(max_val)}]


def _relu6(_out: Tensor, _x: Tensor, inplace: Any = None) -> Steps:
    return [{"op": "clip", "low": 0.0, "high": 6.0}]


def _clamp(_out: Tensor, _x: Tensor, *bounds: Any, **named: Any) -> Steps:
    low, high = (
        [*bounds, None, None][at] if len(bounds) > at else named.get(name) for at, name in ((0, "min"), (1, "max"))
    )
    if isinstance(low, int | float) and isinstance(high, int | float):
        return [{"op": "clip", "low": float(low), "high": float(high)}]
    return [{"op": "relu"}] if low == 0 and high is None else None


def _leaky_relu(_out: Tensor, _x: Tensor, negative_slope: float = 0.01, inplace: Any = None) -> Steps:
    return [{"op": "leaky_relu", "slope": float(negative_slope)}]


def _gelu(_out: Tensor, _x: Tensor, approximate: str = "none") -> Steps:
    return [{"op": "gelu"}] if approximate == "none" else None


def _dropout(_out: Tensor, _x: Tensor, p: float = 0.5, training: Any = True, inplace: Any = None) -> Steps:
    return [] if not training or p == 0 else None


def _stochastic_depth(_out: Tensor, _x: Tensor, p: float, mode: str, training: Any = True) -> Steps:
    return [] if not training or p == 0 else None


def _max_pool(
    out: Tensor, _x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: Any = None, return_indices: Any = False,
) -> Steps:  # fmt: skip
    if return_indices or _pair(dilation) != [1, 1]:
        return None
    return [{"op": "max_pool", **_windows(out, kernel_size, stride, padding)}]


def _window_average(
    out: Tensor, _x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: Any = None,
    count_include_pad: Any = True, divisor_override: Any = None,
) -> Steps:  # fmt: skip
    if divisor_override is not None:
        return None
    windows = _windows(out, kernel_size, stride, padding)
    return [{"op": "window_average", **windows, "counts_padding": bool(count_include_pad)}]


def _windows(out: Tensor, kernel_size: Any, stride: Any, padding: Any) -> Step:
    """Return where windows are; their number says whether one may end outside, as with ``ceil_mode``."""
    kernel = _pair(kernel_size)
    steps = _pair(stride) if stride not in (None, [], ()) else kernel
    return {"kernel": kernel, "stride": steps, "padding": _pair(padding), "size": list(out.shape[2:])}


def _adaptive_average(out: Tensor, x: Tensor, output_size: Any = None) -> Steps:
    size = list(out.shape[2:])
    if x.dim() != 4 or size == list(x.shape[2:]):
        return [] if x.dim() == 4 else None
    return [{"op": "average_pool"}] if size == [1, 1] else [{"op": "adaptive_average", "size": size}]


def _mean(out: Tensor, x: Tensor, dim: Any = None, keepdim: Any = False) -> Steps:
    axes = {one % x.dim() for one in dim} if isinstance(dim, Sequence) else None
    if x.dim() != 4 or axes != {2, 3}:
        return None
    return [{"op": "average_pool"}, *([] if keepdim else [{"op": "flatten"}])]


def _reshape(out: Tensor, x: Tensor, *_shape: Any, **_named: Any) -> Steps:
    if out.shape == x.shape:
        return []
    if out.dim() == 0 or out.shape[0] != x.shape[0]:
        return None
    return [{"op": "flatten"}] if out.dim() == 2 else [{"op": "reshape", "shape": list(out.shape[1:])}]


def _expand(out: Tensor, x: Tensor, *_shape: Any) -> Steps:
    if out.shape == x.shape:
        return []
    if out.dim() != x.dim() or out.shape[0] != x.shape[0]:
        return None
    return [{"op": "expand", "shape": list(out.shape[1:])}]


def _permute(out: Tensor, x: Tensor, *axes: Any) -> Steps:
    return _permuted([one % x.dim() for one in (axes[0] if isinstance(axes[0], Sequence) else axes)])


def _transpose(_out: Tensor, x: Tensor, dim0: int, dim1: int) -> Steps:
    axes = list(range(x.dim()))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _permuted(axes)


def _permuted(axes: list[int]) -> Steps:
    return [{"op": "permute", "axes": axes}] if axes[0] == 0 else None


def _unchanged(out: Tensor, x: Tensor, **_named: Any) -> Steps:
    return [] if out.shape == x.shape else None


def _binary(op: str) -> Callable[..., Steps]:
    """Return what describes a function of two tensors, or of a tensor and a number."""

    def describe(_out: Tensor, first: Any, second: Any) -> Steps:
        tensor, other = (first, second) if isinstance(first, Tensor) else (second, first)
        if isinstance(other, Tensor) and isinstance(tensor, Tensor):
            return [{"op": op}]
        return [{"op": op, "constant": float(other)}] if isinstance(other, int | float) else None

    return describe


def _subtract(_out: Tensor, first: Any, second: Any) -> Steps:
    return [{"op": "add", "constant": -float(second)}] if isinstance(second, int | float) else None


def _divide(_out: Tensor, first: Any, second: Any) -> Steps:
    return [{"op": "multiply", "constant": 1 / second}] if isinstance(second, int | float) and second else None


def _concat(out: Tensor, tensors: Any, dim: int = 0) -> Steps:
    return [{"op": "concat"}] if dim % out.dim() == 1 else None


def _split(_out: Any, x: Tensor, _parts: Any, dim: int = 0) -> Steps:
    """Return no step: which part is taken is in the step of what takes it."""
    return [] if dim % x.dim() == 1 else None


def _getitem(out: Tensor, x: Any, index: Any) -> Steps:
    if not isinstance(x, Tensor):  # parts of `_split`
        start = sum(part.shape[1] for part in x[:index])
        return [{"op": "channels", "start": start, "stop": start + out.shape[1]}]
    match index:
        case (
            slice(start=None, stop=None, step=None),
            slice(start=None, stop=None, step=None),
            slice(start=None, stop=None) as rows,
            slice(start=None, stop=None) as columns,
        ):
            return [{"op": "subsample", "stride": [rows.step or 1, columns.step or 1]}]
        case (slice(start=None, stop=None, step=None), slice(step=None) as channels):
            start, stop, _ = channels.indices(x.shape[1])
            return [{"op": "channels", "start": start, "stop": stop}]
    return None


_MODULES: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], Steps]] = {
    nn.Identity: lambda _layer, _out, _x: [],
    nn.modules.dropout._DropoutNd: lambda _layer, _out, _x: [],
    nn.ReLU: lambda _layer, _out, _x: [{"op": "relu"}],
    nn.Hardtanh: lambda layer, out, x: _hardtanh(out, x, layer.min_val, layer.max_val),  # ReLU6 too
    nn.LeakyReLU: lambda layer, out, x: _leaky_relu(out, x, layer.negative_slope),
    nn.Sigmoid: lambda _layer, _out, _x: [{"op": "sigmoid"}],
    nn.Tanh: lambda _layer, _out, _x: [{"op": "tanh"}],
    nn.SiLU: lambda _layer, _out, _x: [{"op": "silu"}],
    nn.GELU: lambda layer, out, x: _gelu(out, x, layer.approximate),
    nn.Hardsigmoid: lambda _layer, _out, _x: [{"op": "hardsigmoid"}],
    nn.Hardswish: lambda _layer, _out, _x: [{"op": "hardswish"}],
    nn.MaxPool2d: lambda layer, out, x: _max_pool(
        out, x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, return_indices=layer.return_indices
    ),
    nn.AvgPool2d: lambda layer, out, x: _window_average(
        out,
        x,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        count_include_pad=layer.count_include_pad,
        divisor_override=layer.divisor_override,
    ),
    nn.AdaptiveAvgPool2d: lambda _layer, out, x: _adaptive_average(out, x),
    nn.Flatten: lambda _layer, out, x: _reshape(out, x),
    nn.Unflatten: lambda _layer, out, x: _reshape(out, x),
}
_FUNCTIONS: dict[Any, Callable[..., Steps]] = {
    **dict.fromkeys((functional.relu, functional.relu_, torch.relu, torch.relu_), _of("relu")),
    **dict.fromkeys((functional.sigmoid, torch.sigmoid), _of("sigmoid")),
    **dict.fromkeys((functional.tanh, torch.tanh), _of("tanh")),
    functional.silu: _of("silu"),
    functional.hardsigmoid: _of("hardsigmoid"),
    functional.hardswish: _of("hardswish"),
    functional.relu6: _relu6,
    functional.hardtanh: _hardtanh,
    functional.leaky_relu: _leaky_relu,
    functional.gelu: _gelu,
    **dict.fromkeys((torch.clamp, torch.clip), _clamp),
    **dict.fromkeys((functional.dropout, functional.dropout2d, functional.alpha_dropout), _dropout),
    **dict.fromkeys((functional.max_pool2d, torch.max_pool2d), _max_pool),
    functional.avg_pool2d: _window_average,
    functional.adaptive_avg_pool2d: _adaptive_average,
    torch.mean: _mean,
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze), _reshape),
    torch.permute: _permute,
    torch.transpose: _transpose,
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _binary("add")),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, torch.multiply), _binary("multiply")),
    **dict.fromkeys((operator.sub, torch.sub), _subtract),
    **dict.fromkeys((operator.truediv, torch.div), _divide),
    **dict.fromkeys((torch.cat, torch.concat), _concat),
    **dict.fromkeys((torch.chunk, torch.split), _split),
    operator.getitem: _getitem,
}
_METHODS: dict[str, Callable[..., Steps]] = {
    **dict.fromkeys(("relu", "relu_"), _of("relu")),
    **dict.fromkeys(("sigmoid", "sigmoid_"), _of("sigmoid")),
    **dict.fromkeys(("tanh", "tanh_"), _of("tanh")),
    **dict.fromkeys(("clamp", "clamp_", "clip"), _clamp),
    "mean": _mean,
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    "permute": _permute,
    "transpose": _transpose,
    **dict.fromkeys(("contiguous", "clone", "detach"), _unchanged),
    **dict.fromkeys(("add", "add_"), _binary("add")),
    **dict.fromkeys(("mul", "mul_"), _binary("multiply")),
    **dict.fromkeys(("sub", "sub_"), _subtract),
    **dict.fromkeys(("div", "div_"), _divide),
    **dict.fromkeys(("chunk", "split"), _split),
}
