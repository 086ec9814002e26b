"""Image sets in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lwq_tune.data.decoded_images import DecodedImages, channel_statistics
from lwq_tune.models.image_format import ImageFormat


@dataclass(frozen=True)
class ImageSet:
    """Images and labels of one split, or of a part of it that shares the memory of the whole.

    Attributes:
        images: Shape (n, c, h, w), uint8; one channel for gray, three for colour.
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

    def known(self) -> tuple[ImageSet, int]:
        """Return the images whose class training has, and how many others there are."""
        is_known = (self.labels if self.indices is None else self.labels[self.indices]) >= 0
        n_unknown = int((~is_known).sum())
        if n_unknown == 0:
            return self, 0
        known = is_known.nonzero().flatten()
        return self.part(known if self.indices is None else self.indices[known]), n_unknown

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
        train: Training images, those for validation included.
        test: Test images; a label is `lwq_tune.data.labels.UNKNOWN_CLASS` where no training image has it.
        num_classes: Classes.
        mean: Shape (c,), channel means of the training images in [0, 1].
        std: Shape (c,), channel standard deviations of the same.
    """

    train: ImageSet
    test: ImageSet
    num_classes: int
    mean: Tensor
    std: Tensor

    @property
    def image_format(self) -> ImageFormat:
        """Shape of its images, and its classes."""
        channels, height, width = self.train.images.shape[1:]
        return ImageFormat(channels, height, width, self.num_classes)


def make_dataset(train: ImageSet, test: ImageSet, num_classes: int) -> Dataset:
    """Return a data set with the channel statistics of its training images."""
    mean, std = (torch.from_numpy(values) for values in channel_statistics(train.images))
    return Dataset(train, test, num_classes, mean, std)


def as_dataset(decoded: DecodedImages) -> Dataset:
    """Return decoded images as tensors, which share their memory."""
    train = ImageSet(torch.from_numpy(decoded.train_images), torch.from_numpy(decoded.train_labels))
    test = ImageSet(torch.from_numpy(decoded.test_images), torch.from_numpy(decoded.test_labels))
    mean, std = torch.from_numpy(decoded.mean), torch.from_numpy(decoded.std)
    return Dataset(train, test, decoded.num_classes, mean, std)


def as_arrays(dataset: Dataset) -> DecodedImages:
    """Return a data set on the CPU as arrays, which share its memory."""
    return DecodedImages(
        dataset.train.images.numpy(),
        dataset.train.labels.numpy(),
        dataset.test.images.numpy(),
        dataset.test.labels.numpy(),
        dataset.mean.numpy(),
        dataset.std.numpy(),
        dataset.num_classes,
    )
