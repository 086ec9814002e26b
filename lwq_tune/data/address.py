"""Addresses of data sets: a built-in name or a folder, with choices behind it. No torch, no file is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.errors import DatasetError, near_miss
from lwq_tune.models.image_format import ImageFormat

_DOWNLOADED = [name for name in BUILTIN_SETS if name != "digits"]
ALTERNATIVES = (
    f"use digits (embedded), {', '.join(_DOWNLOADED[:-1])} or {_DOWNLOADED[-1]} (downloaded into --data-dir), or the "
    "path of a folder that holds train-*.parquet and test-*.parquet, or image files in train/CLASS/ and test/CLASS/"
)
# What can be chosen, and the setting of a search space that says the same.
OPTIONS = {
    "train": "split that serves as training images",
    "test": "split that serves as test images",
    "image": "column of images",
    "label": "column of labels",
    "size": "side in pixels that all images are resized to",
}
SETTINGS = {
    "train": "train_split",
    "test": "test_split",
    "image": "image_column",
    "label": "label_column",
    "size": "image_size",
}


@dataclass(frozen=True)
class DatasetAddress:
    """A data set with choices behind it, as in ``DIR?test=validation&label=coarse_label`` or ``cifar10?size=64``.

    Attributes:
        place: Built-in name, or path of a folder.
        options: Choices by name, see `OPTIONS`.
    """

    place: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, dataset: str) -> DatasetAddress:
        """Return the address that a user wrote.

        Raises:
            DatasetError: A choice is unknown, empty, given twice or none of this data set, or the path cannot be looked
                up.

        >>> DatasetAddress.parse("images?test=dev").options
        {'test': 'dev'}
        >>> str(DatasetAddress.parse("mnist?size=28")), str(DatasetAddress.parse("mnist?size=32"))
        ('mnist', 'mnist?size=32')
        """
        place, options = _split(dataset)
        if place not in BUILTIN_SETS:
            return cls(str(_expanded(place)), options)
        return cls(place, _of_builtin(place, options))

    @property
    def folder(self) -> Path:
        """The folder."""
        return Path(self.place)

    @property
    def size(self) -> int | None:
        """Side in pixels that all images are resized to; None for no resizing."""
        return int(self.options["size"]) if "size" in self.options else None

    @property
    def builtin_format(self) -> ImageFormat:
        """Format of the images of a built-in data set, as they are chosen."""
        found = BUILTIN_SETS[self.place].image_format
        return found if self.size is None else ImageFormat(found.channels, self.size, self.size, found.num_classes)

    def __str__(self) -> str:
        return self.place + (f"?{urlencode(self.options, quote_via=quote)}" if self.options else "")


def with_settings(dataset: str, settings: Mapping[str, Any]) -> str:
    """Return the address of a data set with the choices that a search space or the command line make beside it.

    Args:
        dataset: The address.
        settings: Values by the names in `SETTINGS`; None, as an absent one, chooses nothing.

    Raises:
        DatasetError: The address is none, or says otherwise.

    >>> with_settings("images?test=dev", {"image_size": 64})
    'images?test=dev&size=64'
    >>> with_settings("digits", {"image_size": None})
    'digits'
    """
    chosen = {option: str(settings[name]) for option, name in SETTINGS.items() if settings.get(name) is not None}
    if not chosen:
        return dataset
    place, options = _split(dataset)
    doubled = next((option for option in chosen if option in options), None)
    if doubled is not None:
        raise DatasetError(
            f"what is read of a data set must be said once, got {SETTINGS[doubled]}: {chosen[doubled]} beside dataset: "
            f"{dataset}; leave one out"
        )
    return str(DatasetAddress.parse(str(DatasetAddress(place, {**options, **chosen}))))


def is_folder(path: Path) -> bool:
    """Return whether a path is one of a folder.

    Raises:
        DatasetError: It cannot be looked up.
    """
    try:
        return path.is_dir()
    except OSError as error:  # no permission, a name too long
        raise DatasetError(f"dataset '{path}' cannot be looked up ({error.strerror}); {ALTERNATIVES}") from error


def _split(dataset: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the question mark of an address, and the choices behind it.

    Raises:
        DatasetError: As `DatasetAddress.parse` does.
    """
    place, separator, query = dataset.rpartition("?")
    if not separator or is_folder(_expanded(dataset)):
        return dataset, {}
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a plus sign is itself, no space
    options = dict(pairs)
    unknown = next((name for name, value in pairs if name not in OPTIONS or not value), None)
    if unknown is not None or len(options) != len(pairs) or not pairs:
        known = ", ".join(f"{name} ({meaning})" for name, meaning in OPTIONS.items())
        hint = near_miss(unknown or "", OPTIONS)
        raise DatasetError(f"what follows ? in a dataset must be NAME=VALUE of {known}, each once, got {query}{hint}")
    if not re.fullmatch("[1-9][0-9]{0,5}", options.get("size", "1")):
        raise DatasetError(f"size in a dataset must be a number of pixels from 1 to 999999, got {query}")
    return place, options


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~NAME of nobody
        raise DatasetError(f"dataset {path!r} cannot be looked up ({error}); {ALTERNATIVES}") from error


def _of_builtin(name: str, options: Mapping[str, str]) -> dict[str, str]:
    """Return the choices of a built-in data set: a size, where it is not its own.

    Raises:
        DatasetError: There are others.
    """
    others = [option for option in options if option != "size"]
    if others:
        raise DatasetError(
            f"a built-in data set has splits and columns of its own, so that image_size alone can be chosen, got "
            f"{', '.join(f'{SETTINGS[option]} ({option}=…)' for option in others)} for {name}; leave it out"
        )
    own = BUILTIN_SETS[name].image_format
    return {} if options.get("size") == str(own.height) else dict(options)
