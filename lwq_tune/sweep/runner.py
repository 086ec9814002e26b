"""Runs the trials of a sweep on Ray Tune."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lwq_tune.config import TrialConfig
from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.energy.ledger_client import RunSpec, run_spec
from lwq_tune.results.provenance import available_cpus
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.store import RunFolder
from lwq_tune.sweep.driver_account import DriverAccount
from lwq_tune.sweep.exclusive import in_random_blocks, prepare_host
from lwq_tune.sweep.initial import waves
from lwq_tune.sweep.progress import Progress, make_progress
from lwq_tune.sweep.ray_session import local_ray
from lwq_tune.sweep.reservation import Host, Slots, choose_slots, usable_memory_mib
from lwq_tune.sweep_config import SweepConfig
from lwq_tune.training.checkpoint import final_checkpoints, find_in_run

_log = logging.getLogger(__name__)

MAX_PROCESS_DEATHS = 2
CHECKPOINTS_KEPT = 2


@dataclass(frozen=True)
class Plan:
    """What one session of a sweep does.

    Attributes:
        folder: Its run folder, made.
        trials: The trials to train in this session, by key, each after the one it starts from.
        intensities: Carbon intensity by host, of all others under the empty name.
        resume_from: Checkpoint folders of each trial, newest first.
        n_together: How many trials of the whole sweep could run at a time with each, finished ones included: it
            decides on the number of threads, and so on the last digits, which a resumed sweep must repeat.
        session: Names this session in the energy logs.
    """

    folder: RunFolder
    config: SweepConfig
    trials: Mapping[str, TrialConfig]
    intensities: Mapping[str, IntensitySeries]
    resume_from: Mapping[str, list[str]]
    n_together: Mapping[str, int]
    session: str = field(default_factory=lambda: secrets.token_hex(8))

    def spec(self, hostname: str) -> RunSpec:
        """Return what the ledger of a host has to know."""
        return run_spec(self.folder.path.resolve(), self.intensities, self.config.pue, hostname, self.session)


def run_trials(plan: Plan, recorder: RunRecorder) -> str | None:
    """Train the planned trials, as many at a time as fit, in waves; rows and ends go to ``recorder``.

    A trial that starts from another one's network is in a later wave than that one.

    Returns:
        Why Ray ended the sweep early, such as a host out of memory; None where the trials ran to their ends
        or the user interrupted. What has no end in the records is unfinished and can be resumed.

    Raises:
        ConfigError: A trial reserves more than the host has.
        ResultsError: A row could not be written, the sweep was stopped; or there is no energy ledger here.
    """
    n_cpus = available_cpus()
    progress = None
    account = DriverAccount(plan.spec(socket.gethostname()))
    try:
        with local_ray(n_cpus):
            if plan.config.exclusive:
                prepare_host()
                if account.idle_source() == "unknown":
                    _log.warning(
                        "the host was not idle before the first trial, so idle power counts as the trials' own"
                    )
            progress = make_progress(plan.trials, sys.stderr, recorder.epochs_done())
            for wave in waves(plan.trials):
                ready = _ready(plan, wave, recorder, progress)
                stopped_by = _fit(plan, ready, recorder, progress) if ready else None
                if stopped_by is not None or not _have_ended(wave, recorder):
                    return stopped_by
            return None
    finally:
        if progress is not None:
            progress.close()
        account.close()
        recorder.finish()


def slots_here(config: SweepConfig, n_trials: int) -> Slots:
    """Return how many of some trials run at a time on this host.

    Raises:
        ConfigError: A trial reserves more than the host has.
    """
    import ray

    n_gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
    return choose_slots(config, Host(available_cpus(), n_gpus, usable_memory_mib()), n_trials)


def _ready(
    plan: Plan, wave: Mapping[str, TrialConfig], recorder: RunRecorder, progress: Progress
) -> dict[str, list[str]]:
    """Return the trials of a wave that can start, with the checkpoint folders of what they start from.

    A trial whose initial trial failed is recorded as failed.
    """
    ready = {}
    for key, trial in (in_random_blocks(wave) if plan.config.exclusive else wave).items():
        initial = trial.initial
        found = [] if initial is None else find_trained(plan, initial)
        if initial is None or found:
            ready[key] = found
            continue
        error = f"it starts from {initial.schedule} seed {initial.seed} ({initial.trial_key}), which did not finish"
        recorder.end_trial(key, "failed", error)
        progress.end_trial(key, "failed", error)
    return ready


def _have_ended(wave: Mapping[str, TrialConfig], recorder: RunRecorder) -> bool:
    statuses = recorder.statuses()
    return all(statuses[key] in ("done", "failed") for key in wave)


def _fit(plan: Plan, ready: Mapping[str, list[str]], recorder: RunRecorder, progress: Progress) -> str | None:
    """Train the trials in ``ready``, which maps keys to the checkpoint folders that they start from."""
    from ray import tune

    from lwq_tune.sweep.callbacks import RecordingCallback, StopOnError
    from lwq_tune.sweep.trainable import Trainable

    slots = slots_here(plan.config, max(plan.n_together[key] for key in ready))
    callback = RecordingCallback(recorder, progress)
    session = f"session_{sum(1 for _ in plan.folder.ray.glob('session_*')) + 1:03d}"
    tuner = tune.Tuner(
        tune.with_resources(Trainable, {"cpu": slots.cpus, "gpu": slots.gpus}),
        param_space={"job": tune.grid_search([_job(plan, key, found, slots) for key, found in ready.items()])},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=slots.n_slots,
            reuse_actors=True,
            trial_name_creator=_trial_key,
            trial_dirname_creator=_trial_key,
        ),
        run_config=tune.RunConfig(
            name=session,
            storage_path=str(plan.folder.ray.resolve()),
            verbose=0,
            callbacks=[callback],
            stop=StopOnError(callback),
            failure_config=tune.FailureConfig(max_failures=MAX_PROCESS_DEATHS),
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=1, num_to_keep=CHECKPOINTS_KEPT, checkpoint_at_end=False
            ),
        ),
    )
    stopped_by = None
    try:
        tuner.fit()
    except Exception as error:  # noqa: BLE001 (Tune raises anything; it is reported, and the run can be resumed)
        stopped_by = _keep_error(plan.folder, error)
    if callback.error is not None:
        raise callback.error
    return stopped_by


def _keep_error(folder: RunFolder, error: Exception) -> str:
    """Write an error that ended Tune as a whole into the run folder and return it in one line.

    Tune gives up on some faults of a host, such as a worker killed for lack of memory, or a full disk.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    with contextlib.suppress(OSError):
        folder.ray_error.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no reason given'}"


def _trial_key(trial: Any) -> str:
    key: str = trial.config["job"]["trial_key"]
    return key


def _job(plan: Plan, key: str, initial: list[str], slots: Slots) -> dict[str, Any]:
    """Return the configuration that `Trainable` takes."""
    return {
        "trial_key": key,
        "trial": plan.trials[key].model_dump(mode="json"),
        "resume_from": plan.resume_from.get(key, []),
        "initial": initial,
        "machine": {
            "data_dir": str(plan.config.data_dir.resolve()),
            "n_threads": max(1, int(slots.cpus)),
            "n_cpus": slots.cpus,
            "n_gpus": slots.gpus,
        },
        "books": {
            "run_dir": str(plan.folder.path.resolve()),
            "intensities": {host: series.to_dict() for host, series in plan.intensities.items()},
            "pue": plan.config.pue,
            "session": plan.session,
        },
    }


def find_trained(plan: Plan, trial: TrialConfig) -> list[str]:
    """Return the checkpoint folders of a trial's last epoch, in this run or in the one whose networks it may use."""
    others = [] if plan.config.init_run is None else [RunFolder(plan.config.init_run)]
    runs = [plan.folder, *others]
    return [str(path) for run in runs for path in final_checkpoints(run.ray, trial.trial_key, trial.n_rows)]


def find_checkpoints(folder: RunFolder, trial_key: str) -> list[str]:
    """Return the checkpoint folders of a trial in all sessions of a run, latest epoch first."""
    return [str(info.folder) for info in find_in_run(folder.ray, trial_key)]
