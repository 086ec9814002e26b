"""One sweep at a time per host: while the meter sees the whole host, a second would be charged for the first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lwq_tune.errors import ResultsError

LOCK_FOLDER_VARIABLE = "LWQ_TUNE_LOCK_DIR"


def lock_path() -> Path:
    """Return the lock file of this host, in the folder for temporary files or where the variable says."""
    folder = os.environ.get(LOCK_FOLDER_VARIABLE) or tempfile.gettempdir()
    return Path(folder) / "lwq_tune-energy-meter.lock"


@contextlib.contextmanager
def host_meter_lock(purpose: str) -> Iterator[None]:
    """Hold this host's meter; the kernel frees it when the process ends, however it ends.

    Args:
        purpose: What holds it, for the message that others see.

    Raises:
        ResultsError: Another process holds it, or the lock file cannot be opened.
    """
    path = lock_path()
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise ResultsError(
                "one sweep at a time may run on a host, because the energy meter sees the whole host and each "
                f"would be charged for the other; {holder} is running (lock {path}); wait for it"
            ) from error
        with contextlib.suppress(OSError):  # another user's file can be locked but not written
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} ({purpose})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Return a descriptor of the lock file, made for all users of the host; reading is enough to lock."""
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            os.fchmod(descriptor, 0o666)  # whatever the umask says
        except FileExistsError:
            mode = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY
            descriptor = os.open(path, mode | os.O_CLOEXEC)
    except OSError as error:
        raise ResultsError(
            f"the lock of the energy meter must be usable, {path} is not ({error.strerror}); "
            f"set {LOCK_FOLDER_VARIABLE} to a folder of your own"
        ) from error
    return descriptor
