"""Folders of image files in one folder per class, as in ``train/cat/1.png``. No torch.

Start at `open_class_folder`, which reads no image; `lwq_tune.data.folders.folder_images` reads all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lwq_tune.data.address import ALTERNATIVES, SETTINGS, DatasetAddress
from lwq_tune.data.folders.hub_layout import (
    SPLIT_WORDS,
    SPLITS,
    choose_test,
    named_splits,
    shown,
    splits_of_parquet,
    train_words,
)
from lwq_tune.data.folders.image_folder import ImageFolder, file_digest, find_folder
from lwq_tune.data.labels import map_labels
from lwq_tune.errors import DatasetError

# Of the formats that are decoded; other files are told and left alone.
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm")


@dataclass(frozen=True)
class ClassFolder(ImageFolder):
    """A folder whose splits hold a folder per class, its images not yet read.

    Attributes:
        splits: Folder of ``train`` and of ``test``.
        files: Image files of each split by class; classes and files are in order.
        unused: Other files in these folders, and other splits.
    """

    kind_of_part: ClassVar[str] = "folder"

    splits: Mapping[str, Path]
    files: Mapping[str, Mapping[str, tuple[Path, ...]]]
    unused: tuple[Path, ...]

    def parts(self, split: str) -> Sequence[Path]:
        """Return the class folders of a split."""
        return [self.splits[split] / name for name in self.files[split]]

    def images(self, split: str) -> Iterator[tuple[object, str]]:
        """Yield the content of each image file of a split, with its path.

        Raises:
            DatasetError: A file cannot be read.
        """
        for file in self._files(split):
            try:
                yield file.read_bytes(), str(file)
            except OSError as error:
                raise _unreadable(file, error) from error

    def describe_layout(self) -> str:
        """Return which folders were taken, in one line."""
        folder, n_images = self.address.folder, self.n_images
        taken = [f"{split} images are {self.splits[split].name}/ ({n_images[split]:,} images)" for split in SPLITS]
        line = f"{folder}: {'; '.join(taken)}"
        word = self.splits["test"].name
        if word.lower() not in SPLIT_WORDS["test"] and "test" not in self.address.options:
            line += f"; there is no test split, so {word} serves as one"
        if self.unused:
            line += f"; not used: {shown([str(path.relative_to(folder)) for path in self.unused])}"
        return f"{line}; {self.labels.describe()}"

    def digests(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the path from the split on and the SHA-256 of each file.

        Raises:
            DatasetError: A file cannot be read.
        """
        for split in SPLITS:
            for file in self._files(split):
                try:
                    yield os.fsencode(file.relative_to(self.splits[split].parent)), file_digest(file)
                except OSError as error:
                    raise _unreadable(file, error) from error

    def _files(self, split: str) -> Iterator[Path]:
        for files in self.files[split].values():
            yield from files


def has_class_folders(address: DatasetAddress) -> bool:
    """Return whether the images of a folder lie in class folders.

    Raises:
        DatasetError: There are training images in Parquet files too, or a folder cannot be listed.
    """
    found = _find_splits(address)
    parquet = splits_of_parquet(address) if found else []
    train = next((found[word] for word in train_words(address) if word in found), None)
    if parquet and train is not None:
        raise DatasetError(
            f"a data set folder holds Parquet files or class folders, {address.folder} has both, such as "
            f"{parquet[0].relative_to(address.folder)} and {train.name}/; move one of the two away"
        )
    return bool(found) and not parquet


def open_class_folder(dataset: str) -> ClassFolder:
    """Return what a folder holds, without reading an image.

    Args:
        dataset: Path of a folder, perhaps with choices behind it, see `DatasetAddress`.

    Raises:
        DatasetError: There is no such folder, or its files or classes break a rule.
    """
    import pyarrow as pa

    address = find_folder(dataset)
    columns = [option for option in ("image", "label") if option in address.options]
    if columns:
        raise DatasetError(
            f"{SETTINGS[columns[0]]} names a column of Parquet files, {address.folder} holds class folders; leave it "
            "out"
        )
    found = _find_splits(address)
    splits = {"train": _train_split(found, address)}
    splits["test"] = found[choose_test(found, address, "test/ or validation/ with class folders")]
    read = {split: _ClassFiles.of(folder) for split, folder in splits.items()}
    empty = [name for name, files in read["train"].files.items() if not files]
    if empty:
        raise DatasetError(
            f"a class folder must hold images ({', '.join(SUFFIXES)}), {splits['train'] / empty[0]} has none; delete "
            "it, or copy it again"
        )
    if len(read["train"].files) < 2:
        raise DatasetError(
            f"a data set must have two classes or more to tell apart, {splits['train']} holds one folder, "
            f"{next(iter(read['train'].files))}; put the images of each class into a folder of its own"
        )
    files = {split: {name: paths for name, paths in part.files.items() if paths} for split, part in read.items()}
    labels = {
        split: [pa.chunked_array([pa.array([name] * len(paths), pa.string())]) for name, paths in parts.items()]
        for split, parts in files.items()
    }
    others = sorted(path for path in found.values() if path not in splits.values())
    unused = (*read["train"].others, *read["test"].others, *others)
    return ClassFolder(address, map_labels(labels, (), address.folder), splits, files, unused)


@dataclass(frozen=True)
class _ClassFiles:
    """The files of a split: images by class, and others."""

    files: Mapping[str, tuple[Path, ...]]
    others: tuple[Path, ...]

    @classmethod
    def of(cls, split: Path) -> _ClassFiles:
        """Return the files of a split's folder.

        Raises:
            DatasetError: An image lies outside the class folders, is no regular file, or a name is no text.
        """
        files, others = {}, []
        for entry in _listed(split):
            if entry.is_dir():
                found = list(_files_below(entry))
                files[_class_name(entry)] = tuple(file for file in found if _is_image(file))
                others += [file for file in found if not _is_image(file)]
            elif _is_image(entry):
                raise DatasetError(
                    f"each image must lie in the folder of its class, {entry} lies beside these folders; move it "
                    "into one"
                )
            else:
                others.append(entry)
        for image in (image for images in files.values() for image in images):
            if not image.is_file():  # opening a named pipe waits for its writer
                raise DatasetError(f"a data set is read from regular files, {image} is none; write it as one")
        return cls(files, tuple(others))


def _find_splits(address: DatasetAddress) -> dict[str, Path]:
    """Return the folders of splits that hold class folders with images, by word."""
    named = named_splits(address)
    folders = [entry for entry in _listed(address.folder) if entry.name.lower() in named and entry.is_dir()]
    return {
        folder.name.lower(): folder
        for folder in folders
        if any(_is_image(file) for entry in _listed(folder) if entry.is_dir() for file in _files_below(entry))
    }


def _train_split(found: Mapping[str, Path], address: DatasetAddress) -> Path:
    words = [word for word in train_words(address) if word in found]
    if not words:
        raise DatasetError(
            f"a data set folder holds {train_words(address)[0]}/ with a folder of images per class, {address.folder} "
            f"has {', '.join(sorted(found)) or 'none'}; choose one with {SETTINGS['train']}: SPLIT"
        )
    if len(words) > 1:
        raise DatasetError(
            f"one split serves as training images, {address.folder} has {', '.join(words)}; choose one with "
            f"{SETTINGS['train']}: {words[0]}, or dataset='{address.folder}?train={words[0]}'"
        )
    return found[words[0]]


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder and not hidden, in order.

    Raises:
        DatasetError: It cannot be listed.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__")))
    except OSError as error:
        raise DatasetError(f"the folder {folder} cannot be listed ({error.strerror}); {ALTERNATIVES}") from error


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield what is in a class folder and the folders in it, in order; links to folders in it are left out."""
    for entry in _listed(folder):
        if not entry.is_dir():
            yield entry
        elif not entry.is_symlink():
            yield from _files_below(entry)


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _class_name(folder: Path) -> str:
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"the name of a class folder must be UTF-8, {os.fsencode(folder)!r} is not; rename it"
        ) from error
    return folder.name


def _unreadable(file: Path, error: OSError) -> DatasetError:
    return DatasetError(f"an image file must be readable, {file} is not ({error.strerror}); copy it again")
