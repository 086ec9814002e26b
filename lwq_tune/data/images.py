"""Image sets in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images and labels of one split, or of a part of it that shares the memory of the whole.

    Attributes:
        images: Shape (n, 3, 32, 32), uint8.
        labels: Shape (n,), int64.
        indices: Shape (m,), which of them belong to the part; None for all.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor | None = None

    def __len__(self) -> int:
        return int((self.labels if self.indices is None else self.indices).shape[0])

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.labels.device

    def part(self, indices: Tensor) -> ImageSet:
        """Return the images at ``indices`` of a whole set, shape (m,), without a copy."""
        return ImageSet(self.images, self.labels, indices.to(self.device))

    def take(self, which: Tensor) -> ImageSet:
        """Return a copy of the images at the positions ``which``, shape (k,), in that order."""
        indices = which if self.indices is None else self.indices[which]
        return ImageSet(self.images[indices], self.labels[indices])

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images and labels in order, ``batch_size`` at a time."""
        for start in range(0, len(self), batch_size):
            end = min(start + batch_size, len(self))
            if self.indices is None:
                yield self.images[start:end], self.labels[start:end]
            else:
                indices = self.indices[start:end]
                yield self.images[indices], self.labels[indices]

    def to(self, device: torch.device) -> ImageSet:
        """Return the set on ``device``."""
        indices = None if self.indices is None else self.indices.to(device)
        return ImageSet(self.images.to(device), self.labels.to(device), indices)


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
