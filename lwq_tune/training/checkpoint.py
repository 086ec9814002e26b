"""Checkpoints that a crash cannot damage: written aside, synced, renamed, and checked by a digest when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.files.atomic import whole_file

STATE_FILE, DIGEST_FILE = "trial.pt", "trial.json"


class CheckpointError(RuntimeError):
    """A checkpoint is incomplete or damaged."""


@dataclass(frozen=True)
class CheckpointInfo:
    """The metadata of a checkpoint, read without loading its tensors."""

    folder: Path
    trial_key: str
    epoch: int


def save_checkpoint(state: dict[str, Any], folder: Path) -> None:
    """Write the state of a trial into ``folder``, the digest last.

    Raises:
        OSError: The folder cannot be written.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / STATE_FILE) as part:
        with part.open("wb") as stream:
            torch.save(state, stream)
        digest = _digest(part)
    description = {"trial_key": state["trial_key"], "epoch": state["epoch"], "sha256": digest}
    with whole_file(folder / DIGEST_FILE) as part:
        part.write_text(json.dumps(description))


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Return the state of a trial from ``folder``.

    Raises:
        CheckpointError: A file is missing, or the content is not what was written.
    """
    import torch

    description = _description(folder)
    try:
        if _digest(folder / STATE_FILE) != description["sha256"]:
            raise CheckpointError(f"a checkpoint must be whole, {folder / STATE_FILE} has another digest")
        state: dict[str, Any] = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"a checkpoint must be readable, {folder} is not: {error}") from error
    return state


def newest_first(folders: Iterable[Path], trial_key: str) -> list[CheckpointInfo]:
    """Return the checkpoints of a trial among ``folders``, latest epoch first; broken ones are left out."""
    found = []
    for folder in folders:
        try:
            description = _description(folder)
        except CheckpointError:
            continue  # a crash while saving leaves a folder without its digest: it is no checkpoint
        if description["trial_key"] == trial_key:
            found.append(CheckpointInfo(folder, trial_key, int(description["epoch"])))
    return sorted(found, key=lambda info: (info.epoch, info.folder.stat().st_mtime), reverse=True)


def find_in_run(ray_folder: Path, trial_key: str) -> list[CheckpointInfo]:
    """Return the checkpoints of a trial in all sessions of a run, latest epoch first.

    Args:
        ray_folder: Folder of Ray Tune's state in the run folder.
        trial_key: The trial.
    """
    folders = ray_folder.resolve().glob(f"session_*/{trial_key}/checkpoint_*")
    return newest_first(folders, trial_key)


def final_checkpoints(ray_folder: Path, trial_key: str, last_epoch: int) -> list[Path]:
    """Return the checkpoint folders of a trial's last epoch; none where it has not finished in that run."""
    return [info.folder for info in find_in_run(ray_folder, trial_key) if info.epoch == last_epoch]


def _description(folder: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((folder / DIGEST_FILE).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"a checkpoint must hold {DIGEST_FILE}, {folder} does not: {error}") from error
    if not isinstance(description, dict) or not {"trial_key", "epoch", "sha256"} <= description.keys():
        raise CheckpointError(f"a checkpoint must describe itself, {folder / DIGEST_FILE} does not")
    return description


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
