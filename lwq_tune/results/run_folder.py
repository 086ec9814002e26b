"""The run folder on disk: an append-only log as the source of truth, Parquet tables derived from it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.errors import ResultsError
from lwq_tune.results.schema import Column, arrow_schema

Record = dict[str, Any]

ROWS_PER_GROUP = 20_000


class RunFolder:
    """Paths of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.log = path / "rows.jsonl"
        self.epochs = path / "epochs"
        self.energy = path / "energy"
        self.trials = path / "trials.parquet"
        self.ray = path / "ray"
        self.ray_error = path / "ray_error.txt"
        self._made_parent = False

    def create(self) -> None:
        """Make the folder.

        Raises:
            ResultsError: It exists, or its parent cannot be written.
        """
        try:
            if self.path.exists():
                raise ResultsError(
                    f"a run needs a folder of its own, {self.path} exists; choose another --run, or resume it: "
                    f"python -m lwq_tune resume {self.path}"
                )
            self._made_parent = not self.path.parent.exists()
            self.epochs.mkdir(parents=True)
        except OSError as error:
            raise ResultsError(
                f"the results folder must be writable, {self.path.parent} is not ({error.strerror}); "
                "choose another --results"
            ) from error

    def discard_if_unused(self) -> None:
        """Delete what `create` made, including the parent folder, if no trial has started in it."""
        if not self.log.exists():
            shutil.rmtree(self.path)
            if self._made_parent:
                with contextlib.suppress(OSError):  # another run may have been created there
                    self.path.parent.rmdir()


class RowLog:
    """Append-only log of records, one JSON object per line, on disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[str] | None = None

    def append(self, record: Record) -> None:
        """Write a record and wait until it is on disk.

        Raises:
            ResultsError: It could not be written, for instance because the disk is full.
        """
        try:
            if self._stream is None:
                _end_last_line(self._path)
                self._stream = self._path.open("a", encoding="utf-8")
            self._stream.write(json.dumps(record, allow_nan=False) + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise ResultsError(
                f"every row must reach the disk, {self._path} could not be written ({error.strerror}); "
                f"make room, then: python -m lwq_tune resume {self._path.parent}"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _end_last_line(path: Path) -> None:
    """Cut off a last line that a crash left incomplete, so that the next record begins a line."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)


def read_log(path: Path) -> Iterator[Record]:
    """Yield the records of a log; a last line that is incomplete after a crash is left out.

    A run that has not started has no log, and no records.

    Raises:
        ResultsError: The log is not readable, or damaged before its last line.
    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    return  # the incomplete last line after a crash
                yield _parse(line, number, path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ResultsError(f"the log of a run must be readable, {path} is not: {error}") from error


def _parse(line: bytes, number: int, path: Path) -> Record:
    try:
        record: Record = json.loads(line)
    except ValueError as error:  # of an encoding too
        raise ResultsError(f"a log holds one JSON object per line, line {number} of {path} is damaged") from error
    return record


def write_json(path: Path, value: Record) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        ResultsError: It could not be written.
    """
    _write_atomically(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8"))


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

    def write(part: Path) -> None:
        with pq.ParquetWriter(part, schema) as writer:
            for batch in _batched(rows, ROWS_PER_GROUP):  # so that a table never lies in memory as Python objects
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))

    _write_atomically(path, write)


def _batched(rows: Iterable[Record], size: int) -> Iterator[list[Record]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _write_atomically(path: Path, write: Any) -> None:
    part = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
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
