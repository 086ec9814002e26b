"""``--storage``: checks the storage before a sweep starts, and copies the run into it during the sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ResultsError

if TYPE_CHECKING:
    from lwq_tune.results.run_folder import RunFolder


def address_of(storage: str) -> str:
    """Return the address of a storage that any process can use, a path made absolute.

    Raises:
        ConfigError: It is none, or holds credentials.
    """
    from lwq_tune.results.storage.address import StorageAddress

    return StorageAddress.parse(storage).uri


def check_storage(config: SweepConfig) -> None:
    """Check that the storage of a new run can be written, and holds no run of that name.

    Raises:
        ResultsError: It cannot be written, or holds such a run.
    """
    if config.storage is None:
        return
    from lwq_tune.results.storage.storage import Storage
    from lwq_tune.results.storage.stored_runs import check_new_run

    storage = Storage.parse(config.storage)
    storage.probe()
    check_new_run(storage.child(config.run))


def discard_unused(folder: RunFolder, config: SweepConfig) -> None:
    """Delete a new run in which no trial has started, here and in its storage, so that its name stays free."""
    if config.storage is not None and not folder.log.exists():
        from lwq_tune.results.storage.storage import Storage

        with contextlib.suppress(ResultsError):  # the error that ended the sweep is the one to report
            Storage.parse(config.storage).child(config.run).delete()
    folder.discard_if_unused()


@contextlib.contextmanager
def mirrored(run_dir: Path, config: SweepConfig) -> Iterator[None]:
    """Copy a run folder to its storage, if it has one, during the body and once more after it.

    Raises:
        ResultsError: The storage refused a file in the last update.
    """
    if config.storage is None:
        yield
        return
    from lwq_tune.results.storage.mirror import Mirror, MirrorThread
    from lwq_tune.results.storage.storage import Storage

    mirror = MirrorThread(Mirror(run_dir, Storage.parse(config.storage).child(config.run)))
    try:
        yield
    finally:
        mirror.close()
