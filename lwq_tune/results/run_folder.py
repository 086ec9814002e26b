"""The folder of a run: what is where in it, and the lock by which one process at a time writes it."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from lwq_tune.errors import ResultsError
from lwq_tune.files.locks import LockedError, named_lock

_log = logging.getLogger(__name__)


class RunFolder:
    """Paths of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.log = path / "rows.jsonl"
        self.epochs = path / "epochs"
        self.energy = path / "energy"
        self.trials = path / "trials.parquet"
        self.network = path / "network.parquet"
        self.sources = path / "network"
        self.ray = path / "ray"
        self.ray_error = path / "ray_error.txt"
        self.lock = path / ".lock"
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
    path = RunFolder(run_dir).lock
    with contextlib.ExitStack() as stack:
        try:
            no_locks = stack.enter_context(named_lock(path))
        except LockedError as error:
            raise ResultsError(
                f"one process at a time works on a run, {error.holder} works on {run_dir}; wait until it has ended"
            ) from error
        except OSError as error:
            raise ResultsError(f"a run folder must be writable, {path} is not ({error.strerror})") from error
        if no_locks is not None:
            _log.warning("%s cannot be locked (%s); do not start a second process on this run", path, no_locks.strerror)
        yield
