"""Describes data sets and counts their images, without loading one. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lwq_tune.data.hub_folder import open_hub_folder
from lwq_tune.data.hub_layout import ALTERNATIVES, FolderAddress
from lwq_tune.data.labels import Label
from lwq_tune.data.split import n_validation_images
from lwq_tune.errors import DatasetError, near_miss
from lwq_tune.models.image_format import ImageFormat

BUILTIN_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}
# scikit-learn's 1,797 digits, of which every fifth is a test image; the CIFAR sets as published.
BUILTIN_COUNTS = {"digits": (1437, 360), "cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000)}


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that exists, or that torchvision can download.

    Attributes:
        dataset: Built-in name, or absolute path of a Hub-layout folder with the choices behind it.
        num_classes: Classes.
        digest: First 16 hex digits of the SHA-256 of a folder's Parquet files; None for built-in names.
        classes: Label of each class.
        class_names: Name of each class, where the files hold them.
        class_counts: Training images of each class; empty for built-in names, which have hundreds of each.
        notes: How the files are used, and warnings about the labels, a line each.
    """

    dataset: str
    num_classes: int
    digest: str | None
    classes: tuple[Label, ...]
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image_format(self) -> ImageFormat:
        """The form of its images."""
        return ImageFormat(3, 32, 32, self.num_classes)

    def record(self) -> dict[str, Any]:
        """Return its record for a manifest."""
        return {
            "dataset": self.dataset,
            "num_classes": self.num_classes,
            "digest": self.digest,
            "classes": list(self.classes),
            "class_names": list(self.class_names),
            "notes": list(self.notes),
        }


def describe_dataset(dataset: str) -> DatasetInfo:
    """Return what is known about a data set without loading its images.

    Raises:
        DatasetError: Neither a built-in name nor a readable folder in Hub layout.
    """
    if dataset in BUILTIN_CLASSES:
        n_classes = BUILTIN_CLASSES[dataset]
        return DatasetInfo(dataset, n_classes, None, tuple(range(n_classes)))
    hint = near_miss(dataset, BUILTIN_CLASSES)
    if hint and not FolderAddress.parse(dataset).folder.exists():
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder{hint}; {ALTERNATIVES}")
    hub = open_hub_folder(dataset)
    return DatasetInfo(
        dataset=str(hub.address),
        num_classes=len(hub.labels.values),
        digest=hub.digest(),
        classes=hub.labels.values,
        class_names=hub.labels.names,
        class_counts=hub.labels.counts,
        notes=tuple(hub.describe()),
    )


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
