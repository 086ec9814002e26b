"""The protocol of a logger, and what loggers are told of a trial: flat values, and no paths of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lwq_tune.config.trial import TrialConfig

# The hyperparameters that are tags of a trial, where a logger has tags.
TAGS = ("run", "schedule", "family", "bit_widths", "quantizer", "dataset", "model", "seed")


@dataclass(frozen=True)
class LoggedTrial:
    """A trial as loggers are told of it.

    Attributes:
        key: Its trial key.
        unique_id: Unique over sessions, as one trial may be trained in several.
        hyperparameters: What describes it in plain values, the name of its run included; see `hyperparameters`.
    """

    key: str
    unique_id: str
    hyperparameters: Mapping[str, Any]


class TrialLogger(Protocol):
    """Logs one trial; its methods are called in order, by one thread."""

    def open(self, trial: LoggedTrial) -> None:
        """Begin to log a trial."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Log an epoch.

        Args:
            row: Its row, as the tables have it.
        """

    def close(self, *, is_failed: bool) -> None:
        """End the log of the trial; `open` has succeeded before."""


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an epoch's row by column; what was not measured is left out, not 0.

    >>> scalars({"epoch": 3, "train_loss": 0.5, "gpu_energy_kwh": None, "engine": "eager"})
    {'train_loss': 0.5}
    """
    return {name: value for name, value in row.items() if isinstance(value, int | float) and name != "epoch"}


def hyperparameters(trial: TrialConfig) -> dict[str, Any]:
    """Return what describes a trial, in plain values: no lists, no nulls, and of a data folder its name alone.

    >>> described = hyperparameters(TrialConfig(bit_widths=(2, 3, 4), dataset="/data/birds", dataset_digest="ab12"))
    >>> [described[name] for name in ("schedule", "family", "bit_widths", "blocks", "dataset", "dataset_digest")]
    ['ascending_234', 'ascending', '2-3-4', '2-2-2', 'birds', 'ab12']
    >>> "pretrain_epochs" in described
    False
    """
    values = trial.model_dump(mode="json")
    values["dataset"] = Path(trial.dataset).name
    plain = {
        name: "-".join(map(str, value)) if isinstance(value, list) else value
        for name, value in values.items()
        if value not in (None, [])
    }
    return {"trial_key": trial.trial_key, "schedule": trial.schedule, "family": trial.family, **plain}
