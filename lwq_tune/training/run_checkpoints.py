"""The checkpoints of a run: in its folder, or in its storage. No Ray, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.results.run_folder import RunFolder
from lwq_tune.training.checkpoint import find_in_run

if TYPE_CHECKING:
    from lwq_tune.results.storage.storage import Storage


class RunCheckpoints:
    """The checkpoints of one run, as Ray Tune writes them.

    Args:
        folder: The run folder.
        address: Address of the storage that holds them, None if they are in the run folder.
        run: Name of the run in the storage.
    """

    def __init__(self, folder: RunFolder, address: str | None, run: str) -> None:
        self._folder = folder
        self._storage: Storage | None = None
        if address is not None:
            from lwq_tune.results.storage.storage import Storage

            self._storage = Storage.parse(address).child(run).child("ray")

    @property
    def is_stored(self) -> bool:
        """Whether they are in a storage that every host can access."""
        return self._storage is not None

    def find(self, trial_keys: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
        """Return epoch and location of the checkpoints of some trials in all sessions, latest epoch first.

        Raises:
            ResultsError: The storage does not answer.
        """
        if self._storage is None:
            return {
                key: [(info.epoch, str(info.folder)) for info in find_in_run(self._folder.ray, key)]
                for key in trial_keys
            }
        from lwq_tune.results.storage.stored_runs import list_checkpoints

        found = list_checkpoints(self._storage, trial_keys)
        return {key: [(one.epoch, one.location) for one in of_trial] for key, of_trial in found.items()}

    def final(self, trial_key: str, last_epoch: int) -> list[str]:
        """Return the locations of the checkpoints of a trial's last epoch; none if it has not finished.

        Raises:
            ResultsError: The storage does not answer.
        """
        return [location for epoch, location in self.find([trial_key])[trial_key] if epoch == last_epoch]

    def tune_settings(self) -> dict[str, Any]:
        """Return the arguments of `ray.tune.RunConfig` that say where to write, and under which name.

        Raises:
            ResultsError: The storage does not answer.
        """
        if self._storage is None:
            number = sum(1 for _ in self._folder.ray.glob("session_*")) + 1
            return {"name": f"session_{number:03d}", "storage_path": str(self._folder.ray.resolve())}
        from lwq_tune.results.storage.stored_runs import count_sessions

        return {
            "name": f"session_{count_sessions(self._storage) + 1:03d}",
            "storage_path": self._storage.path,
            "storage_filesystem": self._storage.filesystem,
        }


def checkpoints_of_run(run_dir: Path) -> RunCheckpoints:
    """Return the checkpoints of the run in a folder.

    Raises:
        ResultsError: The folder holds no run.
    """
    from lwq_tune.results.manifest import read_manifest

    manifest = read_manifest(run_dir)
    return RunCheckpoints(RunFolder(run_dir), manifest.sweep.get("storage"), manifest.run)


def local_copy(location: str, spare: Path) -> Path:
    """Return a local folder with a checkpoint.

    Args:
        location: From `RunCheckpoints.find`.
        spare: Folder to copy the checkpoint to, if it is not local.

    Raises:
        FileNotFoundError: The checkpoint no longer exists.
        ResultsError: The storage does not answer.
    """
    if "://" not in location:
        return Path(location)
    from lwq_tune.results.storage.stored_runs import fetch_folder

    return fetch_folder(location, spare)
