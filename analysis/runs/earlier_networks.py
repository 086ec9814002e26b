"""Networks of runs that earlier versions wrote, which have no `network.parquet`: the layers of CIFAR residual networks.

Written here from He et al. 2016, section 4.2, as the analysis imports nothing of lwq_tune but its schema; a test holds
both against each other. Nothing else computes shapes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.runs.networks import RecordedLayer, RecordedNetwork

IMAGE_SIZE, IMAGE_CHANNELS, STEM_CHANNELS = 32, 3, 16


def earlier_networks(trials: pd.DataFrame) -> list[RecordedNetwork | None]:
    """Return the network of each trial of earlier versions; None where its recorded MACs are of no such network.

    Args:
        trials: Columns ``config_model``, ``config_blocks``, ``config_width`` and ``macs``.
    """
    columns = ["config_model", "config_blocks", "config_width", "macs"]
    return [_network(*values) for values in trials[columns].itertuples(index=False, name=None)]


def _network(model: Any, blocks: Sequence[int], width: Any, macs: Any) -> RecordedNetwork | None:
    is_known = str(model).startswith("resnet") and len(blocks) > 0
    if not is_known or any(value is None or math.isnan(value) for value in (width, macs)):
        return None
    return _named_network(tuple(blocks), float(width), int(macs))


@functools.lru_cache(maxsize=256)
def _named_network(blocks: tuple[int, ...], width: float, macs: int) -> RecordedNetwork | None:
    num_classes = count_classes(blocks, width, macs)
    if num_classes is None:
        return None
    key = f"resnet of {'-'.join(map(str, blocks))} blocks, width {width:g}, {num_classes} classes"
    units = tuple(f"stage {stage}" for stage in range(1, len(blocks) + 1))
    return RecordedNetwork(key, network_layers(blocks, width, num_classes), units)


@functools.lru_cache(maxsize=256)
def network_layers(blocks: tuple[int, ...], width: float, num_classes: int) -> tuple[RecordedLayer, ...]:
    """Return the layers of the CIFAR residual network that the columns ``config_blocks`` and ``config_width`` name.

    >>> layers = network_layers((3, 3, 3), 1.0, 10)
    >>> sum(layer.macs for layer in layers), sum(layer.n_weights for layer in layers)
    (40813184, 270896)
    """
    channels = [max(1, round(STEM_CHANNELS * width)) * 2**stage for stage in range(len(blocks))]
    layers = [_convolution("conv1", None, IMAGE_CHANNELS, channels[0], 3, IMAGE_SIZE, IMAGE_SIZE)]
    c_in, size_in = channels[0], IMAGE_SIZE
    for stage, (n_blocks, c_out) in enumerate(zip(blocks, channels, strict=True), start=1):
        size = IMAGE_SIZE // 2 ** (stage - 1)
        for block in range(n_blocks):
            name = f"layer{stage}.{block}"
            layers.append(_convolution(f"{name}.conv1", stage, c_in, c_out, 3, size_in, size))
            layers.append(_convolution(f"{name}.conv2", stage, c_out, c_out, 3, size, size))
            if c_in != c_out:
                layers.append(_convolution(f"{name}.shortcut.0", stage, c_in, c_out, 1, size_in, size))
            c_in, size_in = c_out, size
    n_weights = c_in * num_classes
    layers.append(RecordedLayer("fc", "linear", None, True, n_weights, n_weights, c_in, num_classes))
    return tuple(layers)


def _convolution(
    name: str, stage: int | None, c_in: int, c_out: int, kernel: int, size_in: int, size_out: int
) -> RecordedLayer:
    n_weights = c_out * c_in * kernel * kernel
    macs, n_inputs, n_outputs = n_weights * size_out**2, c_in * size_in**2, c_out * size_out**2
    return RecordedLayer(name, "conv", stage, stage is None, n_weights, macs, n_inputs, n_outputs)


def count_classes(blocks: tuple[int, ...], width: float, macs: int) -> int | None:
    """Return the classes of a network from its recorded multiply-accumulates; None where no number gives them.

    >>> count_classes((3, 3, 3), 1.0, 40813184), count_classes((3, 3, 3), 1.0, 40813185)
    (10, None)
    """
    layers = network_layers(blocks, width, 1)
    num_classes, rest = divmod(macs - sum(layer.macs for layer in layers[:-1]), layers[-1].macs)
    return num_classes if not rest and num_classes >= 1 else None
