"""One sweep at a time per host: while the meter sees the whole host, a second would be charged for the first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lwq_tune.errors import ResultsError


def lock_path() -> Path:
    """Return the lock file of this host; ``TMPDIR`` moves it."""
    return Path(tempfile.gettempdir()) / "lwq_tune-energy-meter.lock"


@contextlib.contextmanager
def host_meter_lock(purpose: str) -> Iterator[None]:
    """Hold this host's meter; the kernel frees it when the process ends, however it ends.

    Args:
        purpose: What holds it, for the message that others see.

    Raises:
        ResultsError: Another process holds it.
    """
    path = lock_path()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = stream.read().strip() or "another process"
            raise ResultsError(
                "one sweep at a time may run on a host, because the energy meter sees the whole host and each "
                f"would be charged for the other; {holder} is running (lock {path}); wait for it"
            ) from error
        stream.truncate(0)
        stream.write(f"process {os.getpid()} ({purpose})")
        stream.flush()
        yield
