"""A trial as a run of Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwq_tune.sweep.loggers.trial_logger import TAGS, LoggedTrial, scalars

MAX_TAG_LENGTH = 64
UPLOAD_TIMEOUT_S = 120
_WITHOUT_LOGIN = ("offline", "disabled", "dryrun")


class WandbLogger:
    """Logs a trial as a run of a project; several are open in one process.

    Args:
        project: Name of the project.
        group: Name of the group: the run folder.
        folder: Folder in which W&B makes its folder ``wandb``.
    """

    def __init__(self, project: str, group: str, folder: Path) -> None:
        self._project, self._group, self._folder = project, group, folder

    def open(self, trial: LoggedTrial) -> None:
        """Start a run.

        Raises:
            ValueError: It is to be sent to a server, and no key for it is known.
        """
        import wandb  # type: ignore[import-not-found, unused-ignore]

        mode = os.environ["WANDB_MODE"]
        if mode not in _WITHOUT_LOGIN and not wandb.login(prompt=False, verify=False):
            raise ValueError("no key of W&B is known; set WANDB_API_KEY, or run `wandb login`")
        self._run = wandb.init(
            project=self._project,
            group=self._group,
            dir=str(self._folder),
            mode=mode,
            id=trial.unique_id,
            name=trial.key,
            config=dict(trial.hyperparameters),
            tags=[f"{name}:{trial.hyperparameters[name]}"[:MAX_TAG_LENGTH] for name in TAGS],
            reinit="create_new",
            settings=wandb.Settings(
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_meta=True,  # the command line, with paths of this machine
                finish_timeout=UPLOAD_TIMEOUT_S,  # by default it waits for a lost server for ever
                stop_fn=lambda: None,  # by default, "stop run" on W&B's pages interrupts the process: the whole sweep
            ),
        )

    def log(self, row: Mapping[str, Any]) -> None:
        """Log an epoch."""
        self._run.log({"training_iteration": row["epoch"], **scalars(row)}, step=row["epoch"])

    def close(self, *, is_failed: bool) -> None:
        """End the run and upload the rest of it.

        Args:
            is_failed: Not used: the tables say how a trial ended.
        """
        self._run.finish()
