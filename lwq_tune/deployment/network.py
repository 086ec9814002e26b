"""A trained network as plain values: its steps in evaluation, the integers of its weights, its grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.forward_steps import Step, forward_steps
from lwq_tune.errors import ResultsError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.layers import encoded_weights
from lwq_tune.quantization.quantizers.base import Grid, Quantizer
from lwq_tune.training.model import build_model

IMAGE_SHAPE = (3, 32, 32)
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class GridValues:
    """A grid: a level from 0 to 2**bit_width - 1 stands for ``(level - zero_point) * scale``.

    Attributes:
        bit_width: Bits.
        is_signed: Whether a value is below 0.
        scale: float32, shape () or (c, 1, ...).
        zero_point: float32, the same shape.
    """

    bit_width: int
    is_signed: bool
    scale: np.ndarray
    zero_point: np.ndarray

    @classmethod
    def of(cls, grid: Grid) -> GridValues:
        """Return the values of a grid."""
        return cls(grid.bit_width, grid.is_signed, grid.scale.detach().numpy(), grid.zero_point.detach().numpy())


@dataclass(frozen=True)
class WeightValues(GridValues):
    """A quantized weight.

    Attributes:
        levels: uint8, the shape of the weight.
    """

    levels: np.ndarray

    def decoded(self) -> np.ndarray:
        """Return the values, float32."""
        values: np.ndarray = ((self.levels - self.zero_point) * self.scale).astype(np.float32)
        return values


@dataclass(frozen=True)
class Network:
    """What a network computes in evaluation, and nothing else.

    Attributes:
        steps: See `lwq_tune.deployment.forward_steps.forward_steps`.
        weights: Quantized weights by name.
        grids: Grids of activations by the name that steps ``quantize`` have.
        arrays: All other arrays that steps name, float32: weights in float, biases, parts of batch norm.
        n_classes: Outputs.
        image_shape: Shape of one image.
    """

    steps: Sequence[Step]
    weights: Mapping[str, WeightValues]
    grids: Mapping[str, GridValues]
    arrays: Mapping[str, np.ndarray]
    n_classes: int
    image_shape: tuple[int, int, int] = IMAGE_SHAPE

    @property
    def packed_bytes(self) -> int:
        """Size of the quantized weights, each packed at its bits."""
        return sum(-(-weight.levels.size * weight.bit_width // 8) for weight in self.weights.values())

    @property
    def float_bytes(self) -> int:
        """Size of the same weights in float32."""
        return sum(4 * weight.levels.size for weight in self.weights.values())

    def shape_of(self, weight: str) -> tuple[int, ...]:
        """Return the shape of a weight."""
        found = self.weights.get(weight)
        return self.arrays[weight].shape if found is None else found.levels.shape


def load_model(config: TrialConfig, state: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a trial in evaluation, with the state of a checkpoint."""
    model = build_model(config, ImageFormat(num_classes=state["fc.weight"].shape[0]), initial=dict(state))
    model.load_state_dict(dict(state))
    return model.eval()


def describe_network(model: nn.Module) -> Network:
    """Return what a network computes.

    Args:
        model: A trained network in evaluation.

    Raises:
        ResultsError: One of its quantizers has no range, or it has a step that is not known.
    """
    try:
        steps = forward_steps(model)
    except NotImplementedError as error:
        raise ResultsError(str(error)) from error
    encoded = encoded_weights(model)
    state = model.state_dict()
    weights = {
        name: WeightValues(**_fields(GridValues.of(weight.grid)), levels=weight.levels.numpy())
        for name, weight in encoded.items()
    }
    return Network(
        steps=steps,
        weights=weights,
        grids={step["grid"]: _fixed_grid(step["grid"], model) for step in steps if step["op"] == "quantize"},
        arrays={name: state[name].detach().numpy() for name in _array_names(steps) if name not in encoded},
        n_classes=int(state[next(step["weight"] for step in reversed(steps) if "weight" in step)].shape[0]),
    )


def _fields(grid: GridValues) -> dict[str, Any]:
    return {name: getattr(grid, name) for name in ("bit_width", "is_signed", "scale", "zero_point")}


def _fixed_grid(name: str, model: nn.Module) -> GridValues:
    quantizer = model.get_submodule(name)
    if not isinstance(quantizer, Quantizer) or not quantizer.is_initialized:
        raise ResultsError(f"a network is exported once its quantizers have a range, {name} has none; train it first")
    with torch.no_grad():
        return GridValues.of(quantizer.fixed_grid())


def _array_names(steps: Sequence[Step]) -> list[str]:
    """Return the names of the weights, biases and statistics that steps use, as in the state of the network."""
    names = [step[part] for step in steps for part in ("weight", "bias") if part in step]
    return names + [f"{step['name']}.{part}" for step in steps if step["op"] == "batch_norm" for part in _BATCH_NORM]
