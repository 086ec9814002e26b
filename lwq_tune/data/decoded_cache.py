"""Decoded data sets on this node's disk, so that its processes share one copy in the page cache.

The first process of a node that needs a data set decodes it and writes the pixels; the others wait for it and map the
files. An entry is a folder, named by the data set's content and moved into place whole, with a checksum of each file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lwq_tune.data.decoded_images import DecodedImages
from lwq_tune.files.private_folder import make_private_folder, users_folder

_log = logging.getLogger(__name__)

FOLDER_VARIABLE = "LWQ_TUNE_CACHE_DIR"
MAX_BYTES = 2 * 2**30  # eleven data sets of CIFAR's size
MIN_FREE_BYTES = 512 * 2**20
MAX_SHARE_OF_FREE = 0.25  # what a single larger data set may take
FORMAT = 3
_SUMMARY = "entry.json"
_PART = ".part"
_MAPPED = ("train_images", "test_images")
_COPIED = ("train_labels", "test_labels", "mean", "std")
_PLAIN = ("num_classes", "notes", "n_read_otherwise")


@dataclass(frozen=True)
class NodeCache:
    """Decoded data sets in a folder of this node.

    An error of the cache never fails a trial: without a usable folder, or with a full disk, each process decodes the
    images itself, and one warning says so.

    Attributes:
        folder: Folder of the entries; only its user can enter it.
        max_bytes: Limit on the bytes of all entries together; the least recently used are deleted.
        min_free_bytes: Nothing is written to a disk with less free space than this.
        max_share_of_free: Of the free space, what one data set above ``max_bytes`` may take; it is then kept alone.
    """

    folder: Path
    max_bytes: int = MAX_BYTES
    min_free_bytes: int = MIN_FREE_BYTES
    max_share_of_free: float = MAX_SHARE_OF_FREE

    def get(self, key: str, load: Callable[[], DecodedImages]) -> DecodedImages:
        """Return a data set, mapped from its entry, which is made first where there is no whole one.

        Args:
            key: Names the content of the data set; a valid file name.
            load: Decodes it.

        Raises:
            DatasetError: As ``load`` does.
        """
        found = self._read(key)
        if found is not None:
            return found
        try:
            self._prepare()
            lock = self._lock(key)
        except OSError as error:
            _warn(error)
            return load()
        with lock:  # the death of this process releases it too
            return self._read(key) or self._fill(key, load())

    def _fill(self, key: str, decoded: DecodedImages) -> DecodedImages:
        """Write an entry and return it, or the images as they are where that fails."""
        if (self.folder / key).exists():
            _log.warning("the decoded images in %s are damaged and were made again", self.folder / key)
        try:
            self._write(key, decoded)
        except OSError as error:
            _warn(error)
            return decoded
        return self._read(key) or decoded

    def _lock(self, key: str) -> AbstractContextManager[object]:
        """Wait until no other process writes the entry, and keep others from it."""
        return FileLock(self.folder / f"{key}.lock", fallback_to_soft=False).acquire()

    def _prepare(self) -> None:
        make_private_folder(self.folder)
        free_bytes = shutil.disk_usage(self.folder).free
        if free_bytes < self.min_free_bytes:
            raise OSError(f"the disk of {self.folder} has {free_bytes >> 20} MiB left")

    def _write(self, key: str, decoded: DecodedImages) -> None:
        """Write an entry whole or not at all; a process that has mapped an older entry keeps that one."""
        part = self.folder / f"{key}{_PART}"
        shutil.rmtree(part, ignore_errors=True)  # of a process that died
        arrays = _arrays(decoded)
        n_bytes = sum(array.nbytes for array in arrays.values())
        most = max(self.max_bytes, int(self.max_share_of_free * shutil.disk_usage(self.folder).free))
        if n_bytes > most:
            raise OSError(f"the data set takes {n_bytes >> 20} MiB, the cache {most >> 20} MiB at most")
        self._make_room(self.max_bytes - n_bytes, kept=key)
        try:
            part.mkdir()
            for name, array in arrays.items():
                np.save(part / f"{name}.npy", array)
            digests = {name: _digest(part / f"{name}.npy") for name in arrays}
            plain = {name: getattr(decoded, name) for name in _PLAIN}
            summary = {"format": FORMAT, "sha256": digests, **plain}
            (part / _SUMMARY).write_text(json.dumps(summary))
            shutil.rmtree(self.folder / key, ignore_errors=True)
            part.rename(self.folder / key)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _make_room(self, max_bytes: int, kept: str) -> None:
        """Remove the entries that were not used for longest until the others fit."""
        found = [path.parent for path in self.folder.glob(f"*/{_SUMMARY}")]
        entries = [entry for entry in found if entry.name != kept and entry.suffix != _PART]
        entries.sort(key=lambda entry: (entry / _SUMMARY).stat().st_mtime, reverse=True)
        kept_bytes = 0
        for entry in entries:
            kept_bytes += sum(file.stat().st_size for file in entry.iterdir())
            if kept_bytes > max_bytes:
                shutil.rmtree(entry, ignore_errors=True)

    def _read(self, key: str) -> DecodedImages | None:
        """Return what an entry holds, None where there is none or it is damaged."""
        entry = self.folder / key
        try:
            summary = json.loads((entry / _SUMMARY).read_text())
            digests = {name: _digest(entry / f"{name}.npy") for name in (*_MAPPED, *_COPIED)}
            if (summary["format"], summary["sha256"]) != (FORMAT, digests):
                return None
            # Mapped privately, so that torch may take the pages for writable: nobody writes, and all share them.
            arrays = {name: np.load(entry / f"{name}.npy", mmap_mode="c") for name in _MAPPED}
            arrays |= {name: np.load(entry / f"{name}.npy") for name in _COPIED}
            plain = {name: summary[name] for name in _PLAIN} | {"notes": tuple(summary["notes"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        with contextlib.suppress(OSError):  # a folder that is read-only: it is never made room in
            os.utime(entry / _SUMMARY)
        return DecodedImages(**arrays, **plain)


def default_cache() -> NodeCache:
    """Return the cache of this user on this node: in ``LWQ_TUNE_CACHE_DIR``, or the folder for temporary files."""
    return NodeCache(users_folder(FOLDER_VARIABLE, "-data"))


def _arrays(decoded: DecodedImages) -> dict[str, np.ndarray[Any, Any]]:
    return {name: getattr(decoded, name) for name in (*_MAPPED, *_COPIED)}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _warn(error: OSError) -> None:
    _log.warning(
        "decoded images cannot be kept on this node, so each process decodes them for itself: %s; set %s to a folder "
        "with room",
        error,
        FOLDER_VARIABLE,
    )
