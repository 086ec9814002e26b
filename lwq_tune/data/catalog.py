"""What data sets there are, found out without loading them. No torch.

A data set is a built-in name or a folder in Hugging Face Hub layout: files ``train-*.parquet`` and
``test-*.parquet`` with an image column (a struct of encoded ``bytes``) and an integer label column.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.errors import DatasetError, near_miss

BUILTIN_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}
IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label", "labels")
SPLITS = ("train", "test")
ALTERNATIVES = (
    "use digits (embedded), cifar10 or cifar100 (downloaded into --data-dir), or the path of a folder "
    "that holds train-*.parquet and test-*.parquet"
)


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that exists, or that torchvision can download.

    Attributes:
        dataset: Built-in name, or absolute path of a Hub-layout folder.
        num_classes: Classes, labels being 0 to ``num_classes - 1``.
        digest: First 16 hex digits of the SHA-256 of a folder's Parquet files; None for built-in names.
    """

    dataset: str
    num_classes: int
    digest: str | None


@dataclass(frozen=True)
class HubColumns:
    """Names of the columns that hold images and labels."""

    image: str
    label: str


def describe_dataset(dataset: str) -> DatasetInfo:
    """Return what can be known of a data set without loading its images.

    Raises:
        DatasetError: Neither a built-in name nor a readable folder in Hub layout.
    """
    if dataset in BUILTIN_CLASSES:
        return DatasetInfo(dataset, BUILTIN_CLASSES[dataset], None)
    folder = Path(dataset).expanduser()
    if not folder.is_dir():
        hint = near_miss(dataset, BUILTIN_CLASSES)
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder{hint}; {ALTERNATIVES}")
    folder = folder.resolve()
    files = {split: hub_files(folder, split) for split in SPLITS}
    num_classes = max(_largest_label(files[split]) for split in SPLITS) + 1
    return DatasetInfo(str(folder), num_classes, _digest(files))


def hub_files(folder: Path, split: str) -> list[Path]:
    """Return the Parquet files of one split of a Hub-layout folder, in order.

    Raises:
        DatasetError: There are none.
    """
    files = sorted(folder.glob(f"{split}-*.parquet"))
    if not files:
        raise DatasetError(f"a data set folder holds {split}-*.parquet, none found in {folder}; {ALTERNATIVES}")
    return files


def hub_columns(file: Path) -> HubColumns:
    """Return the image and label columns of a Parquet file.

    Raises:
        DatasetError: The file is not readable as Parquet or has no such columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(file, error) from error
    image = next((name for name in IMAGE_COLUMNS if name in names), None)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if image is None or label is None:
        raise DatasetError(
            f"a data set file needs an image column ({' or '.join(IMAGE_COLUMNS)}) and a label column "
            f"({' or '.join(LABEL_COLUMNS)}), got {', '.join(names) or 'none'} in {file}"
        )
    return HubColumns(image, label)


def unreadable(file: Path, error: Exception) -> DatasetError:
    """Return the error for a Parquet file that cannot be read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DatasetError(f"a data set file must be readable as Parquet, {file} is not ({reason}); copy it again")


def _largest_label(files: list[Path]) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    largest = -1
    for file in files:
        column = hub_columns(file).label
        try:
            labels = pq.read_table(file, columns=[column]).column(column)
        except (pa.ArrowInvalid, OSError) as error:
            raise unreadable(file, error) from error
        if not pa.types.is_integer(labels.type) or labels.null_count or len(labels) == 0:
            raise DatasetError(
                f"labels must be integers without gaps, got {len(labels)} rows of {labels.type} with "
                f"{labels.null_count} empty in column {column} of {file}"
            )
        bounds = pc.min_max(labels).as_py()
        if bounds["min"] < 0:
            raise DatasetError(f"labels must count from 0, got {bounds['min']} in column {column} of {file}")
        largest = max(largest, int(bounds["max"]))
    return largest


def _digest(files: dict[str, list[Path]]) -> str:
    """Hash names and contents of all files, so that a copy elsewhere is the same data set."""
    total = hashlib.sha256()
    for split in SPLITS:
        for file in files[split]:
            total.update(file.name.encode())
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]
