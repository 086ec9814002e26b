"""The forward pass of a `Network` in torch, step by step: what a deployed network is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lwq_tune.deployment.forward_steps import INPUT
from lwq_tune.deployment.network import GridValues, Network
from lwq_tune.deployment.step_kinds import Step


@torch.no_grad()
def run_steps(network: Network, images: Tensor, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return the output of each step, by its name, in order; the last are the logits.

    Args:
        network: The network.
        images: Normalised images, shape (n, c, h, w).
        dtype: What is computed with; scales, weights and statistics are those of the network, exactly.
    """
    return dict(_outputs(network, images, dtype, is_all_kept=True))


@torch.no_grad()
def logits_of(
    network: Network, images: Tensor, dtype: torch.dtype = torch.float64, batch_size: int | None = None
) -> Tensor:
    """Return the logits of many images, shape (n, classes)."""
    found = []
    for part in torch.split(images, batch_size or batch_size_for(images)):
        for _, output in _outputs(network, part, dtype, is_all_kept=False):
            logits = output
        found.append(logits)
    return torch.cat(found)


def batch_size_for(images: Tensor) -> int:
    """Return how many images are run at a time: as many pixels as 500 images of 32 x 32 have.

    >>> batch_size_for(torch.empty(0, 3, 32, 32)), batch_size_for(torch.empty(0, 1, 224, 224))
    (500, 10)
    """
    return max(1, 500 * 32 * 32 // (images.shape[2] * images.shape[3]))


def output_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the shape of the images and of each output, by its name, for one image."""
    outputs = run_steps(network, torch.zeros(1, *network.image_shape), torch.float32)
    return {INPUT: (1, *network.image_shape), **{name: tuple(output.shape) for name, output in outputs.items()}}


def _outputs(
    network: Network, images: Tensor, dtype: torch.dtype, *, is_all_kept: bool
) -> Iterator[tuple[str, Tensor]]:
    """Yield the output of each step with its name; unless all are kept, each is freed once no step needs it."""
    last_use = {name: index for index, step in enumerate(network.steps) for name in step["inputs"]}
    values = {INPUT: images.to(dtype)}
    for index, step in enumerate(network.steps):
        output = _STEPS[step["op"]](network, step, [values[name] for name in step["inputs"]])
        yield step["output"], output
        values[step["output"]] = output
        if not is_all_kept:
            values = {name: value for name, value in values.items() if last_use.get(name, -1) > index}


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.array(values)).to(like.dtype)


def _array(network: Network, name: str, like: Tensor) -> Tensor:
    weight = network.weights.get(name)
    if weight is None:
        return _tensor(network.arrays[name], like)
    levels, zero_point = _tensor(weight.levels, like), _tensor(weight.zero_point, like)
    return (levels - zero_point) * _tensor(weight.scale, like)


def _quantize(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    grid: GridValues = network.grids[step["grid"]]
    (x,) = inputs
    scale, zero_point = _tensor(grid.scale, x), _tensor(grid.zero_point, x)
    levels = ((x / scale).round() + zero_point).clamp(0, grid.highest)
    return (levels - zero_point) * scale


def _bias(network: Network, step: Step, like: Tensor) -> Tensor | None:
    return _array(network, step["bias"], like) if "bias" in step else None


def _conv(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    return functional.conv2d(
        x,
        _array(network, step["weight"], x),
        _bias(network, step, x),
        tuple(step["stride"]),
        tuple(step["padding"]),
        tuple(step["dilation"]),
        step["groups"],
    )


def _linear(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    return functional.linear(x, _array(network, step["weight"], x), _bias(network, step, x))


def _batch_norm(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    weight, bias, mean, variance = (
        _array(network, f"{step['name']}.{part}", x) for part in ("weight", "bias", "running_mean", "running_var")
    )
    return functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=step["eps"])


def _add(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    return inputs[0] + (step["constant"] if "constant" in step else inputs[1])


def _multiply(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    return inputs[0] * (step["constant"] if "constant" in step else inputs[1])


def _subsample(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    rows, columns = step["stride"]
    return inputs[0][:, :, ::rows, ::columns]


def _padded(step: Step, x: Tensor, value: float, *, is_outside_too: bool) -> Tensor:
    """Return images with what windows see around them.

    Args:
        step: A step with windows.
        x: The images.
        value: What is around them.
        is_outside_too: Whether what lies beyond the padding of the step is added, or the padding alone.
    """
    pads = []
    for axis in (1, 0):  # torch counts from the last
        before = after = step["padding"][axis]
        if is_outside_too:
            end = (step["size"][axis] - 1) * step["stride"][axis] + step["kernel"][axis]
            after = max(after, end - x.shape[2 + axis] - before)
        pads += [before, after]
    return functional.pad(x, pads, value=value)


def _max_pool(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    padded = _padded(step, inputs[0], -torch.inf, is_outside_too=True)
    return functional.max_pool2d(padded, step["kernel"], step["stride"])


def _window_average(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    counted = torch.ones_like(x[:1, :1])
    if step["counts_padding"]:
        counted = _padded(step, counted, 1.0, is_outside_too=False)
        counted = _padded({**step, "padding": [0, 0]}, counted, 0.0, is_outside_too=True)
    else:
        counted = _padded(step, counted, 0.0, is_outside_too=True)
    sums, counts = (
        functional.avg_pool2d(values, step["kernel"], step["stride"], divisor_override=1)
        for values in (_padded(step, x, 0.0, is_outside_too=True), counted)
    )
    return sums / counts


def _expand(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    return inputs[0].expand(-1, *step["shape"])


_STEPS: dict[str, Callable[[Network, Step, list[Tensor]], Tensor]] = {
    "quantize": _quantize,
    "conv": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "relu": lambda _network, _step, inputs: inputs[0].relu(),
    "clip": lambda _network, step, inputs: inputs[0].clamp(step["low"], step["high"]),
    "leaky_relu": lambda _network, step, inputs: functional.leaky_relu(inputs[0], step["slope"]),
    "sigmoid": lambda _network, _step, inputs: inputs[0].sigmoid(),
    "tanh": lambda _network, _step, inputs: inputs[0].tanh(),
    "silu": lambda _network, _step, inputs: functional.silu(inputs[0]),
    "gelu": lambda _network, _step, inputs: functional.gelu(inputs[0]),
    "hardsigmoid": lambda _network, _step, inputs: functional.hardsigmoid(inputs[0]),
    "hardswish": lambda _network, _step, inputs: functional.hardswish(inputs[0]),
    "add": _add,
    "multiply": _multiply,
    "concat": lambda _network, _step, inputs: torch.cat(inputs, 1),
    "channels": lambda _network, step, inputs: inputs[0][:, step["start"] : step["stop"]],
    "subsample": _subsample,
    "max_pool": _max_pool,
    "window_average": _window_average,
    "adaptive_average": lambda _network, step, inputs: functional.adaptive_avg_pool2d(inputs[0], step["size"]),
    "average_pool": lambda _network, _step, inputs: inputs[0].mean((2, 3), keepdim=True),
    "flatten": lambda _network, _step, inputs: inputs[0].flatten(1),
    "reshape": lambda _network, step, inputs: inputs[0].reshape(-1, *step["shape"]),
    "expand": _expand,
    "permute": lambda _network, step, inputs: inputs[0].permute(step["axes"]),
}
