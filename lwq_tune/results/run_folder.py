"""The folder of a run: what is where in it, and the lock by which one process at a time writes it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from lwq_tune.errors import ResultsError

_log = logging.getLogger(__name__)

_TRIES, _RETRY_S = 4, 0.05


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


@contextlib.contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Lock a run folder during the body; the kernel releases the lock when the process ends, however it ends.

    Args:
        run_dir: The folder, which exists.

    Raises:
        ResultsError: Another process has locked it, or the lock file cannot be created.
    """
    path = run_dir / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ResultsError(f"a run folder must be writable, {path} is not ({error.strerror})") from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "another process"
            raise ResultsError(
                f"one process at a time works on a run, {holder} works on {run_dir}; wait until it has ended"
            ) from error
        except OSError as error:  # a network file system without locks
            _log.warning("%s cannot be locked (%s); do not start a second process on this run", path, error.strerror)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


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


def holder_of(run_dir: Path) -> str | None:
    """Return the process that has locked a run, such as ``process 7``; None if none has."""
    try:
        descriptor = os.open(run_dir / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "another process"
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(descriptor)
    return None
