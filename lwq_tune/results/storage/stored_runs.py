"""Reads checkpoints of a run, or a whole run folder, from a storage."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage.mirror import mirrored_files
from lwq_tune.results.storage.storage import Storage

STATE_FILE, DIGEST_FILE, MANIFEST_FILE = "trial.pt", "trial.json", "manifest.json"
_AT_A_TIME = 8


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint that names its trial and epoch and has its state beside it; whether that is whole, its digest says.

    Attributes:
        location: Address of its folder, for `fetch_folder` in any process.
        epoch: The last epoch in it.
    """

    location: str
    epoch: int


def list_checkpoints(ray: Storage, trial_keys: Iterable[str]) -> dict[str, list[StoredCheckpoint]]:
    """Return the checkpoints of some trials in all sessions of a run, latest epoch first; broken ones are left out.

    Args:
        ray: Folder of Ray Tune's files in the run's storage: ``session_NNN/TRIAL_KEY/checkpoint_NNNNNN/``.
        trial_keys: The trials; each has an entry in the result.

    Raises:
        ResultsError: The storage does not answer.
    """
    found: dict[str, list[tuple[tuple[int, int, str], StoredCheckpoint]]] = {key: [] for key in trial_keys}
    files = ray.files()
    folders = [name.removesuffix(f"/{DIGEST_FILE}") for name in files if _is_of_checkpoint(name, found)]
    whole = [folder for folder in folders if f"{folder}/{STATE_FILE}" in files]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for folder, epoch in zip(whole, pool.map(lambda folder: _epoch_of(ray, folder), whole), strict=True):
            if epoch is not None:
                order = (epoch, files[f"{folder}/{DIGEST_FILE}"].mtime_ns, folder)
                found[folder.split("/")[1]].append((order, StoredCheckpoint(ray.child(folder).uri, epoch)))
    return {key: [checkpoint for _, checkpoint in sorted(of_trial, reverse=True)] for key, of_trial in found.items()}


def _is_of_checkpoint(name: str, trial_keys: Mapping[str, Any]) -> bool:
    parts = name.split("/")
    return (
        len(parts) == 4
        and parts[0].startswith("session_")
        and parts[1] in trial_keys
        and parts[2].startswith("checkpoint_")
        and parts[3] == DIGEST_FILE
    )


def _epoch_of(ray: Storage, folder: str) -> int | None:
    """Return the epoch that a checkpoint says it has; None where it is damaged, or says it is of another trial."""
    try:
        description = json.loads(ray.read(f"{folder}/{DIGEST_FILE}"))
        is_own = description["trial_key"] == folder.split("/")[1]
        return int(description["epoch"]) if is_own and "sha256" in description else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # Tune deletes old ones while the sweep runs


def count_sessions(ray: Storage) -> int:
    """Return how many sessions of Ray Tune a run has had.

    Raises:
        ResultsError: The storage does not answer.
    """
    return sum(name.startswith("session_") for name in ray.folders())


def fetch_folder(location: str, target: Path) -> Path:
    """Return a local folder with what is at a location, which for the path of a folder is that folder itself.

    Args:
        location: As in `StoredCheckpoint`.
        target: Folder that is filled otherwise; it is made.

    Raises:
        FileNotFoundError: Nothing is there.
        ResultsError: The storage does not answer, or ``target`` cannot be written.
    """
    storage = Storage.parse(location)
    if storage.is_local:
        return Path(storage.path)
    names = list(storage.files())
    if not names:
        raise FileNotFoundError(f"{location} holds nothing")
    _fetch_all(storage, names, target)
    return target


def check_new_run(storage: Storage) -> None:
    """Check that the storage holds nothing at the address of a new run.

    Raises:
        ResultsError: It holds a run, or the storage does not answer.
    """
    if storage.folders() or storage.files(recursive=False):
        raise ResultsError(
            f"a run needs a folder of its own, {storage.uri} exists; choose another --run, or resume it: "
            f"python -m lwq_tune resume {storage.uri!r}"
        )


def fetch_run(uri: str, results: Path) -> Path:
    """Return the run folder that a storage holds a copy of, fetched without Ray Tune's files.

    Args:
        uri: Address of the run in its storage.
        results: Folder that the run folder is put into, under the name that it has in the storage.

    Raises:
        ConfigError: The address breaks a rule.
        ResultsError: No run is there, the run folder exists already, or something cannot be read or written.
    """
    storage = Storage.parse(uri)
    run_dir = results.resolve() / storage.address.name
    if run_dir.exists():
        raise ResultsError(
            f"a run is fetched where none is, {run_dir} exists; resume it: python -m lwq_tune resume {run_dir}"
        )
    names = list(mirrored_files(storage))
    if MANIFEST_FILE not in names:
        raise ResultsError(f"a run in a storage holds {MANIFEST_FILE}, {storage.uri} does not; name STORAGE/RUN")
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=results) as part:
            _fetch_all(storage, names, Path(part, "run"))
            shutil.move(Path(part, "run"), run_dir)
    except OSError as error:
        raise ResultsError(f"a run must come whole, {storage.uri} could not be fetched ({error}); try again") from error
    return run_dir


def _fetch_all(storage: Storage, names: list[str], target: Path) -> None:
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for _ in pool.map(lambda name: storage.fetch(name, target / name), names):
            pass
