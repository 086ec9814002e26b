"""Prepares a data set before the first trial: describes it, downloads or decodes it. No torch at import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lwq_tune.data.address import DatasetAddress
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.data.catalog import DatasetInfo, open_folder
from lwq_tune.data.split import check_split


def report_dataset(dataset: DatasetInfo, validation_fraction: float, tell: Callable[[str], object]) -> None:
    """Report how the files are used, and warnings about labels and split.

    Raises:
        DatasetError: No image can be held out for validation.
    """
    for note in dataset.notes:
        tell(note)
    if dataset.class_counts and (warning := check_split(dataset.class_counts, validation_fraction)):
        tell(warning)


def prepare_images(dataset: str, data_dir: Path, tell: Callable[[str], object]) -> int:
    """Download or decode the images of a data set, and report warnings about them.

    What torchvision has is downloaded here, once; a folder's images are all decoded here, into this host's cache.

    Returns:
        How many images earlier versions read differently.

    Raises:
        DatasetError: The data cannot be read or downloaded.
    """
    address = DatasetAddress.parse(dataset)
    if address.place == "digits":
        return 0
    if address.place in BUILTIN_SETS:
        tell(f"looking for {address.place} in {data_dir}, downloading what is missing")
        from lwq_tune.data.loading import load_torchvision

        load_torchvision(address.place, data_dir, download=True)
        return 0
    from lwq_tune.data.folders.folder_images import cached_folder

    decoded = cached_folder(open_folder(dataset), tell)
    for note in decoded.notes:
        tell(note)
    return decoded.n_read_otherwise
