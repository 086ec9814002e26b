"""Batches, augmentation and normalisation as operations on whole batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lwq_tune.data.images import ImageSet

CROP_PADDING = 4


class Normalizer:
    """Map uint8 images to floats of zero mean and unit variance per channel, channels last."""

    def __init__(self, mean: Tensor, std: Tensor, device: torch.device) -> None:
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1).to(device)
        self._shift = (-mean / std).view(1, 3, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``images``, shape (n, 3, h, w) uint8, as float32 of the same shape."""
        floats = images.to(torch.float32, memory_format=torch.channels_last)
        return floats.mul_(self._scale).add_(self._shift)


def crop_and_flip(images: Tensor, generator: torch.Generator, *, flip: bool, padding: int = CROP_PADDING) -> Tensor:
    """Return each image shifted by up to ``padding`` pixels each way, zeros moving in, and perhaps mirrored.

    Args:
        images: Shape (n, c, h, w).
        generator: On the CPU; draws one offset per image and axis, and the mirrored images.
        flip: Whether each image is mirrored left to right with probability one half.
        padding: Largest shift in pixels.
    """
    n_images, _, height, width = images.shape
    offsets = torch.randint(0, 2 * padding + 1, (2, n_images, 1), generator=generator).to(images.device)
    columns = torch.arange(width, device=images.device).expand(n_images, width)
    if flip:
        is_flipped = torch.rand((n_images, 1), generator=generator).to(images.device) < 0.5
        columns = torch.where(is_flipped, columns.flip(1), columns)
    rows = offsets[0] + torch.arange(height, device=images.device)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    flat = (rows[:, :, None] * padded.shape[3] + (offsets[1] + columns)[:, None, :]).view(n_images, 1, -1)
    return padded.flatten(2).gather(2, flat.expand(-1, images.shape[1], -1)).view(images.shape)


def augment(images: Tensor, augmentation: str, generator: torch.Generator) -> Tensor:
    """Return augmented images; ``augmentation`` is ``crop_flip``, ``crop`` or ``none``."""
    if augmentation == "none":
        return images
    return crop_and_flip(images, generator, flip=augmentation == "crop_flip")


def training_batches(
    data: ImageSet, batch_size: int, augmentation: str, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images once in random order, as (images uint8, labels).

    A last batch of a single image is left out, since batch norm has no variance there.
    """
    order = torch.randperm(len(data), generator=generator)
    for indices in torch.split(order, batch_size):
        if len(indices) > 1:
            batch = data.take(indices.to(data.device))
            yield augment(batch.images, augmentation, generator), batch.labels


def n_training_batches(n_images: int, batch_size: int) -> int:
    """Return the number of batches that `training_batches` yields.

    >>> n_training_batches(10, 4), n_training_batches(9, 4)
    (3, 2)
    """
    full, rest = divmod(n_images, batch_size)
    return full + (rest > 1)
