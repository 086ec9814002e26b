"""A lock on a file that names the process that holds it; where nobody asks who does, `filelock.FileLock` is used."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_TRIES, _RETRY_S = 4, 0.05


class LockedError(Exception):
    """Another process holds the lock.

    Attributes:
        holder: That process, such as ``process 7``.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def named_lock(path: Path) -> Iterator[OSError | None]:
    """Hold a lock during the body; the kernel releases it when the process ends, however it ends.

    Args:
        path: The lock file, made where it is missing; the name of the holder is written into it.

    Yields:
        None, or why the file system has no locks; the body then runs without one.

    Raises:
        LockedError: Another process holds it.
        OSError: The file cannot be made or written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        reason = None
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            raise LockedError(_name_in(descriptor)) from error
        except OSError as error:  # a network file system without locks
            reason = error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        yield reason
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> str | None:
    """Return the process that holds a lock, such as ``process 7``; None if none does, or nobody can tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _name_in(descriptor)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int) -> None:
    """Lock a file exclusively; try more than once, since `holder_of` holds the lock for a moment."""
    for _ in range(_TRIES - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_RETRY_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _name_in(descriptor: int) -> str:
    return os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "another process"
