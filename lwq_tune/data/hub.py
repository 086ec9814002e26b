"""Folders in Hugging Face Hub layout: ``{train,test}-*.parquet`` with encoded images and integer labels. No torch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.errors import DatasetError
from lwq_tune.shapes import IMAGE_SIZE

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label", "labels")
SPLITS = ("train", "test")
IMAGES_PROBED_PER_FILE = 64
ALTERNATIVES = (
    "use digits (embedded), cifar10 or cifar100 (downloaded into --data-dir), or the path of a folder "
    "that holds train-*.parquet and test-*.parquet"
)


@dataclass(frozen=True)
class HubColumns:
    """Names of the columns that hold images and labels."""

    image: str
    label: str


def hub_files(folder: Path, split: str) -> list[Path]:
    """Return the Parquet files of one split of a folder, in order.

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
        raise _unreadable(file, error) from error
    image = next((name for name in IMAGE_COLUMNS if name in names), None)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if image is None or label is None:
        raise DatasetError(
            f"a data set file needs an image column ({' or '.join(IMAGE_COLUMNS)}) and a label column "
            f"({' or '.join(LABEL_COLUMNS)}), got {', '.join(names) or 'none'} in {file}"
        )
    return HubColumns(image, label)


def read_columns(file: Path, columns: list[str]) -> pa.Table:
    """Return some columns of a Parquet file.

    Raises:
        DatasetError: They cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(file, error) from error


def decode_image(value: object, where: str) -> np.ndarray[Any, Any]:
    """Return one encoded image as an array of shape (32, 32, 3), uint8.

    Raises:
        DatasetError: It is no image, or of another size.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    encoded = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(encoded, bytes):
        raise DatasetError(f"an image must hold its encoded bytes, got {type(encoded).__name__} in {where}")
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            pixels = np.array(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damage
        raise DatasetError(f"an image must be a whole PNG or JPEG, got {error} in {where}") from error
    if pixels.shape != (IMAGE_SIZE, IMAGE_SIZE, 3):
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise DatasetError(f"images must be {IMAGE_SIZE}x{IMAGE_SIZE} pixels, got {size} in {where}")
    return pixels


def check_images(folder: Path) -> None:
    """Read all image columns of a folder and decode a sample of each file, first and last image among it.

    Raises:
        DatasetError: A file is damaged, or a sampled image is none or of another size.
    """
    for file in (file for split in SPLITS for file in hub_files(folder, split)):
        column = hub_columns(file).image
        images = read_columns(file, [column]).column(column)
        step = max(1, (len(images) - 1) // (IMAGES_PROBED_PER_FILE - 1))
        for row in sorted({*range(0, len(images), step), len(images) - 1}):
            decode_image(images[row].as_py(), f"row {row} of {file}")


def _unreadable(file: Path, error: Exception) -> DatasetError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DatasetError(f"a data set file must be readable as Parquet, {file} is not ({reason}); copy it again")
