"""Makes stdout and stderr optional: a failed write there never ends a process. No other import."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# A full disk may have room again, so later lines are tried; a reader that has gone away does not come back.
_MAY_PASS = (errno.ENOSPC, errno.EDQUOT)


class _OptionalOutput(io.FileIO):
    """A descriptor to which every write succeeds, even if it cannot be written.

    After a permanent error, the descriptor is replaced by the null device, also for libraries written in C and for
    processes that are started later.

    Attributes:
        error: Why output was lost the first time; None if none was.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.name = name
        self.error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of ``data``, or drop what could not be written; return its length in bytes."""
        left = memoryview(data).cast("B")
        n_bytes = left.nbytes
        while left.nbytes:
            try:
                n_written = super().write(left)
            except OSError as error:
                self._lose(error)
                break
            if n_written is None:  # another program has made the pipe non-blocking, and its reader is slow
                select.select([], [self], [])
            else:
                left = left[n_written:]
        return n_bytes

    def _lose(self, error: OSError) -> None:
        self.error = self.error or error
        if error.errno in _MAY_PASS:
            return
        with contextlib.suppress(OSError):  # no descriptor is free: each later write fails and is lost like this one
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


def make_output_optional() -> None:
    """Prevent failed writes to stdout or stderr from ending this process.

    A stream that was closed when the process began is replaced by the null device: otherwise the next file that is
    opened would get its descriptor, and messages would be written into that file. A stream with which a caller has
    replaced the interpreter's own stays as it is.
    """
    _open_missing_descriptors()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and not isinstance(_raw(stream), _OptionalOutput):
            setattr(sys, name, _optional(stream, descriptor, name))


def say(message: str) -> None:
    """Print a message on stderr; stdout is for data."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def lost_output() -> str | None:
    """Return in one sentence why stdout lacks some of what was printed.

    Returns:
        None if nothing is missing, or if the reader of a pipe has closed it, since it does not want more.
    """
    raw = _raw(sys.stdout)
    if not isinstance(raw, _OptionalOutput):
        return None
    sys.stdout.flush()
    if raw.error is None or isinstance(raw.error, ConnectionError):  # BrokenPipeError is one
        return None
    return f"stdout must take what is printed, some of it is lost: {raw.error}; print to another file or disk"


def _open_missing_descriptors() -> None:
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:  # the lowest that is free is taken
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _optional(stream: TextIO | None, descriptor: int, name: str) -> TextIO:
    """Return a stream to a descriptor that encodes and buffers as another one does."""
    raw = _OptionalOutput(descriptor, f"<{name}>")
    if not isinstance(stream, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")
    is_unbuffered = isinstance(stream.buffer, io.RawIOBase)  # python -u
    return io.TextIOWrapper(
        cast("io.BufferedWriter", raw) if is_unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: TextIO | None) -> object:
    """Return what a text stream writes to in the end."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)
