"""A trained network as plain values: its steps in evaluation, the integers of its weights, its grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.forward_steps import forward_steps
from lwq_tune.deployment.step_kinds import Step
from lwq_tune.errors import ResultsError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.calibrate import quantizers
from lwq_tune.quantization.layers import encoded_weights
from lwq_tune.quantization.quantizers.base import Encoded, Grid, Quantizer
from lwq_tune.training.model import build_model

ImageShape = tuple[int, int, int]  # channels, rows, columns
IMAGE_SHAPE: ImageShape = (3, 32, 32)
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class GridValues:
    """A grid: a level from 0 to the highest stands for ``(level - zero_point) * scale``.

    Attributes:
        bit_width: Bits.
        highest: Highest level; 2**bit_width - 1, or one less where there are as many levels on either side of 0.
        is_signed: Whether a value is below 0.
        scale: float32, shape () or (c, 1, ...).
        zero_point: float32, the same shape.
    """

    bit_width: int
    highest: int
    is_signed: bool
    scale: np.ndarray
    zero_point: np.ndarray

    @classmethod
    def of(cls, grid: Grid, highest: int) -> GridValues:
        """Return the values of a grid."""
        scale, zero_point = grid.scale.detach().numpy(), grid.zero_point.detach().numpy()
        return cls(grid.bit_width, highest, grid.is_signed, scale, zero_point)


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
        image_shape: Channels, rows and columns of an image.
    """

    steps: Sequence[Step]
    weights: Mapping[str, WeightValues]
    grids: Mapping[str, GridValues]
    arrays: Mapping[str, np.ndarray]
    n_classes: int
    image_shape: ImageShape = IMAGE_SHAPE

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


def load_model(config: TrialConfig, state: Mapping[str, Tensor], images: ImageFormat) -> nn.Module:
    """Return the network of a trial in evaluation, with the state of a checkpoint.

    Args:
        config: The trial.
        state: State of its network.
        images: Shape of its images, and its classes.
    """
    model = build_model(config, images, initial=dict(state))
    model.load_state_dict(dict(state))
    return model.eval()


def describe_network(model: nn.Module, image_shape: ImageShape = IMAGE_SHAPE) -> Network:
    """Return what a network computes.

    Args:
        model: A trained network in evaluation.
        image_shape: Channels, rows and columns of its images.

    Raises:
        ResultsError: One of its quantizers has no range, or it has a step that is not known.
    """
    try:
        forward = forward_steps(model, image_shape)
    except NotImplementedError as error:
        raise ResultsError(str(error)) from error
    _check_calibrated(model)
    encoded = encoded_weights(model)
    names = _array_names(forward.steps)
    weights = {name: _weight_values(weight) for name, weight in encoded.items() if name in names}
    return Network(
        steps=forward.steps,
        weights=weights,
        grids={step["grid"]: _fixed_grid(step["grid"], model) for step in forward.steps if step["op"] == "quantize"},
        arrays=_arrays([name for name in names if name not in weights], model.state_dict()),
        n_classes=forward.n_outputs,
        image_shape=image_shape,
    )


def _check_calibrated(model: nn.Module) -> None:
    names = {quantizer: name for name, quantizer in model.named_modules()}
    without_range = [names[quantizer] for quantizer in quantizers(model) if not quantizer.is_initialized]
    if without_range:
        raise ResultsError(
            f"a network is exported once its quantizers have a range, {without_range[0]} has none; train it first"
        )


def _weight_values(weight: Encoded) -> WeightValues:
    grid = GridValues.of(weight.grid, 2**weight.grid.bit_width - 1)
    return WeightValues(**vars(grid), levels=weight.levels.numpy())


def _fixed_grid(name: str, model: nn.Module) -> GridValues:
    quantizer: Quantizer = model.get_submodule(name)  # type: ignore[assignment]
    with torch.no_grad():
        return GridValues.of(quantizer.fixed_grid(), quantizer.high - quantizer.low)


def _array_names(steps: Sequence[Step]) -> list[str]:
    """Return the names of the weights, biases and statistics that steps use, as in the state of the network."""
    names = [step[part] for step in steps for part in ("weight", "bias") if part in step]
    return names + [f"{step['name']}.{part}" for step in steps if step["op"] == "batch_norm" for part in _BATCH_NORM]


def _arrays(names: Sequence[str], state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return arrays of the state of a network; batch norm without factor and summand has 1 and 0 there."""
    found = {name: state[name].detach().numpy() for name in names if name in state}
    for name in names:
        if name not in found:
            layer, _, part = name.rpartition(".")
            mean = state[f"{layer}.running_mean"].numpy()
            found[name] = np.ones_like(mean) if part == "weight" else np.zeros_like(mean)
    return found
