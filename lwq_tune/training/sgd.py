"""Stochastic gradient descent with momentum, without the compiler that `torch.optim.SGD` brings into a process.

The first call of a `torch.optim.Optimizer` imports all of ``torch._dynamo``, Inductor and Triton, also where nothing is
compiled: with torch 2.15 that is 1.6 s of CPU time and 150 MiB in every process that trains, and sweeps start many.
The step is the fused kernel of `torch.optim.sgd.sgd`, so numbers and state are those of ``SGD(..., fused=True)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.sgd import sgd


class SGD:
    """SGD with momentum (Sutskever et al. 2013, without dampening), over groups of parameters.

    Attributes:
        param_groups: Of each group ``params``, ``lr`` and ``weight_decay``; ``lr`` may be set before any step.

    Args:
        groups: Of each group ``params`` and ``weight_decay``.
        lr: Learning rate of all groups until it is set.
        momentum: Of all parameters.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], *, lr: float, momentum: float) -> None:
        self.param_groups = [{**group, "params": list(group["params"]), "lr": lr} for group in groups]
        self._momentum = momentum
        self._buffers: dict[Tensor, Tensor] = {}

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            buffers = [self._buffers.get(parameter) for parameter in parameters]
            sgd(
                parameters,
                [parameter.grad for parameter in parameters],
                buffers,
                fused=True,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                momentum=self._momentum,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
            self._buffers.update(
                (p, buffer) for p, buffer in zip(parameters, buffers, strict=True) if buffer is not None
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the momentum by the parameters' numbers, and the groups: what `torch.optim.SGD` returns."""
        numbers = {parameter: number for number, parameter in enumerate(self._parameters())}
        return {
            "state": {numbers[parameter]: {"momentum_buffer": buffer} for parameter, buffer in self._buffers.items()},
            "param_groups": [
                {**group, "momentum": self._momentum, "params": [numbers[parameter] for parameter in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state, which may be one of `torch.optim.SGD`.

        Raises:
            ValueError: The groups hold other numbers of parameters.
        """
        sizes = [len(group["params"]) for group in state["param_groups"]]
        own_sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != own_sizes:
            raise ValueError(f"the state is of groups of {sizes} parameters, the optimizer has {own_sizes}")
        for group, loaded in zip(self.param_groups, state["param_groups"], strict=True):
            group.update(lr=loaded["lr"], weight_decay=loaded["weight_decay"])
        parameters = list(self._parameters())
        self._buffers = {
            parameters[number]: entry["momentum_buffer"].to(parameters[number].device, copy=True)
            for number, entry in state["state"].items()
            if entry.get("momentum_buffer") is not None
        }

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]
