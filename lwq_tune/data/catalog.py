"""What data sets there are, found out without loading their images. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.data.hub import ALTERNATIVES, SPLITS, hub_columns, hub_files, read_columns
from lwq_tune.errors import DatasetError, near_miss

BUILTIN_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}


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


def describe_dataset(dataset: str) -> DatasetInfo:
    """Return what can be known of a data set without loading its images.

    Raises:
        DatasetError: Neither a built-in name nor a readable folder in Hub layout.
    """
    if dataset in BUILTIN_CLASSES:
        return DatasetInfo(dataset, BUILTIN_CLASSES[dataset], None)
    try:
        folder = Path(dataset).expanduser()
        is_folder = folder.is_dir()
    except (OSError, RuntimeError) as error:  # no permission, a name too long, ~ of nobody
        raise DatasetError(f"dataset {dataset!r} cannot be looked up ({error}); {ALTERNATIVES}") from error
    if not is_folder:
        hint = near_miss(dataset, BUILTIN_CLASSES)
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder{hint}; {ALTERNATIVES}")
    folder = folder.resolve()
    files = {split: hub_files(folder, split) for split in SPLITS}
    num_classes = max(_largest_label(file) for split in SPLITS for file in files[split]) + 1
    return DatasetInfo(str(folder), num_classes, _digest(files))


def _largest_label(file: Path) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = hub_columns(file).label
    labels = read_columns(file, [column]).column(column)
    if not pa.types.is_integer(labels.type) or labels.null_count or len(labels) == 0:
        raise DatasetError(
            f"labels must be integers without gaps, got {len(labels)} rows of {labels.type} with "
            f"{labels.null_count} empty in column {column} of {file}"
        )
    bounds = pc.min_max(labels).as_py()
    if bounds["min"] < 0:
        raise DatasetError(f"labels must count from 0, got {bounds['min']} in column {column} of {file}")
    return int(bounds["max"])


def _digest(files: dict[str, list[Path]]) -> str:
    """Hash names and contents of all files, so that a copy elsewhere is the same data set."""
    total = hashlib.sha256()
    for split in SPLITS:
        for file in files[split]:
            total.update(file.name.encode())
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]
