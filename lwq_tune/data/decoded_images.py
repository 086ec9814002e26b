"""A whole data set as arrays: what the node's cache keeps, and what tensors are made of. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IMAGES_AT_A_TIME = 1000  # numpy.bincount makes eight bytes of each pixel


@dataclass(frozen=True)
class DecodedImages:
    """Images and labels of both splits.

    Attributes:
        train_images: Shape (n, 3, 32, 32), uint8.
        train_labels: Shape (n,), int64, from 0 to ``num_classes - 1``.
        test_images: Likewise, of the test images.
        test_labels: Likewise; `lwq_tune.data.labels.UNKNOWN_CLASS` where training has no such label.
        mean: Shape (3,), float32, channel means of the training images in [0, 1].
        std: Shape (3,), float32, channel standard deviations of the same.
        num_classes: Classes.
        notes: What a user should know about the images, a line each.
        n_read_otherwise: Images whose pixels earlier versions read otherwise.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    num_classes: int
    notes: tuple[str, ...] = ()
    n_read_otherwise: int = 0


def channel_statistics(images: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each channel, scaled to [0, 1], shape (3,) each.

    Computed from the 256 counts of each channel, exactly and with no float copy of the images.

    Args:
        images: Shape (n, 3, h, w), uint8; an array, or a tensor on the CPU.
    """
    pixels = np.asarray(images)
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(pixels), _IMAGES_AT_A_TIME):
        part = pixels[start : start + _IMAGES_AT_A_TIME]
        for channel in range(3):
            counts[channel] += np.bincount(part[:, channel].reshape(-1), minlength=256)
    levels = np.arange(256, dtype=np.float64) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    variance = shares @ levels**2 - mean**2
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)
