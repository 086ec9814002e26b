"""Ray Tune's view of a trial: setup, one epoch per step, checkpoints, and reuse of the process."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from lwq_tune.energy.meter import EnergyMeter
from lwq_tune.errors import EnergyMeterError
from lwq_tune.host.hardware import cpu_model
from lwq_tune.host.threads import let_idle_threads_sleep
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.tune.job import TrialJob
from lwq_tune.sweep.worker.time_limit import time_limit
from lwq_tune.sweep.worker.trial_log import TrialLog
from lwq_tune.training.run_checkpoints import RunCheckpoints, local_copy

if TYPE_CHECKING:
    from lwq_tune.training.trial import Trial

_log = logging.getLogger(__name__)


class Trainable(tune.Trainable):
    """Trains one trial, an epoch per step.

    The configuration holds one ``job``, a `TrialJob`.

    An error inside a trial is returned as its result and not raised: a retry would fail in the same way. Only the
    death of the process, which Tune detects, is worth a retry.
    """

    _trial: Trial | None
    _meter: EnergyMeter | None = None
    _failure: str | None
    _epoch_limit_s: float | None = None
    _trial_log: TrialLog | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Build the trial, and load its newest intact checkpoint if there is one."""
        self.cleanup()  # of the trial that used this process before
        self._trial, self._failure = None, None
        try:
            job: TrialJob = config["job"]
            self._trial_log = TrialLog(job.folder_here(), job.trial_key)
            self._epoch_limit_s = job.epoch_limit_s
            with time_limit(self._epoch_limit_s, f"the setup of {job.trial_key}"):
                self._meter = _open_account(job)
                self._trial = self._build(job)
                self._continue_from(job.resume_from)
        except Exception as error:  # noqa: BLE001 (the boundary: any error of a trial becomes its record)
            self._fail(error)

    def step(self) -> dict[str, Any]:
        """Train one epoch and return its row.

        The row is put into a list, since Tune keeps statistics of every number in a result that has a name: for one row
        about 100 KiB per trial, in the driver, until the sweep ends.
        """
        if self._trial is None:
            return {"failure": self._failure or "the trial was not set up", "done": True}
        if self._trial.is_finished:
            return {"done": True}  # it was interrupted between its last checkpoint and its end
        try:
            with time_limit(self._epoch_limit_s, f"epoch {self._trial.epochs_done + 1}"):
                row = self._trial.run_epoch()
        except Exception as error:  # noqa: BLE001 (as in setup)
            self._fail(error)
            return {"failure": self._failure, "done": True}
        return {
            "rows": [{**asdict(row), **self._host}],
            "val_accuracy": row.val_accuracy,
            "cumulative_emissions_kg_co2eq": row.cumulative_emissions_kg_co2eq,
            "done": self._trial.is_finished,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the state after the last complete epoch; a failed trial has no state."""
        from lwq_tune.training.checkpoint import save_checkpoint

        if self._trial is not None:
            save_checkpoint(self._trial.state_dict(), Path(checkpoint_dir))
            if self._trial.is_finished:
                self.cleanup()  # what this process uses from now on does not belong to the trial

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Continue from a checkpoint folder; if it is damaged, from an older one beside it or in the storage."""
        folder = Path(checkpoint)
        siblings = sorted(folder.parent.glob("checkpoint_*"), reverse=True)
        beside = [str(sibling) for sibling in siblings if sibling != folder]
        self._continue_from(itertools.chain([checkpoint], beside, self._stored()))

    def _stored(self) -> Iterator[str]:
        """Yield the checkpoints of this trial in the storage of the run, if it has one, latest epoch first."""
        job: TrialJob = self.config["job"]
        if job.storage is not None:
            checkpoints = RunCheckpoints(RunFolder(job.run_dir), job.storage, job.run)
            yield from (location for _, location in checkpoints.find([job.trial_key])[job.trial_key])

    def cleanup(self) -> None:
        """Close the trial's account in the ledger, and its log."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None
        if self._trial_log is not None:
            self._trial_log.close()
            self._trial_log = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Set up another trial in the same process, which saves importing torch again."""
        self.setup(new_config)
        return True

    def _build(self, job: TrialJob) -> Trial:
        let_idle_threads_sleep()
        import torch

        from lwq_tune.data.loading import load_dataset
        from lwq_tune.training.trial import Trial

        torch.set_num_threads(job.n_threads)
        uses_gpu = job.n_gpus > 0
        self._host = {
            "hostname": socket.gethostname(),
            "cpu_model": cpu_model(),
            "gpu_model": torch.cuda.get_device_name() if uses_gpu else None,
        }
        state = self._first_intact(job.initial)
        trial, dataset = job.trial_here(), load_dataset(job.trial.dataset, job.data_dir)
        if self._meter is None:
            raise EnergyMeterError("a trial must have an account before it is built, this one has none")
        device = "cuda" if uses_gpu else "cpu"
        return Trial(trial, dataset, self._meter, device, initial=None if state is None else state["model"])

    def _continue_from(self, locations: Iterable[str]) -> None:
        """Load the first intact checkpoint; without one, the trial starts from its first epoch."""
        state = self._first_intact(locations)
        if self._trial is not None and state is not None:
            self._trial.load_state_dict(state)

    @staticmethod
    def _first_intact(locations: Iterable[str]) -> dict[str, Any] | None:
        from lwq_tune.training.checkpoint import CheckpointError, load_checkpoint

        for location in locations:
            with tempfile.TemporaryDirectory(prefix="lwq_tune-checkpoint-") as spare:
                try:
                    return load_checkpoint(local_copy(location, Path(spare)))
                except (CheckpointError, FileNotFoundError) as error:
                    _log.warning("checkpoint skipped: %s", error)
        return None

    def _fail(self, error: Exception) -> None:
        _log.error("trial failed", exc_info=error)
        where = traceback.extract_tb(error.__traceback__)[-1]
        self._failure = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        self._trial = None
        self.cleanup()


def _open_account(job: TrialJob) -> EnergyMeter:
    """Open the trial's account for this process and return its meter."""
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.visible_gpus import owned_gpus
    from lwq_tune.energy.trial_meter import LedgerMeter

    gpus: dict[str, float] = {}
    if job.n_gpus > 0:
        reader = find_gpus()
        gpus = owned_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), reader.gpus, job.n_gpus)
        reader.close()
    return LedgerMeter(job.spec(), job.trial_key, os.getpid(), job.n_cpus, gpus)
