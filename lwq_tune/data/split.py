"""The validation split: seeded, stratified, the same for every trial of a sweep. Torch is imported when it splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lwq_tune.errors import DatasetError

if TYPE_CHECKING:
    from torch import Tensor

    from lwq_tune.data.images import ImageSet


def n_validation_images(n_images: int, fraction: float) -> int:
    """Return how many of the images of a class are held out: the fraction, at least one where there are two.

    >>> [n_validation_images(n_images, 0.1) for n_images in (1, 2, 5, 26, 5000)]
    [0, 1, 1, 3, 500]
    """
    return max(round(fraction * n_images), 1) if n_images > 1 else 0


def check_split(class_counts: Sequence[int], fraction: float) -> str | None:
    """Check that some images can be held out; return a warning about how many, if one is needed.

    Args:
        class_counts: Training images of each class.
        fraction: Share of each class that goes to validation.

    Returns:
        A warning where the share is not what was asked for, or where some classes have no image to hold out.

    Raises:
        DatasetError: No class has two images.
    """
    n_val, n_images = sum(n_validation_images(n, fraction) for n in class_counts), sum(class_counts)
    n_single = sum(n == 1 for n in class_counts)
    if n_val == 0:
        raise _nothing_to_hold_out(len(class_counts))
    warnings = []
    if abs(n_val - fraction * n_images) > 0.5 * fraction * n_images:
        smallest = min(n for n in class_counts if n > 1)
        warnings.append(
            f"validation holds {n_val:,} of {n_images:,} training images ({n_val / n_images:.1%}) at "
            f"validation_fraction {fraction:g}, as each class with two images gives one at least (the smallest has "
            f"{smallest})"
        )
    if n_single:
        warnings.append(f"{n_single:,} of {len(class_counts):,} classes have a single image, which is not held out")
    return f"warning: {'; '.join(warnings)}" if warnings else None


def split_indices(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the training and the validation part, each in rising order.

    Each class gives the same fraction (rounded, but at least one image of two) to validation, so that a small
    validation set is no matter of luck.

    Args:
        labels: Shape (n,), int64.
        fraction: Share of each class that goes to validation, in (0, 0.5].
        seed: Seed of the choice.

    Raises:
        DatasetError: No class has two images.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    is_validation = torch.zeros(len(labels), dtype=torch.bool)
    class_counts = torch.unique(labels, return_counts=True)[1].tolist()
    # Sorted once: a search for each class took 25 s for 100,000 classes with two images each.
    for members in torch.argsort(labels, stable=True).split_with_sizes(class_counts):
        order = torch.randperm(len(members), generator=generator)
        is_validation[members[order[: n_validation_images(len(members), fraction)]]] = True
    if not is_validation.any():
        raise _nothing_to_hold_out(len(labels))
    return (~is_validation).nonzero().flatten(), is_validation.nonzero().flatten()


def split_validation(train: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Return the training and the validation part of a training set; they share its memory."""
    train_indices, val_indices = split_indices(train.labels.cpu(), fraction, seed)
    return train.part(train_indices), train.part(val_indices)


def _nothing_to_hold_out(n_classes: int) -> DatasetError:
    return DatasetError(
        f"a class needs two training images so that one can be held out for validation, none of {n_classes:,} has; see "
        "whether the labels number the images instead of the classes"
    )
