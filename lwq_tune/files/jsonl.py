"""Logs of one JSON object per line: append all or nothing, cut off an unfinished line, read from a byte.

A line counts once its end is written. The last one may be unfinished: its writer is at it, or was killed. A log that
does not exist has no lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

_BLOCK_BYTES = 2**16


def line_of(record: Mapping[str, Any]) -> bytes:
    r"""Return the line of a record.

    Raises:
        ValueError: It holds a number that JSON does not have, such as NaN.

    >>> line_of({"n": 1})
    b'{"n": 1}\n'
    """
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def open_log(path: Path) -> FileIO:
    """Open a log for `append`; it is made where it is missing, its folder is not.

    Raises:
        OSError: It cannot be opened.
    """
    return path.open("ab", buffering=0)


def append(log: FileIO, lines: bytes, *, is_synced: bool = False) -> None:
    """Append lines; where that fails, none of them, and the log is as long as before.

    Args:
        log: As `open_log` returns it; this process alone writes it.
        lines: Whole lines.
        is_synced: Wait until they are on disk.

    Raises:
        OSError: They could not be written: a full disk, a limit, a server that is gone.
    """
    end, n_written = log.seek(0, os.SEEK_END), 0
    try:
        while n_written < len(lines):  # of a disk that is nearly full, a part fits; the rest is then refused
            n_written += log.write(lines[n_written:])
        if is_synced:
            os.fsync(log.fileno())
    except BaseException:
        log.truncate(end)
        raise


def cut_unfinished_line(path: Path) -> None:
    """Cut off a last line without end, which a killed process left, so that the next record begins a line.

    Raises:
        OSError: The log cannot be written.
    """
    try:
        stream = path.open("rb+")
    except (FileNotFoundError, NotADirectoryError):
        return
    with stream:
        end = n_bytes = stream.seek(0, os.SEEK_END)
        found = -1
        while end > 0 and found < 0:
            begin = max(0, end - _BLOCK_BYTES)
            stream.seek(begin)
            found = stream.read(end - begin).rfind(b"\n")
            end = begin + found + 1 if found >= 0 else begin
        if end < n_bytes:
            stream.truncate(end)


def whole_lines(path: Path, end: int | None = None) -> Iterator[bytes]:
    """Yield the lines of a log.

    Args:
        path: The log.
        end: Byte at which to stop, the end of a line; None for all.

    Raises:
        OSError: The log cannot be read.
    """
    try:
        stream = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return
    with stream:
        while end is None or stream.tell() < end:
            line = stream.readline()
            if not line.endswith(b"\n"):
                return
            yield line


def read_from(path: Path, begin: int, max_bytes: int = -1) -> bytes:
    """Return the lines of a log from a byte on.

    Args:
        path: The log.
        begin: Byte at which to begin, the end of what is known.
        max_bytes: Read no more than this at a time; -1 for all.

    Raises:
        OSError: The log cannot be read.
    """
    try:
        stream = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return b""
    with stream:
        stream.seek(begin)
        content = stream.read(max_bytes)
    return content[: content.rfind(b"\n") + 1]
