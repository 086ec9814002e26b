"""Describes data sets and counts their images, without loading one. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.data.address import ALTERNATIVES, DatasetAddress
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.data.folders.class_folder import has_class_folders, open_class_folder
from lwq_tune.data.folders.hub_folder import open_hub_folder
from lwq_tune.data.folders.image_folder import ImageFolder, find_folder
from lwq_tune.data.labels import Label
from lwq_tune.data.split import n_validation_images
from lwq_tune.errors import DatasetError, near_miss
from lwq_tune.models.image_format import ImageFormat


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that exists, or that torchvision can download.

    Attributes:
        dataset: Built-in name, or absolute path of a folder, with the choices behind it.
        image_format: Shape of its images, and its classes.
        digest: First 16 hex digits of the SHA-256 of a folder's files; None for built-in names.
        classes: Label of each class.
        class_names: Name of each class, where the files hold them.
        class_counts: Training images of each class; empty for built-in names, which have hundreds of each.
        notes: How the files are used, and warnings about the labels, a line each.
    """

    dataset: str
    image_format: ImageFormat
    digest: str | None
    classes: tuple[Label, ...]
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """Classes."""
        return self.image_format.num_classes

    def record(self) -> dict[str, Any]:
        """Return its record for a manifest."""
        return {
            "dataset": self.dataset,
            "num_classes": self.num_classes,
            **self.image_format.record(),
            "digest": self.digest,
            "classes": list(self.classes),
            "class_names": list(self.class_names),
            "notes": list(self.notes),
        }


def describe_dataset(dataset: str) -> DatasetInfo:
    """Return what is known about a data set without loading its images.

    Raises:
        DatasetError: Neither a built-in name nor a readable folder of images.
    """
    address = DatasetAddress.parse(dataset)
    if address.place in BUILTIN_SETS:
        image_format = address.builtin_format
        return DatasetInfo(str(address), image_format, None, tuple(range(image_format.num_classes)))
    folder = open_folder(dataset)
    return DatasetInfo(
        dataset=str(folder.address),
        image_format=folder.image_format,
        digest=folder.digest(),
        classes=folder.labels.values,
        class_names=folder.labels.names,
        class_counts=folder.labels.counts,
        notes=tuple(folder.describe()),
    )


def open_folder(dataset: str) -> ImageFolder:
    """Return what a folder holds, in Parquet files or class folders, without reading all images.

    Args:
        dataset: Path of a folder, perhaps with choices behind it, see `DatasetAddress`.

    Raises:
        DatasetError: There is no such folder, or its files, columns or labels break a rule.
    """
    place = DatasetAddress.parse(dataset).place
    hint = near_miss(place, BUILTIN_SETS)
    if hint and not Path(place).exists():
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder{hint}; {ALTERNATIVES}")
    return open_class_folder(dataset) if has_class_folders(find_folder(dataset)) else open_hub_folder(dataset)


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
    """Return how many images there are in a built-in data set or a folder.

    Raises:
        DatasetError: It is neither, or a file cannot be read.
    """
    found = BUILTIN_SETS.get(DatasetAddress.parse(dataset).place)
    if found is not None:
        return ImageCounts(found.n_train, found.n_test)
    folder = open_folder(dataset)
    n_images, class_counts = folder.n_images, folder.labels.counts
    return ImageCounts(n_images["train"], n_images["test"], are_encoded=True, class_counts=class_counts)
