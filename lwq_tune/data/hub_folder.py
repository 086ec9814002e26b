"""Folders in Hugging Face Hub layout: their columns, their labels, their images. No torch.

Start at `open_hub_folder`, which reads no image; `lwq_tune.data.hub_images` reads all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lwq_tune.data.hub_layout import (
    ALTERNATIVES,
    SPLITS,
    FolderAddress,
    HubLayout,
    find_layout,
    is_folder,
    name_from_split,
    shown,
)
from lwq_tune.data.labels import LabelMap, map_labels
from lwq_tune.errors import DatasetError, near_miss

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label", "labels")


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
class HubFolder:
    """A folder whose files, columns and labels are sound, its images not yet read.

    Attributes:
        address: The folder by its absolute path, with the choices that were made.
        layout: Its files.
        columns: Their columns.
        labels: Its classes, and the class of each image by split.
    """

    address: FolderAddress
    layout: HubLayout
    columns: HubColumns
    labels: LabelMap

    @property
    def n_images(self) -> dict[str, int]:
        """Images of each split."""
        return {split: sum(len(part) for part in self.labels.classes_of[split]) for split in SPLITS}

    def describe(self) -> list[str]:
        """Return what was taken as what, and what is odd about the labels, a line each."""
        line = f"{self.layout.describe(self.n_images)}; {self.labels.describe()}"
        if self.columns.other_labels:
            line += f"; labels are {self.columns.label}, not {', '.join(self.columns.other_labels)} (?label=COLUMN)"
        return [line, *self.labels.warnings()]

    def digest(self) -> str:
        """Return 16 hex digits of a SHA-256 over names and contents, so that a copy elsewhere is the same data set.

        A name starts where the split is named: at the file, or at its folder, so that a file moved from ``test/`` to
        ``train/`` makes another data set.
        """
        total = hashlib.sha256()
        for split in SPLITS:
            for file in self.layout.files[split]:
                total.update(name_from_split(file).encode())
                with file.open("rb") as stream:
                    total.update(hashlib.file_digest(stream, "sha256").digest())
        if self.address.options:
            total.update(json.dumps(dict(self.address.options), sort_keys=True).encode())
        return total.hexdigest()[:16]


def open_hub_folder(dataset: str) -> HubFolder:
    """Return what a folder holds, without reading an image.

    Args:
        dataset: Path of a folder, perhaps with choices behind it, see `FolderAddress`.

    Raises:
        DatasetError: There is no such folder, or its files, columns or labels break a rule.
    """
    given = FolderAddress.parse(dataset)
    if not is_folder(given.folder):
        raise DatasetError(f"dataset {dataset!r} is neither a built-in name nor a folder; {ALTERNATIVES}")
    address = FolderAddress(given.folder.resolve(), given.options)
    layout = find_layout(address)
    columns = _common_columns(layout, address)
    read = {split: [_read_labels(file, columns) for file in layout.files[split]] for split in SPLITS}
    return HubFolder(address, layout, columns, map_labels(read, columns.class_names, layout.folder))


def image_rows(file: Path, column: str) -> Iterator[tuple[object, str]]:
    """Yield each encoded image of a file, with the words that name it.

    Raises:
        DatasetError: The file cannot be read.
    """
    for row, value in enumerate(_read_column(file, column)):
        yield value.as_py(), f"row {row} of {file}"


def _common_columns(layout: HubLayout, address: FolderAddress) -> HubColumns:
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


def _columns(file: Path, address: FolderAddress) -> HubColumns:
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


def _choose_column(role: str, known: Sequence[str], schema: pa.Schema, file: Path, address: FolderAddress) -> str:
    """Return the name of the column of images, or of labels."""
    given = address.options.get(role)
    candidates = known if given is None else (given,)
    found = next((name for name in candidates if name in schema.names), None)
    if found is None:
        there = ", ".join(schema.names) or "none"
        hint = "" if given is None else near_miss(given, schema.names)
        raise DatasetError(
            f"a data set file needs an {IMAGE_COLUMNS[0]} or {IMAGE_COLUMNS[1]} column and a label column "
            f"({' or '.join(LABEL_COLUMNS)}), got {there} in {file}{hint}; name it, such as "
            f"dataset='{address.folder}?{role}=COLUMN'"
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
    if len(values) != content.metadata.num_rows:
        counts = f"{len(values):,} of {content.metadata.num_rows:,} rows in column {column}"
        raise _unreadable(file, ValueError(counts))
    return values


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
