"""Batches, augmentation and normalisation as operations on whole batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from lwq_tune.data.images import ImageSet


def crop_padding(height: int, width: int) -> int:
    """Return by how many pixels images are padded on each side before they are cropped: an eighth of the shorter side.

    >>> crop_padding(32, 32), crop_padding(28, 28), crop_padding(64, 96)
    (4, 3, 8)
    """
    return min(height, width) // 8


class Normalizer:
    """Map uint8 images to floats of zero mean and unit variance per channel, channels last.

    Args:
        mean: Shape (c,), channel means in [0, 1].
        std: Shape (c,), channel standard deviations.
        device: Where the images are.
    """

    def __init__(self, mean: Tensor, std: Tensor, device: torch.device) -> None:
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``images``, shape (n, c, h, w) uint8, as float32 of the same shape."""
        floats = images.to(torch.float32, memory_format=torch.channels_last)
        return floats.mul_(self._scale).add_(self._shift)


@dataclass(frozen=True)
class Augmentation:
    """How each of some images is shifted and mirrored.

    Attributes:
        offsets: Rows and columns between the image and its padded copy, shape (2, n, 1), in [0, 2 * padding].
        is_flipped: Which are mirrored left to right, shape (n, 1); None for none.
        padding: Pixels of zeros on each side of the padded copy.
    """

    offsets: Tensor
    is_flipped: Tensor | None
    padding: int

    @classmethod
    def draw(
        cls, kind: str, n_images: int, padding: int, generator: torch.Generator, device: torch.device
    ) -> Self | None:
        """Draw the augmentation of ``n_images`` images: ``crop_flip``, ``crop``, or None for ``none``.

        Shifts are uniform, by at most ``padding`` pixels; an image is mirrored with probability one half. The generator
        is on the CPU, so that a trial sees the same images everywhere.
        """
        if kind == "none":
            return None
        offsets = torch.randint(0, 2 * padding + 1, (2, n_images, 1), generator=generator).to(device)
        if kind == "crop":
            return cls(offsets, None, padding)
        is_flipped = torch.rand((n_images, 1), generator=generator) < 0.5
        return cls(offsets, is_flipped.to(device), padding)

    def part(self, start: int, n_images: int) -> Augmentation:
        """Return the augmentation of ``n_images`` of the images, from ``start``."""
        images = slice(start, start + n_images)
        is_flipped = None if self.is_flipped is None else self.is_flipped[images]
        return Augmentation(self.offsets[:, images], is_flipped, self.padding)

    def apply(self, images: Tensor) -> Tensor:
        """Return each image, shape (n, c, h, w), shifted, zeros moving in, and perhaps mirrored."""
        n_images, _, height, width = images.shape
        columns = torch.arange(width, device=images.device).expand(n_images, width)
        if self.is_flipped is not None:
            columns = torch.where(self.is_flipped, columns.flip(1), columns)
        rows = self.offsets[0] + torch.arange(height, device=images.device)
        padded = torch.nn.functional.pad(images, (self.padding,) * 4)
        flat = (rows[:, :, None] * padded.shape[3] + (self.offsets[1] + columns)[:, None, :]).view(n_images, 1, -1)
        return padded.flatten(2).gather(2, flat.expand(-1, images.shape[1], -1)).view(images.shape)


def training_batches(
    data: ImageSet, batch_size: int, augmentation: str, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images once in random order, as (images uint8, labels).

    A last batch of a single image is left out, since batch norm has no variance there. What is random goes to the
    device once per epoch: a copy per step would wait for the GPU.
    """
    order = torch.randperm(len(data), generator=generator).to(data.device)
    padding = crop_padding(*data.images.shape[2:])
    shifts = Augmentation.draw(augmentation, len(data), padding, generator, data.device)
    for start in range(0, len(data), batch_size):
        indices = order[start : start + batch_size]
        if len(indices) > 1:
            batch = data.take(indices)
            images = batch.images if shifts is None else shifts.part(start, len(indices)).apply(batch.images)
            yield images, batch.labels


def n_training_batches(n_images: int, batch_size: int) -> int:
    """Return the number of batches that `training_batches` yields.

    >>> n_training_batches(10, 4), n_training_batches(9, 4)
    (3, 2)
    """
    full, rest = divmod(n_images, batch_size)
    return full + (rest > 1)
