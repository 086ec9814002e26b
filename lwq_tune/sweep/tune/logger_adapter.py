"""What a logger of Ray's sees of a sweep: flat rows of trials that are named by their keys."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from lwq_tune.config.trial import TrialConfig

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class NamedTrial:
    """Replaces Ray's trial in its loggers, which would otherwise show paths of this machine and nested settings.

    Attributes:
        trial_id: Unique over sessions, as one trial may be trained in several.
        config: Its hyperparameters, see `hyperparameters`.
        local_path: Folder of the logger's files.
    """

    trial_id: str
    config: dict[str, Any]
    local_path: str

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The hyperparameters, under the name that the TensorBoard callback reads."""
        return self.config

    def init_local_path(self) -> None:
        """Make the folder."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return str(self.config["trial_key"])


class TrialLogger(tune.Callback):
    """Passes epochs to one of Ray's logger callbacks; at its first error, it is dropped and the sweep continues.

    Args:
        flag: Flag that asked for the logger, for messages.
        make: Makes Ray's callback; called each time that Tune starts.
        run: Name of the run folder.
        tag: Sets the tags of a trial in Ray's callback, from its hyperparameters, before the trial starts there.
        folder_of: Folder of a trial's files by its key.
    """

    def __init__(
        self,
        flag: str,
        make: Callable[[], Any],
        run: str,
        tag: Callable[[Any, Mapping[str, Any]], None] = lambda callback, config: None,
        folder_of: Callable[[str], str] = lambda key: ".",
    ) -> None:
        self._flag, self._make, self._run, self._tag, self._folder_of = flag, make, run, tag, folder_of
        self._inner: Any = None
        self._is_dropped = False
        self._open: dict[str, NamedTrial] = {}
        self._failed: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: a resumed sweep has loggers of its own."""
        return {}

    def setup(self, *arguments: Any, **named: Any) -> None:
        """Make Ray's callback and set it up."""
        self._open, self._failed = {}, set()
        self._call(self._start, *arguments, **named)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Report a trial that starts, or continues in another process."""
        job = trial.config["job"]
        key = job.trial_key
        if key not in self._open:
            config = {"run": self._run, **hyperparameters(job.trial)}
            self._open[key] = NamedTrial(f"{key}-{trial.trial_id}", config, self._folder_of(key))
        self._call(self._tell_start, self._open[key])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Report an epoch."""
        key = trial.config["job"].trial_key
        if "failure" in result:
            self._failed.add(key)
        for row in result.get("rows", ()):
            values = {"training_iteration": row["epoch"], **scalars(row)}
            self._call(self._tell_row, iteration, self._open[key], values)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Report the end of a trial."""
        key = trial.config["job"].trial_key
        self._end(key, failed=key in self._failed)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Report a trial that Tune does not retry."""
        self._end(trial.config["job"].trial_key, failed=True)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """End the trials that an interrupted sweep leaves open, since W&B would wait for them, and close the logger."""
        for key in list(self._open):
            self._end(key, failed=True)
        self._call(lambda: self._inner.on_experiment_end(trials))
        self._inner = None

    def _start(self, *arguments: Any, **named: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between the packages of a logger
            self._inner = self._make()
            self._inner.setup(*arguments, **named)

    def _tell_row(self, iteration: int, trial: NamedTrial, values: dict[str, Any]) -> None:
        self._inner.log_trial_result(iteration, trial, values)

    def _tell_start(self, trial: NamedTrial) -> None:
        self._tag(self._inner, trial.config)
        self._inner.log_trial_start(trial)

    def _end(self, key: str, *, failed: bool) -> None:
        if key in self._open:
            trial = self._open.pop(key)
            self._call(lambda: self._inner.log_trial_end(trial, failed=failed))

    def _call(self, action: Callable[..., None], *arguments: Any, **named: Any) -> None:
        """Call Ray's callback; drop it at its first error."""
        if self._is_dropped:
            return
        try:
            action(*arguments, **named)
        except Exception as error:  # noqa: BLE001 (foreign code at a boundary: Tune would end the sweep)
            self._is_dropped, self._inner = True, None
            _log.warning(
                "%s failed and was dropped, the sweep and its tables continue without it: %s: %s",
                self._flag, type(error).__name__, error,
            )  # fmt: skip


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
