"""The log of a run on one host: one JSON object per line, intervals and events. Plain Python."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

EVENT = "event"
OPENED, CLOSED = "opened", "closed"
CONTINUED = "continued"  # in a copy only: what follows is of another session than what stands before


class IntervalLog:
    """Appends to a log; what the disk does not take now is tried again with the next record.

    Args:
        path: The log; its folder is made, the folder above it is not: a discarded run folder must not come back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unwritten: list[bytes] = []
        with contextlib.suppress(OSError):
            _cut_unfinished_line(path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record, and those that could not be written before."""
        self._unwritten.append(json.dumps(record, allow_nan=False).encode() + b"\n")
        self.retry()

    def retry(self) -> None:
        """Write what could not be written before; all of it or nothing."""
        if not self._unwritten:
            return
        content = b"".join(self._unwritten)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                end = os.lseek(descriptor, 0, os.SEEK_END)
                if self._write_whole(descriptor, content, end):
                    self._unwritten.clear()
            finally:
                os.close(descriptor)

    @staticmethod
    def _write_whole(descriptor: int, content: bytes, end: int) -> bool:
        """Return whether all went to the file; where not, the file is as long as before."""
        try:
            if os.write(descriptor, content) == len(content):
                return True
        except OSError:  # a full disk, a limit, a server that is gone
            pass
        os.ftruncate(descriptor, end)
        return False


def _cut_unfinished_line(path: Path) -> None:
    """Take away a last line that a killed ledger left unfinished."""
    if path.exists():
        with path.open("rb+") as stream:
            content = stream.read()
            stream.truncate(content.rfind(b"\n") + 1)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the intervals and events of a log, without a last line that was cut short; none where there is no log.

    Raises:
        ValueError: A line before the last is damaged.
    """
    try:
        stream = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    with stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield json.loads(line)


def read_intervals(path: Path) -> list[dict[str, Any]]:
    """Return the intervals of a log.

    Raises:
        ValueError: A line before the last is damaged.
    """
    return list(only_intervals(read_lines(path)))


def only_intervals(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Leave out events."""
    return (line for line in lines if EVENT not in line)
