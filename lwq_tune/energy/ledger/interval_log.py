"""The log of a run on one host: one JSON object per line, intervals and events. Plain Python."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lwq_tune.files import jsonl

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
            jsonl.cut_unfinished_line(path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record, and those that could not be written before."""
        self._unwritten.append(jsonl.line_of(record))
        self.retry()

    def retry(self) -> None:
        """Write what could not be written before; all of it or nothing."""
        if not self._unwritten:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            with jsonl.open_log(self.path) as log:
                jsonl.append(log, b"".join(self._unwritten))
            self._unwritten.clear()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the intervals and events of a log, without a last line that was cut short; none where there is no log.

    Raises:
        ValueError: A line before the last is damaged.
    """
    return (json.loads(line) for line in jsonl.whole_lines(path))


def read_intervals(path: Path) -> list[dict[str, Any]]:
    """Return the intervals of a log.

    Raises:
        ValueError: A line before the last is damaged.
    """
    return list(only_intervals(read_lines(path)))


def only_intervals(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Leave out events."""
    return (line for line in lines if EVENT not in line)
