"""The files of a run that are derived from its log: Parquet tables and JSON, each written whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.errors import ResultsError
from lwq_tune.files.atomic import whole_file
from lwq_tune.results.row_log import Record
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import Column, arrow_schema

ROWS_PER_GROUP = 20_000


def write_json(path: Path, value: Record) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        ResultsError: It could not be written.
    """
    with _whole(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, columns: Sequence[Column], rows: Iterable[Record], metadata: dict[str, Any]) -> None:
    """Write a Parquet table, whole or not at all.

    Args:
        path: Target file.
        columns: `EPOCH_COLUMNS` or `TRIAL_COLUMNS`; keys of a row that are no column are left out.
        rows: Dictionaries; a missing key is null.
        metadata: Stored in the file.

    Raises:
        ResultsError: It could not be written.
    """
    schema = arrow_schema(columns, metadata)
    with _whole(path) as part, pq.ParquetWriter(part, schema) as writer:
        for batch in _batched(rows, ROWS_PER_GROUP):  # so that a table never lies in memory as Python objects
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _batched(rows: Iterable[Record], size: int) -> Iterator[list[Record]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            yield part
    except OSError as error:
        raise ResultsError(
            f"results must be writable, {path} is not ({error.strerror or error}); make room, then: "
            f"python -m lwq_tune resume {_run_folder(path)}"
        ) from error


def _run_folder(file: Path) -> Path:
    """Return the run folder of a file of a run.

    >>> _run_folder(Path("results/night/epochs/3f.parquet")), _run_folder(Path("results/night/manifest.json"))
    (PosixPath('results/night'), PosixPath('results/night'))
    """
    run = RunFolder(file.parent.parent)
    return run.path if file.parent in (run.epochs, run.energy, run.ray) else file.parent


def count_rows(path: Path) -> int | None:
    """Return the number of rows of a Parquet table, None where there is no whole one."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return None
