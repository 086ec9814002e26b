"""A whole data set as arrays: what the node's cache keeps, and what tensors are made of. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwq_tune.errors import DatasetError
from lwq_tune.host.hardware import free_memory_mib

_PIXELS_AT_A_TIME = 2**20  # numpy.bincount makes eight bytes of each pixel


@dataclass(frozen=True)
class DecodedImages:
    """Images and labels of both splits.

    Attributes:
        train_images: Shape (n, c, h, w), uint8; one channel for gray, three for colour.
        train_labels: Shape (n,), int64, from 0 to ``num_classes - 1``.
        test_images: Likewise, of the test images.
        test_labels: Likewise; `lwq_tune.data.labels.UNKNOWN_CLASS` where training has no such label.
        mean: Shape (c,), float32, channel means of the training images in [0, 1].
        std: Shape (c,), float32, channel standard deviations of the same.
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
    """Return mean and standard deviation of each channel, scaled to [0, 1], shape (c,) each.

    Computed from the 256 counts of each channel, exactly and with no float copy of the images.

    Args:
        images: Shape (n, c, h, w), uint8; an array, or a tensor on the CPU.
    """
    pixels = np.asarray(images)
    n_channels, height, width = pixels.shape[1:]
    n_at_a_time = max(1, _PIXELS_AT_A_TIME // (height * width))
    counts = np.zeros((n_channels, 256), dtype=np.int64)
    for start in range(0, len(pixels), n_at_a_time):
        part = pixels[start : start + n_at_a_time]
        for channel in range(n_channels):
            counts[channel] += np.bincount(part[:, channel].reshape(-1), minlength=256)
    levels = np.arange(256, dtype=np.float64) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    variance = shares @ levels**2 - mean**2
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)


def check_memory(n_images: int, shape: tuple[int, int, int], dataset: str) -> None:
    """Check that the images of a data set fit into the memory that is free.

    Args:
        n_images: Images of both splits.
        shape: Channels, height and width of each.
        dataset: Its name, for the message.

    Raises:
        DatasetError: They do not.
    """
    free_mib = free_memory_mib()
    n_channels, height, width = shape
    needed_mib = n_images * n_channels * height * width / 2**20
    if free_mib is None or needed_mib <= free_mib:
        return
    fitting = math.isqrt(int(free_mib * 2**20 / (n_images * n_channels)))
    raise DatasetError(
        f"the images of a data set must fit into memory, {n_images:,} of {n_channels}x{height}x{width} in {dataset} "
        f"take {needed_mib:,.0f} MiB and {free_mib:,.0f} MiB are free; say image_size: N, at most {fitting}, or free "
        "memory"
    )
