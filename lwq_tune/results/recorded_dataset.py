"""Checks that the data set of a run is read as it was when the run began, for `resume` and ``--init-run``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lwq_tune.data.catalog import DatasetInfo, describe_dataset
from lwq_tune.data.preparation import prepare_images
from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import read_manifest


def find_as_before(recorded: Mapping[str, Any], validation_fraction: float) -> DatasetInfo:
    """Return the data set of a run, if its content, its labels and its split are as they were.

    Args:
        recorded: Record of the data set in the manifest.
        validation_fraction: Share of the training images that the run holds out.

    Raises:
        DatasetError: It no longer exists.
        ResultsError: Its content has changed, or the version that began the run read it differently.
    """
    found = describe_dataset(recorded["dataset"])
    if found.image_format.channels == 1 and "channels" not in recorded:
        raise ResultsError(f"a run is continued with {_three_channels(recorded)}; start a new sweep")
    if (found.dataset, found.digest) != (recorded["dataset"], recorded["digest"]):
        raise ResultsError(
            f"a run is continued on its own data, {recorded['dataset']} had digest {recorded['digest']} and now has "
            f"{found.digest}; put the old files back, or start a new sweep"
        )
    difference = _difference(recorded, found, validation_fraction)
    if difference is not None:
        raise ResultsError(f"a run is continued with {difference}; start a new sweep")
    return found


def load_as_before(recorded: Mapping[str, Any], data_dir: Path, tell: Callable[[str], object]) -> int:
    """Decode or download the data of a run, and check that it is read as it was when the run began.

    Returns:
        How many images earlier versions read differently.

    Raises:
        DatasetError: The data cannot be read or downloaded.
        ResultsError: The version that began the run read other pixels.
    """
    n_read_otherwise = prepare_images(recorded["dataset"], data_dir, tell)
    difference = _pixel_difference(recorded, n_read_otherwise)
    if difference is not None:
        raise ResultsError(f"a run is continued on {difference}; start a new sweep")
    return n_read_otherwise


def check_init_run(
    init_run: Path | None, found: DatasetInfo, validation_fraction: float, n_read_otherwise: int = 0
) -> None:
    """Check that the networks of another run were trained on the data as this version reads it.

    Args:
        init_run: Folder of that run, if there is one.
        found: Data set of the trials.
        validation_fraction: Share of the training images that they hold out.
        n_read_otherwise: Number of its images that earlier versions read differently, if it is known.

    Raises:
        ResultsError: The version that began that run read the same files differently, or it is no run.
    """
    if init_run is None:
        return
    recorded = read_manifest(init_run).dataset
    if (recorded["digest"] or recorded["dataset"]) != (found.digest or found.dataset):
        return  # a trial of other data has another key, so no network is found for it
    difference = _difference(recorded, found, validation_fraction) or _pixel_difference(recorded, n_read_otherwise)
    if difference is not None:
        raise ResultsError(
            f"networks to start from must be trained on what their trials see, {init_run} was trained with "
            f"{difference}; leave out --init-run, so that they are trained anew"
        )


def _difference(recorded: Mapping[str, Any], found: DatasetInfo, validation_fraction: float) -> str | None:
    """Return how classes or validation images of a run differ from those of now, None if they do not."""
    if found.num_classes != recorded["num_classes"]:
        return (
            f"its own classes, {recorded['num_classes']} were counted in {recorded['dataset']} when it began and "
            f"{found.num_classes} distinct labels are"
        )
    held_none_out = any(n > 1 and round(validation_fraction * n) == 0 for n in found.class_counts)
    if held_none_out and _is_of_earlier_version(recorded):
        return (
            "its own validation images, the version that began it held none of the smallest classes of "
            f"{recorded['dataset']} out"
        )
    return None


def _three_channels(recorded: Mapping[str, Any]) -> str:
    return (
        f"the channels it began with, the images of {recorded['dataset']} are gray, which the version that began it "
        "read in three channels and this one reads in one"
    )


def _pixel_difference(recorded: Mapping[str, Any], n_read_otherwise: int) -> str | None:
    if not n_read_otherwise or not _is_of_earlier_version(recorded):
        return None
    return (
        f"the pixels it began with, {n_read_otherwise:,} images of {recorded['dataset']} were read otherwise by the "
        "version that began it (16 bits clipped, transparency or orientation left out)"
    )


def _is_of_earlier_version(recorded: Mapping[str, Any]) -> bool:
    """Return whether the version that began a run did not yet record the labels of its classes."""
    return "classes" not in recorded
