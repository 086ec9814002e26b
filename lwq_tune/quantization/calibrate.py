"""Calibration: let every quantizer set its range from real images before the network trains or is evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from lwq_tune.errors import ConfigError
from lwq_tune.quantization.quantizers.base import Quantizer


def quantizers(model: nn.Module) -> list[Quantizer]:
    """Return all quantizers of a model."""
    return [module for module in model.modules() if isinstance(module, Quantizer)]


@contextlib.contextmanager
def _batch_norm(model: nn.Module, *, batch_statistics: bool) -> Iterator[None]:
    """Let batch norm use the statistics of the batch, or the running ones; the running ones stay as they are."""
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    counts = [layer.num_batches_tracked.clone() for layer in layers if layer.num_batches_tracked is not None]
    was_training = model.training
    model.train()
    for layer in layers:
        layer.train(batch_statistics)
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, count in zip(layers, momenta, counts, strict=True):
            layer.momentum = momentum
            layer.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
        model.train(was_training)


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Tensor], *, batch_statistics: bool) -> None:
    """Set the range of every quantizer that has none, in forward order, each seeing what those before leave.

    A learned range is the mean of what each batch alone would set; moving averages take in all batches. Parameters
    and running statistics of batch norm stay as they are.

    Args:
        model: A prepared network.
        batches: Normalised images, shape (n, c, h, w) each.
        batch_statistics: True before training, where batch norm will see its own batches; False for a trained
            network that is only evaluated.

    Raises:
        ConfigError: A quantizer saw nothing.
    """
    without_range = [quantizer for quantizer in quantizers(model) if not quantizer.is_initialized]
    for quantizer in without_range:
        quantizer.is_calibrating = True
    with _batch_norm(model, batch_statistics=batch_statistics):
        for images in batches:
            model(images)
    for quantizer in without_range:
        quantizer.is_calibrating = False
    if not all(quantizer.is_initialized for quantizer in without_range):
        raise ConfigError("calibration needs at least one batch of images, got none")
