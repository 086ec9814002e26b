"""The forward pass of a `Network` in torch, step by step: what a deployed network is compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lwq_tune.deployment.forward_steps import INPUT, Step
from lwq_tune.deployment.network import GridValues, Network


@torch.no_grad()
def run_steps(network: Network, images: Tensor, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return the output of each step, by its name, in order; the last are the logits.

    Args:
        network: The network.
        images: Normalised images, shape (n, 3, h, w).
        dtype: What is computed with; scales, weights and statistics are those of the network, exactly.
    """
    values = {INPUT: images.to(dtype)}
    for step in network.steps:
        values[step["output"]] = _STEPS[step["op"]](network, step, [values[name] for name in step["inputs"]])
    del values[INPUT]
    return values


def logits_of(network: Network, images: Tensor, dtype: torch.dtype = torch.float64, batch_size: int = 500) -> Tensor:
    """Return the logits of many images, shape (n, classes)."""
    return torch.cat([list(run_steps(network, part, dtype).values())[-1] for part in torch.split(images, batch_size)])


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
    levels = ((x / scale).round() + zero_point).clamp(0, 2**grid.bit_width - 1)
    return (levels - zero_point) * scale


def _conv(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    return functional.conv2d(
        x, _array(network, step["weight"], x), stride=tuple(step["stride"]), padding=tuple(step["padding"])
    )


def _linear(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    return functional.linear(x, _array(network, step["weight"], x), _array(network, step["bias"], x))


def _batch_norm(network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    (x,) = inputs
    weight, bias, mean, variance = (
        _array(network, f"{step['name']}.{part}", x) for part in ("weight", "bias", "running_mean", "running_var")
    )
    return functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=step["eps"])


def _subsample(_network: Network, step: Step, inputs: list[Tensor]) -> Tensor:
    rows, columns = step["stride"]
    return inputs[0][:, :, ::rows, ::columns]


_STEPS: dict[str, Callable[[Network, Step, list[Tensor]], Tensor]] = {
    "quantize": _quantize,
    "conv": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "subsample": _subsample,
    "relu": lambda _network, _step, inputs: inputs[0].relu(),
    "add": lambda _network, _step, inputs: inputs[0] + inputs[1],
    "average_pool": lambda _network, _step, inputs: inputs[0].mean((2, 3), keepdim=True),
    "flatten": lambda _network, _step, inputs: inputs[0].flatten(1),
}
