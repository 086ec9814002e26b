"""The copy of a run folder in a storage, kept up to date during the run."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lwq_tune.errors import ConfigError, ResultsError
from lwq_tune.results.storage.storage import Storage
from lwq_tune.results.tables import write_json

_log = logging.getLogger(__name__)

INDEX_FILE = ".mirror.json"
NOT_MIRRORED = "ray"  # Ray Tune writes its own files into the storage
_AT_A_TIME = 4
_FIRST = ("manifest.json", "rows.jsonl")
_REST_PER_WORK = 10.0

Signature = list[int]  # size in bytes and time of the last change in ns


class Mirror:
    """Copies new and changed files of a run folder into a storage; it changes no local file but its index.

    Hidden files, ``*.tmp``, ``ray/`` and everything but regular files are left out. `INDEX_FILE` in the run folder
    lists what was sent, so that a later process does not send it again.

    Args:
        run_dir: The run folder.
        storage: The run's folder in the storage.

    Raises:
        ConfigError: The storage is the run folder itself, or inside it.
    """

    def __init__(self, run_dir: Path, storage: Storage) -> None:
        self._run_dir = run_dir.resolve()
        if storage.is_local and Path(storage.path).is_relative_to(self._run_dir):
            raise ConfigError(
                f"a storage is another place than the results, both are {storage.uri}; leave --storage out where all "
                f"nodes share the results folder; a run is fetched from there by: resume file://{storage.path}"
            )
        self._storage = storage
        self._sent: dict[str, Signature] | None = None

    def update(self) -> int:
        """Send new and changed files, each whole; return how many.

        Raises:
            ResultsError: The storage refused a file, or the run folder cannot be read.
        """
        try:
            return self._update()
        except ResultsError as error:
            raise ResultsError(
                f"the results of a run are copied to its storage: {error}; nothing is lost, {self._run_dir} is whole, "
                f"and once the storage takes it: python -m lwq_tune resume {self._run_dir}"
            ) from error

    def _update(self) -> int:
        if self._sent is None:
            self._sent = self._sent_before()
        waiting = {name: signature for name, signature in self._scan() if self._sent.get(name) != signature}
        taken = {}
        try:
            with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="mirror") as pool:
                for name, is_sent in zip(waiting, pool.map(self._send, waiting), strict=True):
                    if is_sent:
                        taken[name] = waiting[name]
        finally:
            if taken:
                self._sent |= taken
                write_json(self._run_dir / INDEX_FILE, {"storage": self._storage.uri, "sent": self._sent})
        return len(taken)

    def _scan(self) -> Iterator[tuple[str, Signature]]:
        """Yield the names and signatures of the files to mirror: manifest and log first, then by name."""
        found = {}
        for folder, folders, files in os.walk(self._run_dir, onerror=_raise):
            is_top = Path(folder) == self._run_dir
            folders[:] = [name for name in folders if name[0] != "." and not (is_top and name == NOT_MIRRORED)]
            for name in files:
                path = Path(folder, name)
                signature = None if name[0] == "." or name.endswith(".tmp") else _signature(path)
                if signature is not None:
                    found[path.relative_to(self._run_dir).as_posix()] = signature
        yield from sorted(found.items(), key=lambda item: (item[0] not in _FIRST, item[0]))

    def _send(self, name: str) -> bool:
        try:
            self._storage.send(self._run_dir / name, name)
        except FileNotFoundError:
            return False  # taken away since the scan
        return True

    def _sent_before(self) -> dict[str, Signature]:
        """Return what an earlier process sent, if the storage still has it with the same size."""
        try:
            index = json.loads((self._run_dir / INDEX_FILE).read_text(encoding="utf-8"))
            sent: dict[str, Signature] = index["sent"] if index["storage"] == self._storage.uri else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # everything is sent again
        there = mirrored_files(self._storage) if sent else {}
        return {name: its for name, its in sent.items() if name in there and there[name].size == its[0]}


def mirrored_files(storage: Storage) -> dict[str, Any]:
    """Return the `pyarrow.fs.FileInfo` of the files of a run that its storage holds, by name in the run folder.

    Raises:
        ResultsError: The storage does not answer.
    """
    found = storage.files(recursive=False)
    for folder in storage.folders():
        if folder != NOT_MIRRORED:
            found |= {f"{folder}/{name}": info for name, info in storage.child(folder).files().items()}
    return found


def _signature(path: Path) -> Signature | None:
    """Return size and time of the last change of a regular file; None of anything else, or where it has gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns] if stat.S_ISREG(status.st_mode) else None


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise ResultsError(f"a run folder must be readable, {error.filename} is not ({error.strerror})") from error


class MirrorThread:
    """Updates a mirror periodically in a thread, so that the sweep never waits for the storage.

    A storage that fails is logged once and tried again later. The time between two updates is at least ten times what
    the last one took, since growing logs are sent whole and would fill the network.

    Args:
        mirror: The mirror; no other thread may update it from now on.
        every_s: Least time between two updates, in seconds.
    """

    def __init__(self, mirror: Mirror, every_s: float = 30.0) -> None:
        self._mirror = mirror
        self._every_s = every_s
        self._is_failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and update the mirror a last time.

        Raises:
            ResultsError: The storage refused a file.
        """
        self._stopped.set()
        self._thread.join()
        self._mirror.update()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            began_s = time.monotonic()
            self._try()
            wait_s = max(self._every_s, _REST_PER_WORK * (time.monotonic() - began_s))

    def _try(self) -> None:
        try:
            self._mirror.update()
        except ResultsError as error:
            if not self._is_failing:
                _log.warning("%s; this is tried again while the sweep runs", error)
            self._is_failing = True
        else:
            if self._is_failing:
                _log.warning("the storage accepts the results of the run again")
            self._is_failing = False
