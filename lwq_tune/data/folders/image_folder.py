"""What folders of images have in common, whatever their layout: splits, classes, the format of the images. No torch."""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lwq_tune.data.address import ALTERNATIVES, DatasetAddress, is_folder
from lwq_tune.data.folders.hub_layout import SPLITS
from lwq_tune.data.labels import LabelMap
from lwq_tune.errors import DatasetError
from lwq_tune.models.image_format import ImageFormat


@dataclass(frozen=True)
class ImageFolder(ABC):
    """A folder whose files and labels are sound, its images not yet read.

    Attributes:
        address: The folder by its absolute path, with the choices that were made.
        labels: Its classes, and the class of each image by split and part.
    """

    kind_of_part: ClassVar[str]  # what `parts` returns, for messages

    address: DatasetAddress
    labels: LabelMap

    @abstractmethod
    def parts(self, split: str) -> Sequence[Path]:
        """Return the files, or folders, that hold the images of a split, as ``labels.classes_of`` is ordered."""

    @abstractmethod
    def images(self, split: str) -> Iterator[tuple[object, str]]:
        """Yield each encoded image of a split in order, with the words that name it.

        Raises:
            DatasetError: A file cannot be read.
        """

    @abstractmethod
    def describe_layout(self) -> str:
        """Return what was taken as what, and the classes, in one line."""

    @abstractmethod
    def digests(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield name and SHA-256 of each file in order; a name says split and label as far as the path holds them."""

    @property
    def n_images(self) -> dict[str, int]:
        """Images of each split."""
        return {split: sum(len(part) for part in self.labels.classes_of[split]) for split in SPLITS}

    @functools.cached_property
    def image_format(self) -> ImageFormat:
        """Shape of the first training image, as the others must have it, in colour if one of all images is.

        Only a first image in gray has the headers of others read.

        Raises:
            DatasetError: An image that is looked at cannot be read.
        """
        from lwq_tune.data.decoding import decode_image, is_gray

        height, width, channels = decode_image(*self.first_image(), self.address.size).pixels.shape
        everything = (image for split in SPLITS for image in self.images(split))
        if channels == 1 and not all(is_gray(value, where) for value, where in everything):
            channels = 3
        return ImageFormat(channels, height, width, len(self.labels.values))

    def first_image(self) -> tuple[object, str]:
        """Return the first training image, encoded, with the words that name it.

        Raises:
            DatasetError: Its file cannot be read.
        """
        return next(self.images("train"))

    def describe(self) -> list[str]:
        """Return what was taken as what, and what is odd about the labels, a line each."""
        line, size = self.describe_layout(), self.address.size
        return [line if size is None else f"{line}; resized to {size}x{size} pixels", *self.labels.warnings()]

    def digest(self) -> str:
        """Return 16 hex digits of a SHA-256 over names and contents, so that a copy elsewhere is the same data set.

        The choices of the address are part of it. So is that images are gray, which earlier versions read in three
        channels.
        """
        total = hashlib.sha256()
        for name, digest in self.digests():
            total.update(name + digest)
        if self.address.options:
            total.update(json.dumps(dict(self.address.options), sort_keys=True).encode())
        if self.image_format.channels == 1:
            total.update(b"gray")
        return total.hexdigest()[:16]


def find_folder(dataset: str) -> DatasetAddress:
    """Return the address of a folder that exists, by its absolute path.

    Raises:
        DatasetError: There is no such folder.
    """
    given = DatasetAddress.parse(dataset)
    if not is_folder(given.folder):
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder; {ALTERNATIVES}")
    return DatasetAddress(str(given.folder.resolve()), given.options)


def file_digest(file: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
