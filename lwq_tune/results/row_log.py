"""The append-only log of a run, the source of truth: one JSON object per line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lwq_tune.errors import ResultsError

Record = dict[str, Any]


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
