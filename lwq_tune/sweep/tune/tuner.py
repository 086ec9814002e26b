"""One run of Ray Tune over a supply of trials."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.store import RunFolder
from lwq_tune.sweep.cluster.slots import Slots
from lwq_tune.sweep.plan import Plan, make_job
from lwq_tune.sweep.progress import Progress
from lwq_tune.sweep.search.trial_queue import Supply
from lwq_tune.sweep.stopping.controller import Control

if TYPE_CHECKING:
    from ray.tune import Callback, Tuner

    from lwq_tune.sweep.tune.recording import RecordingCallback

MAX_PROCESS_DEATHS = 2
CHECKPOINTS_KEPT = 2


@dataclass(frozen=True)
class Desk:
    """Where what happens in a sweep comes together: its records, its display, what ends it early, other loggers.

    ``before`` is called before anything is recorded.
    """

    recorder: RunRecorder
    progress: Progress
    control: Control
    loggers: Sequence[Callback] = ()
    before: Sequence[Callback] = ()


def _leave_out_snapshots() -> bool:
    """Keep Tune from writing, and from keeping in memory as text, the state of all trials.

    It writes them every ten seconds and, where few checkpoints are kept, after every other checkpoint of any of them:
    work that grows with the square of the trials. A resumed sweep reads our own records instead. A version of Ray
    without these methods only loses the gain.

    Returns:
        Whether Tune leaves them out, so that it needs nothing of a trial that is over.
    """
    from ray.tune.execution import experiment_state, tune_controller

    are_left_out = True
    for module, name, method in (
        (experiment_state, "_ExperimentCheckpointManager", "on_trial_checkpoint"),
        (tune_controller, "TuneController", "_mark_trial_to_checkpoint"),
    ):
        kind = getattr(module, name, None)
        if hasattr(kind, method):
            setattr(kind, method, lambda self, trial: None)
        else:
            are_left_out = False
    return are_left_out


def _use_waiting_workers() -> None:
    """Let trials run in the processes that a local Ray starts beforehand, one per CPU, instead of in further ones.

    Tune gives its trials an environment of their own, for which those do not count as fit; but the processes of a local
    Ray have inherited ours. A version of Ray without these names only loses the gain, a second at the start.
    """
    from ray.tune.execution import class_cache

    for name, nothing in (("DEFAULT_ENV_VARS", {}), ("ENV_VARS_TO_PROPAGATE", set())):
        if hasattr(class_cache, name):
            setattr(class_cache, name, nothing)


def run_tune(plan: Plan, supply: Supply, slots: Slots, desk: Desk) -> str | None:
    """Train what a supply hands out until it is exhausted.

    Args:
        plan: The sweep.
        supply: Which trial is next.
        slots: Trials at a time, and what each reserves.
        desk: Where events go.

    Returns:
        Why Ray ended early, None where it did not.

    Raises:
        ResultsError: Something could not be recorded.
    """
    from lwq_tune.sweep.tune.recording import RecordingCallback

    forgets = _leave_out_snapshots()
    if plan.config.address is None:
        _use_waiting_workers()
    callback = RecordingCallback(desk.recorder, desk.progress, desk.control, plan.config.epoch_limit)
    stopped_by = None
    try:
        _make_tuner(plan, supply, slots, desk, callback, forgets=forgets).fit()
    except Exception as error:  # noqa: BLE001 (Tune raises anything; it is reported, and the run can be resumed)
        stopped_by = _keep_error(plan.folder, error)
    if callback.error is not None:
        raise callback.error
    return stopped_by


def _make_tuner(
    plan: Plan, supply: Supply, slots: Slots, desk: Desk, callback: RecordingCallback, *, forgets: bool
) -> Tuner:
    from ray import tune

    from lwq_tune.sweep.tune.recording import EarlyStop, key_of
    from lwq_tune.sweep.tune.searcher import SupplySearcher
    from lwq_tune.sweep.tune.trainable import Trainable

    def job(key: str) -> dict[str, Any]:
        return make_job(plan, desk.recorder.config(key), slots)

    return tune.Tuner(
        tune.with_resources(Trainable, {"cpu": slots.cpus, "gpu": slots.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=SupplySearcher(supply, job, desk.control.is_over, callback),
            num_samples=-1,
            max_concurrent_trials=slots.n_slots,
            reuse_actors=True,
            trial_name_creator=lambda trial: key_of(trial.config),
            trial_dirname_creator=lambda trial: key_of(trial.config),
        ),
        run_config=tune.RunConfig(
            **plan.shelf().tune_settings(),
            verbose=0,
            callbacks=_callbacks(plan, desk, callback, forgets=forgets),
            stop=EarlyStop(callback, desk.control),
            failure_config=tune.FailureConfig(max_failures=MAX_PROCESS_DEATHS),
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=1, num_to_keep=CHECKPOINTS_KEPT, checkpoint_at_end=False
            ),
        ),
    )


def _callbacks(plan: Plan, desk: Desk, callback: RecordingCallback, *, forgets: bool) -> list[Callback]:
    """Return what Tune calls, in that order: records before other loggers, and forgetting when all have seen it."""
    from lwq_tune.sweep.tune.patches import ForgettingCallback
    from lwq_tune.sweep.tune.stall_detection import SilenceCallback

    last = [ForgettingCallback()] if forgets else []
    return [*desk.before, callback, SilenceCallback(plan.config.epoch_limit), *desk.loggers, *last]


def _keep_error(folder: RunFolder, error: Exception) -> str:
    """Write an error that ended Tune as a whole into the run folder and return it in one line.

    Tune gives up on some faults of a host, such as a worker killed for lack of memory, or a full disk.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    with contextlib.suppress(OSError):
        folder.ray_error.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no reason given'}"
