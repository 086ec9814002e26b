"""Image sets in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images and labels of one split.

    Attributes:
        images: Shape (n, 3, 32, 32), uint8.
        labels: Shape (n,), int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    def take(self, indices: Tensor) -> ImageSet:
        """Return the images at ``indices``, shape (m,), in that order."""
        return ImageSet(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> ImageSet:
        """Return the set on ``device``."""
        return ImageSet(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A data set with its own test split.

    Attributes:
        mean: Shape (3,), channel means of the training images in [0, 1].
        std: Shape (3,), channel standard deviations of the same.
    """

    train: ImageSet
    test: ImageSet
    num_classes: int
    mean: Tensor
    std: Tensor


def make_dataset(train: ImageSet, test: ImageSet, num_classes: int) -> Dataset:
    """Return a data set with the channel statistics of its training images."""
    mean, std = channel_statistics(train.images)
    return Dataset(train, test, num_classes, mean, std)


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, scaled to [0, 1].

    Computed from the 256 counts of each channel, exactly and with no float copy of the images.

    Args:
        images: Shape (n, 3, h, w), uint8.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack([torch.bincount(images[:, channel].flatten(), minlength=256) for channel in range(3)])
    shares = counts.double() / counts.sum(dim=1, keepdim=True)
    mean = shares @ levels
    variance = shares @ levels**2 - mean**2
    return mean.float(), variance.clamp_min(1e-12).sqrt().float()
