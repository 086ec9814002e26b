"""The validation split: seeded, stratified, the same for every trial of a sweep."""

from __future__ import annotations

import torch
from torch import Tensor

from lwq_tune.data.images import ImageSet
from lwq_tune.errors import DatasetError


def split_indices(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the training and the validation part, each in rising order.

    Each class gives the same fraction (rounded) to validation, so that a small validation set is no
    matter of luck.

    Args:
        labels: Shape (n,), int64.
        fraction: Share of each class that goes to validation, in (0, 1).
        seed: Seed of the choice.

    Raises:
        DatasetError: A part would be empty.
    """
    generator = torch.Generator().manual_seed(seed)
    is_validation = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels):
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        is_validation[members[order[: round(fraction * len(members))]]] = True
    if is_validation.all() or not is_validation.any():
        raise DatasetError(
            f"training and validation part must both hold images, got {int(is_validation.sum())} for "
            f"validation of {len(labels)} at validation_fraction {fraction}"
        )
    return (~is_validation).nonzero().flatten(), is_validation.nonzero().flatten()


def split_validation(train: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Return the training and the validation part of a training set; they share its memory."""
    train_indices, val_indices = split_indices(train.labels.cpu(), fraction, seed)
    return train.part(train_indices), train.part(val_indices)
