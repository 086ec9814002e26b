"""A trial as a run of MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lwq_tune.sweep.loggers.trial_logger import TAGS, LoggedTrial, scalars


class MlflowLogger:
    """Logs a trial as a run of an experiment.

    Args:
        uri: Tracking URI.
        experiment: Name of the experiment, which is made if there is none: the run folder.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._experiment = uri, experiment

    def open(self, trial: LoggedTrial) -> None:
        """Start a run with tags and parameters."""
        from mlflow import MlflowClient  # type: ignore[import-not-found, unused-ignore]
        from mlflow.entities import Param  # type: ignore[import-not-found, unused-ignore]

        self._client = MlflowClient(tracking_uri=self._uri)
        experiment = self._client.get_experiment_by_name(self._experiment)
        made_id = self._client.create_experiment(self._experiment) if experiment is None else experiment.experiment_id
        values = trial.hyperparameters
        tags = {**{name: str(values[name]) for name in TAGS}, "trial_name": trial.key}
        self._run_id = self._client.create_run(made_id, tags=tags, run_name=trial.key).info.run_id
        self._client.log_batch(self._run_id, params=[Param(name, str(value)) for name, value in values.items()])

    def log(self, row: Mapping[str, Any]) -> None:
        """Log an epoch in one batch: one by one, its 34 numbers take 0.3 s of CPU time, not 0.02."""
        from mlflow.entities import Metric

        now_ms = time.time_ns() // 1_000_000
        metrics = [Metric(name, float(value), now_ms, row["epoch"]) for name, value in scalars(row).items()]
        self._client.log_batch(self._run_id, metrics)

    def close(self, *, is_failed: bool) -> None:
        """End the run."""
        self._client.set_terminated(self._run_id, "FAILED" if is_failed else "FINISHED")
