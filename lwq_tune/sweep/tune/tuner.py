"""Runs Ray Tune once over a queue of trials."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.plan import Plan
from lwq_tune.sweep.progress import Progress
from lwq_tune.sweep.search.trial_queue import TrialQueue
from lwq_tune.sweep.slots import Slots
from lwq_tune.sweep.stopping.controller import StopController
from lwq_tune.sweep.tune.job import TrialJob, make_job

if TYPE_CHECKING:
    from ray.tune import Callback, Tuner

    from lwq_tune.sweep.tune.recording import RecordingCallback

MAX_PROCESS_DEATHS = 2
CHECKPOINTS_KEPT = 2


@dataclass(frozen=True)
class SweepSinks:
    """The receivers of a sweep's events.

    Attributes:
        recorder: Records of the run.
        progress: Display on the terminal.
        controller: Ends trials and the sweep early.
        before_row: Called with the name of a row's host before the row is recorded.
        loggers: Callbacks of other loggers, such as TensorBoard.
    """

    recorder: RunRecorder
    progress: Progress
    controller: StopController
    before_row: Callable[[str], object]
    loggers: Sequence[Callback] = ()


def run_tune(plan: Plan, queue: TrialQueue, slots: Slots, sinks: SweepSinks) -> str | None:
    """Train the trials of a queue until it is exhausted.

    Args:
        plan: The sweep.
        queue: Returns the next trial.
        slots: Number of trials at a time, and what each reserves.
        sinks: Receivers of events.

    Returns:
        Why Ray ended early, None if it did not.

    Raises:
        ResultsError: An event could not be recorded.
    """
    from lwq_tune.sweep.tune import patches
    from lwq_tune.sweep.tune.recording import RecordingCallback

    drops_ended = patches.leave_out_snapshots()
    if plan.config.address is None:
        patches.use_waiting_workers()
    callback = RecordingCallback(
        sinks.recorder, sinks.progress, sinks.controller, plan.config.epoch_limit, sinks.before_row
    )
    stopped_by = None
    try:
        _make_tuner(plan, queue, slots, sinks, callback, drops_ended=drops_ended).fit()
    except Exception as error:  # noqa: BLE001 (Tune raises anything; it is reported, and the run can be resumed)
        stopped_by = _keep_error(plan.folder, error)
    if callback.error is not None:
        raise callback.error
    return stopped_by


def _make_tuner(
    plan: Plan, queue: TrialQueue, slots: Slots, sinks: SweepSinks, callback: RecordingCallback, *, drops_ended: bool
) -> Tuner:
    from ray import tune

    from lwq_tune.sweep.tune.recording import EarlyStop, key_of
    from lwq_tune.sweep.tune.searcher import QueueSearcher
    from lwq_tune.sweep.tune.trainable import Trainable

    def job(key: str) -> TrialJob:
        return make_job(plan, sinks.recorder.config(key), slots)

    return tune.Tuner(
        tune.with_resources(Trainable, {"cpu": slots.cpus, "gpu": slots.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=QueueSearcher(queue, job, sinks.controller.is_over, callback),
            num_samples=-1,
            max_concurrent_trials=slots.n_slots,
            reuse_actors=True,
            trial_name_creator=lambda trial: key_of(trial.config),
            trial_dirname_creator=lambda trial: key_of(trial.config),
        ),
        run_config=tune.RunConfig(
            **plan.checkpoints().tune_settings(),
            verbose=0,
            callbacks=_callbacks(plan, sinks, callback, drops_ended=drops_ended),
            stop=EarlyStop(callback, sinks.controller),
            failure_config=tune.FailureConfig(max_failures=MAX_PROCESS_DEATHS),
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=1, num_to_keep=CHECKPOINTS_KEPT, checkpoint_at_end=False
            ),
        ),
    )


def _callbacks(plan: Plan, sinks: SweepSinks, callback: RecordingCallback, *, drops_ended: bool) -> list[Callback]:
    """Return Tune's callbacks in order: recording before other loggers; trials that have ended are dropped last."""
    from lwq_tune.sweep.tune.patches import DropEndedTrials
    from lwq_tune.sweep.tune.stall_detection import StallCallback

    last = [DropEndedTrials()] if drops_ended else []
    return [callback, StallCallback(plan.config.epoch_limit), *sinks.loggers, *last]


def _keep_error(folder: RunFolder, error: Exception) -> str:
    """Write an error that ended all of Tune into the run folder and return it in one line.

    Some faults of a host end Tune, such as a worker that is killed for lack of memory, or a full disk.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    with contextlib.suppress(OSError):
        folder.ray_error.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no reason given'}"
