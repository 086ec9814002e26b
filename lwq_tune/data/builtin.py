"""The data sets that are known by a name: their images, their classes, how many there are. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from lwq_tune.models.image_format import ImageFormat


@dataclass(frozen=True)
class BuiltinSet:
    """A data set that is part of scikit-learn, or that torchvision can download.

    Attributes:
        image_format: Of its images as they are published, for the digits as they are enlarged.
        n_train: Training images.
        n_test: Test images.
    """

    image_format: ImageFormat
    n_train: int
    n_test: int


# scikit-learn's 1,797 digits, of which every fifth is a test image; the others as published, of STL-10 what has labels.
BUILTIN_SETS = {
    "digits": BuiltinSet(ImageFormat(3, 32, 32, 10), 1437, 360),
    "cifar10": BuiltinSet(ImageFormat(3, 32, 32, 10), 50_000, 10_000),
    "cifar100": BuiltinSet(ImageFormat(3, 32, 32, 100), 50_000, 10_000),
    "mnist": BuiltinSet(ImageFormat(1, 28, 28, 10), 60_000, 10_000),
    "fashion_mnist": BuiltinSet(ImageFormat(1, 28, 28, 10), 60_000, 10_000),
    "svhn": BuiltinSet(ImageFormat(3, 32, 32, 10), 73_257, 26_032),
    "stl10": BuiltinSet(ImageFormat(3, 96, 96, 10), 5_000, 8_000),
}
