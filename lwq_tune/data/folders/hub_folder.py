"""Folders in Hugging Face Hub layout: their columns, their labels, their images. No torch.

Start at `open_hub_folder`, which reads no image; `lwq_tune.data.folders.folder_images` reads all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lwq_tune.data.address import SETTINGS, DatasetAddress
from lwq_tune.data.folders.hub_layout import SPLITS, HubLayout, find_layout, name_from_split, shown
from lwq_tune.data.folders.image_folder import ImageFolder, file_digest, find_folder
from lwq_tune.data.labels import map_labels
from lwq_tune.errors import DatasetError, near_miss

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label", "labels")
_ROWS_AT_A_TIME = 256  # of encoded images in memory


@dataclass(frozen=True)
class HubColumns:
    """What the files of a data set have in common.

    Attributes:
        image: Name of the image column.
        label: Name of the label column.
        label_kind: ``integer``, ``string`` or ``boolean``.
        class_names: Names that the Hub's metadata give the labels 0, 1, …; empty without.
        other_labels: Further columns that could hold labels.
    """

    image: str
    label: str
    label_kind: str
    class_names: tuple[str, ...] = ()
    other_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubFolder(ImageFolder):
    """A folder whose files, columns and labels are sound, its images not yet read.

    Attributes:
        layout: Its files.
        columns: Their columns.
    """

    kind_of_part: ClassVar[str] = "file"

    layout: HubLayout
    columns: HubColumns

    def parts(self, split: str) -> Sequence[Path]:
        """Return the files of a split."""
        return self.layout.files[split]

    def images(self, split: str) -> Iterator[tuple[object, str]]:
        """Yield each encoded image of a split, with its row and file.

        Raises:
            DatasetError: A file cannot be read.
        """
        for file in self.layout.files[split]:
            yield from image_rows(file, self.columns.image)

    def describe_layout(self) -> str:
        """Return which files and labels were taken, in one line."""
        line = f"{self.layout.describe(self.n_images)}; {self.labels.describe()}"
        if self.columns.other_labels:
            line += f"; labels are {self.columns.label}, not {', '.join(self.columns.other_labels)} (?label=COLUMN)"
        return line

    def digests(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield name and SHA-256 of each file.

        A name starts where the split is named: at the file, or at its folder, so that a file moved from ``test/`` to
        ``train/`` makes another data set.
        """
        for split in SPLITS:
            for file in self.layout.files[split]:
                yield name_from_split(file, self.address).encode(), file_digest(file)


def open_hub_folder(dataset: str) -> HubFolder:
    """Return what a folder holds, without reading an image.

    Args:
        dataset: Path of a folder, perhaps with choices behind it, see `DatasetAddress`.

    Raises:
        DatasetError: There is no such folder, or its files, columns or labels break a rule.
    """
    address = find_folder(dataset)
    layout = find_layout(address)
    columns = _common_columns(layout, address)
    read = {split: [_read_labels(file, columns) for file in layout.files[split]] for split in SPLITS}
    return HubFolder(address, map_labels(read, columns.class_names, layout.folder), layout, columns)


def image_rows(file: Path, column: str) -> Iterator[tuple[object, str]]:
    """Yield each encoded image of a file, with the words that name it.

    Raises:
        DatasetError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        content = pq.ParquetFile(file)
        for batch in content.iter_batches(_ROWS_AT_A_TIME, columns=[column]):
            for value in batch.column(column):
                yield value.as_py(), f"row {row} of {file}"
                row += 1
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _unreadable(file, error) from error
    _check_rows(file, column, row, content.metadata.num_rows)


def _common_columns(layout: HubLayout, address: DatasetAddress) -> HubColumns:
    """Return the columns that all files have.

    Raises:
        DatasetError: One lacks them, or has them of another type.
    """
    files = [file for split in SPLITS for file in layout.files[split]]
    first = _columns(files[0], address)
    for file in files[1:]:
        other = _columns(file, address)
        for what in ("image", "label", "label_kind", "class_names"):
            ours, theirs = getattr(first, what), getattr(other, what)
            if ours != theirs:
                name = what.replace("_", " ")
                raise DatasetError(
                    f"all files of a data set must have the same columns, {name} is {_show(ours)} in {files[0]} and "
                    f"{_show(theirs)} in {file}; write them again with one schema, or move what does not belong to it"
                )
    return first


def _show(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else f"[{shown(value)}]"


def _columns(file: Path, address: DatasetAddress) -> HubColumns:
    """Return the columns of one file.

    Raises:
        DatasetError: It is not readable as Parquet, has no rows, or has no such columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema, n_rows = pq.read_schema(file), pq.read_metadata(file).num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(file, error) from error
    if n_rows == 0:
        raise DatasetError(f"a data set file must hold images, got 0 rows in {file}; delete it, or copy it again")
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        raise DatasetError(
            f"a data set file must name each column once, got {', '.join(doubled)} twice in {file}; rename one of them"
        )
    image = _choose_column("image", IMAGE_COLUMNS, schema, file, address)
    label = _choose_column("label", LABEL_COLUMNS, schema, file, address)
    _check_image_type(schema.field(image), file)
    others = tuple(name for name in (*LABEL_COLUMNS, "coarse_label") if name in schema.names and name != label)
    return HubColumns(image, label, _label_kind(schema.field(label), file), _class_names(schema, label), others)


def _choose_column(role: str, known: Sequence[str], schema: pa.Schema, file: Path, address: DatasetAddress) -> str:
    """Return the name of the column of images, or of labels."""
    given = address.options.get(role)
    candidates = known if given is None else (given,)
    found = next((name for name in candidates if name in schema.names), None)
    if found is None:
        there = ", ".join(schema.names) or "none"
        hint = "" if given is None else near_miss(given, schema.names)
        raise DatasetError(
            f"a data set file needs an {IMAGE_COLUMNS[0]} or {IMAGE_COLUMNS[1]} column and a label column "
            f"({' or '.join(LABEL_COLUMNS)}), got {there} in {file}{hint}; name it with "
            f"{SETTINGS[role]}: COLUMN, or dataset='{address.folder}?{role}=COLUMN'"
        )
    return found


def _check_image_type(field: pa.Field, file: Path) -> None:
    import pyarrow as pa

    kind = field.type
    is_binary = any(
        check(kind)
        for check in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )
    if not is_binary and not (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0):
        raise DatasetError(
            f"an image column must hold encoded bytes, or a struct with bytes, got {kind} in column {field.name} of "
            f"{file}; write the content of image files there"
        )


def _label_kind(field: pa.Field, file: Path) -> str:
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    raise DatasetError(
        f"labels must be integers, strings, booleans or categories of these, got {field.type} in column {field.name} "
        f"of {file}; write one class per image"
    )


def _class_names(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """Return the class names in the Hub's metadata, empty where there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
        return tuple(str(name) for name in names)
    except (KeyError, TypeError, ValueError):
        return ()


def _read_labels(file: Path, columns: HubColumns) -> pa.ChunkedArray:
    """Return the labels of a file as int64, strings or booleans.

    Raises:
        DatasetError: One is missing, too large, or no text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    labels = _read_column(file, columns.label)
    if pa.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)
    if labels.null_count:
        row = pc.index(labels.is_null(), True).as_py()
        raise DatasetError(
            f"each image must have a label, got {labels.null_count} empty, the first in row {row}, in column "
            f"{columns.label} of {file}; fill them, or leave those rows out"
        )
    target = {"boolean": pa.bool_(), "integer": pa.int64(), "string": pa.string()}[columns.label_kind]
    try:
        labels = labels.cast(target)
        labels.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DatasetError(
            f"labels must be integers below 2**63 or strings in UTF-8, column {columns.label} of {file} has others "
            f"({error}); name the classes anew"
        ) from error
    return labels


def _read_column(file: Path, column: str) -> pa.ChunkedArray:
    """Return a column of a Parquet file.

    Raises:
        DatasetError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = pq.ParquetFile(file)
        values = content.read([column]).column(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _unreadable(file, error) from error
    _check_rows(file, column, len(values), content.metadata.num_rows)
    return values


def _check_rows(file: Path, column: str, n_found: int, n_rows: int) -> None:
    if n_found != n_rows:
        raise _unreadable(file, ValueError(f"{n_found:,} of {n_rows:,} rows in column {column}"))


def _unreadable(file: Path, error: Exception) -> DatasetError:
    rule = f"a data set file must be readable as Parquet, {file} is not"
    if _begins_with(file, b"version https://git-lfs"):
        return DatasetError(f"{rule}: it is the pointer of Git LFS to it; run `git lfs pull` in its repository")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DatasetError(f"{rule} ({reason}); copy it again")


def _begins_with(file: Path, beginning: bytes) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(beginning)) == beginning
    except OSError:
        return False
