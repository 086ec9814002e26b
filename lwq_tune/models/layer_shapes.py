"""Layer shapes of the CIFAR residual networks: plain arithmetic that the model and the costs share.

He et al. 2016, section 4.2, and Ikram et al. 2025, Table 2: a 3x3 stem to 16 channels at 32 pixels, then
stages of basic blocks whose channels double while the resolution halves. Where a block changes the shape,
its shortcut is a 1x1 convolution (option B).
"""

from __future__ import annotations

from dataclasses import dataclass

MODEL_BLOCKS: dict[str, tuple[int, ...]] = {
    "resnet14": (2, 2, 2),
    "resnet20": (3, 3, 3),
    "resnet32": (5, 5, 5),
    "resnet44": (7, 7, 7),
    "resnet56": (9, 9, 9),
}
FULL_PRECISION_BITS = 32  # of a weight or activation that is not quantized
IMAGE_SIZE = 32
IMAGE_CHANNELS = 3
STEM_CHANNELS = 16


@dataclass(frozen=True)
class LayerShape:
    """One convolution or linear layer.

    Attributes:
        name: Its name in the built model, such as ``layer1.0.conv1``.
        stage: 1-based residual stage, or None for stem and classifier, which stay in full precision.
        n_weights: Weights, biases not counted.
        macs: Multiply-accumulates for one image.
    """

    name: str
    stage: int | None
    n_weights: int
    macs: int


def stage_channels(n_stages: int, width: float) -> tuple[int, ...]:
    """Return the channels of each stage; the stem has those of the first.

    >>> stage_channels(3, 1.0), stage_channels(3, 0.5)
    ((16, 32, 64), (8, 16, 32))
    """
    return tuple(max(1, round(STEM_CHANNELS * width)) * 2**stage for stage in range(n_stages))


def _convolution(name: str, stage: int | None, c_in: int, c_out: int, kernel: int, size: int) -> LayerShape:
    n_weights = c_out * c_in * kernel * kernel
    return LayerShape(name, stage, n_weights, n_weights * size * size)


def layer_shapes(blocks: tuple[int, ...], width: float, num_classes: int) -> tuple[LayerShape, ...]:
    """Return the shapes of all layers that hold weights, in forward order.

    Args:
        blocks: Basic blocks per stage, such as (2, 2, 2).
        width: Multiplier on all channels.
        num_classes: Outputs of the classifier.

    >>> sum(shape.n_weights for shape in layer_shapes((2, 2, 2), 1.0, 10))
    174128
    """
    channels = stage_channels(len(blocks), width)
    shapes = [_convolution("conv1", None, IMAGE_CHANNELS, channels[0], 3, IMAGE_SIZE)]
    c_in = channels[0]
    for stage, (n_blocks, c_out) in enumerate(zip(blocks, channels, strict=True), start=1):
        size = IMAGE_SIZE // 2 ** (stage - 1)
        for block in range(n_blocks):
            prefix = f"layer{stage}.{block}"
            shapes.append(_convolution(f"{prefix}.conv1", stage, c_in, c_out, 3, size))
            shapes.append(_convolution(f"{prefix}.conv2", stage, c_out, c_out, 3, size))
            if c_in != c_out:
                shapes.append(_convolution(f"{prefix}.shortcut.0", stage, c_in, c_out, 1, size))
            c_in = c_out
    shapes.append(LayerShape("fc", None, c_in * num_classes, c_in * num_classes))
    return tuple(shapes)
