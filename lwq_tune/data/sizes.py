"""How many images a data set has, without decoding one. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from lwq_tune.data.hub_folder import open_hub_folder
from lwq_tune.data.split import n_validation_images

# scikit-learn's 1,797 digits, of which every fifth is a test image; the CIFAR sets as published.
BUILTIN_COUNTS = {"digits": (1437, 360), "cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000)}


@dataclass(frozen=True)
class ImageCounts:
    """Images of a data set; the validation part is one of ``n_train``.

    Attributes:
        n_train: Training images.
        n_test: Test images.
        are_encoded: Whether a process that loads them has to decode each.
        class_counts: Training images of each class; empty where all classes have many.
    """

    n_train: int
    n_test: int
    are_encoded: bool = False
    class_counts: tuple[int, ...] = ()

    def n_validation(self, fraction: float) -> int:
        """Return how many training images are held out.

        >>> ImageCounts(1000, 200).n_validation(0.1), ImageCounts(1000, 200, class_counts=(5,) * 200).n_validation(0.1)
        (100, 200)
        """
        if not self.class_counts:
            return round(fraction * self.n_train)
        return sum(n_validation_images(n_images, fraction) for n_images in self.class_counts)


def count_images(dataset: str) -> ImageCounts:
    """Return how many images there are in a built-in data set or a folder in Hub layout.

    Raises:
        DatasetError: It is neither, or a file cannot be read.
    """
    if dataset in BUILTIN_COUNTS:
        return ImageCounts(*BUILTIN_COUNTS[dataset])
    hub = open_hub_folder(dataset)
    return ImageCounts(hub.n_images["train"], hub.n_images["test"], are_encoded=True, class_counts=hub.labels.counts)
