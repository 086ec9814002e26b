"""Layers of the CIFAR residual networks: plain arithmetic, so that costs need no torch.

He et al. 2016, section 4.2, and Ikram et al. 2025, Table 2: a 3x3 stem to 16 channels, then stages of basic blocks
whose channels double while the resolution halves. Where a block changes the shape, its shortcut is a 1x1 convolution
(option B).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.network import Kind, Layer

MODEL_BLOCKS: dict[str, tuple[int, ...]] = {
    "resnet14": (2, 2, 2),
    "resnet20": (3, 3, 3),
    "resnet32": (5, 5, 5),
    "resnet44": (7, 7, 7),
    "resnet56": (9, 9, 9),
}
FULL_PRECISION_BITS = 32  # of a weight or activation that is not quantized
STEM_CHANNELS = 16
STEM, CLASSIFIER = "conv1", "fc"


def stage_channels(n_stages: int, width: float) -> tuple[int, ...]:
    """Return the channels of each stage; the stem has those of the first.

    >>> stage_channels(3, 1.0), stage_channels(3, 0.5)
    ((16, 32, 64), (8, 16, 32))
    """
    return tuple(max(1, round(STEM_CHANNELS * width)) * 2**stage for stage in range(n_stages))


def layer_names(blocks: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of all layers that hold weights, in the order in which the network holds them.

    >>> layer_names((1, 1))
    ('conv1', 'layer1.0.conv1', 'layer1.0.conv2', 'layer2.0.conv1', 'layer2.0.conv2', 'layer2.0.shortcut.0', 'fc')
    """
    return tuple(_sizes(blocks, 1.0, ImageFormat()))


def layer_shapes(
    blocks: tuple[int, ...], width: float, images: ImageFormat, units: Mapping[str, int] | None = None
) -> tuple[Layer, ...]:
    """Return all layers that hold weights, in forward order.

    Args:
        blocks: Basic blocks per stage, such as (2, 2, 2).
        width: Multiplier on all channels.
        images: What the network is built for.
        units: Number of the unit of each layer that has one; by default its residual stage.

    >>> sum(layer.n_weights for layer in layer_shapes((2, 2, 2), 1.0, ImageFormat()))
    174128
    """
    units = stages_of(layer_names(blocks)) if units is None else units
    return tuple(
        Layer(
            name, kind, units.get(name), n_weights, macs, n_in, n_out, name in (STEM, CLASSIFIER) and name not in units
        )
        for name, (kind, n_weights, macs, n_in, n_out) in _sizes(blocks, width, images).items()
    )


def stages_of(names: tuple[str, ...]) -> dict[str, int]:
    """Return the residual stage of each layer that is in one.

    >>> stages_of(("conv1", "layer1.0.conv1", "layer2.0.conv1"))
    {'layer1.0.conv1': 1, 'layer2.0.conv1': 2}
    """
    return {name: int(name.partition(".")[0].removeprefix("layer")) for name in names if name.startswith("layer")}


_Sizes = tuple[Kind, int, int, int, int]  # kind, weights, multiply-accumulates, values read, values written


def _sizes(blocks: tuple[int, ...], width: float, images: ImageFormat) -> dict[str, _Sizes]:
    channels = stage_channels(len(blocks), width)
    size = images.height, images.width
    sizes = {STEM: _convolution(images.channels, channels[0], 3, size, size)}
    c_in = channels[0]
    for stage, (n_blocks, c_out) in enumerate(zip(blocks, channels, strict=True), start=1):
        for block in range(n_blocks):
            size_in, size = size, _halved(size) if stage > 1 and block == 0 else size
            for name, values in _block(c_in, c_out, size_in, size):
                sizes[f"layer{stage}.{block}.{name}"] = values
            c_in = c_out
    n_weights = c_in * images.num_classes
    sizes[CLASSIFIER] = ("linear", n_weights, n_weights, c_in, images.num_classes)
    return sizes


def _block(c_in: int, c_out: int, size_in: tuple[int, int], size: tuple[int, int]) -> Iterator[tuple[str, _Sizes]]:
    yield "conv1", _convolution(c_in, c_out, 3, size_in, size)
    yield "conv2", _convolution(c_out, c_out, 3, size, size)
    if c_in != c_out:
        yield "shortcut.0", _convolution(c_in, c_out, 1, size_in, size)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size after a 3x3 convolution of stride 2 with a border of 1, or a 1x1 one without."""
    return -(-size[0] // 2), -(-size[1] // 2)


def _convolution(c_in: int, c_out: int, kernel: int, size_in: tuple[int, int], size: tuple[int, int]) -> _Sizes:
    n_weights, n_pixels = c_out * c_in * kernel * kernel, size[0] * size[1]
    return "conv", n_weights, n_weights * n_pixels, c_in * size_in[0] * size_in[1], c_out * n_pixels
