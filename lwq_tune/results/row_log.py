"""The append-only log of a run, the source of truth: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from lwq_tune.errors import ResultsError
from lwq_tune.files import jsonl

Record = dict[str, Any]


class RowLog:
    """Append-only log of records, one JSON object per line, on disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: FileIO | None = None

    def append(self, record: Record) -> None:
        """Write a record and wait until it is on disk.

        Raises:
            ResultsError: It could not be written, for instance because the disk is full.
        """
        try:
            if self._stream is None:
                jsonl.cut_unfinished_line(self._path)
                self._stream = jsonl.open_log(self._path)
            jsonl.append(self._stream, jsonl.line_of(record), is_synced=True)
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


def read_log(path: Path) -> Iterator[Record]:
    """Yield the records of a log; a last line that is incomplete after a crash is left out.

    A run that has not started has no log, and no records.

    Raises:
        ResultsError: The log is not readable, or damaged before its last line.
    """
    try:
        for number, line in enumerate(jsonl.whole_lines(path), start=1):
            yield _parse(line, number, path)
    except OSError as error:
        raise ResultsError(f"the log of a run must be readable, {path} is not: {error}") from error


def _parse(line: bytes, number: int, path: Path) -> Record:
    try:
        record: Record = json.loads(line)
    except ValueError as error:  # of an encoding too
        raise ResultsError(f"a log holds one JSON object per line, line {number} of {path} is damaged") from error
    return record
