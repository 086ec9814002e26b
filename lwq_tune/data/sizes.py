"""How many images a data set has, told without decoding one. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lwq_tune.data.hub import SPLITS, hub_files
from lwq_tune.errors import DatasetError

# scikit-learn's 1,797 digits, of which every fifth is a test image; the CIFAR sets as published.
BUILTIN_COUNTS = {"digits": (1437, 360), "cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000)}


@dataclass(frozen=True)
class ImageCounts:
    """Images of a data set; the validation part is one of ``n_train``.

    Attributes:
        n_train: Training images.
        n_test: Test images.
        are_encoded: Whether a process that loads them has to decode each.
    """

    n_train: int
    n_test: int
    are_encoded: bool = False


def count_images(dataset: str) -> ImageCounts:
    """Return how many images there are in a built-in data set or a folder in Hub layout.

    Raises:
        DatasetError: It is neither, or a file cannot be read.
    """
    if dataset in BUILTIN_COUNTS:
        return ImageCounts(*BUILTIN_COUNTS[dataset])
    n_train, n_test = (sum(_count_rows(file) for file in hub_files(Path(dataset), split)) for split in SPLITS)
    return ImageCounts(n_train, n_test, are_encoded=True)


def _count_rows(file: Path) -> int:
    """Return the rows of a Parquet file, from its footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: int = pq.read_metadata(file).num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(
            f"a data set file must be readable as Parquet, {file} is not ({error}); copy it again"
        ) from error
    return rows
