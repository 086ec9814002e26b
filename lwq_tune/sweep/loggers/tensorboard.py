"""The event file of a trial, through tensorboardX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwq_tune.sweep.loggers.trial_logger import LoggedTrial, scalars

FLUSH_PERIOD_S = 30


class TensorBoardLogger:
    """Writes the epochs of a trial, and at its end its hyperparameters with the last epoch.

    Args:
        folder: Folder of the event files of all trials; each has a folder in it that is named by its key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: dict[str, float] = {}

    def open(self, trial: LoggedTrial) -> None:
        """Open an event file."""
        from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

        self._hyperparameters = dict(trial.hyperparameters)
        self._writer = SummaryWriter(str(self._folder / trial.key), flush_secs=FLUSH_PERIOD_S)

    def log(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of an epoch and flush, so that a viewer shows them."""
        self._last = {name: value for name, value in scalars(row).items() if not math.isnan(value)}
        for name, value in self._last.items():
            self._writer.add_scalar(name, value, global_step=row["epoch"])
        self._writer.flush()

    def close(self, *, is_failed: bool) -> None:
        """Write the hyperparameters of a trial that has an epoch, and close the file.

        Args:
            is_failed: Not used: an event file has no status.
        """
        from tensorboardX.summary import hparams  # type: ignore[import-untyped]

        if self._last:
            for summary in hparams(hparam_dict=self._hyperparameters, metric_dict=self._last):
                self._writer.file_writer.add_summary(summary)
        self._writer.close()
