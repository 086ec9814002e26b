"""What a pre-flight estimate measures: which trials run with which slots, and the models that represent them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import ImageCounts
from lwq_tune.errors import ConfigError
from lwq_tune.estimation.cost_model import Measured, TrialEstimate, TrialWork, estimate_trial
from lwq_tune.estimation.probe_pool import measure_side_by_side
from lwq_tune.estimation.probe_worker import ProbeSetup, ProbeTask
from lwq_tune.estimation.representatives import MAX_MEASURED, Models, spread
from lwq_tune.host.threads import n_threads
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.output_streams import say
from lwq_tune.sweep.slots import Host, Slots, choose_slots, usable_memory_mib
from lwq_tune.sweep.space.prerequisites import waves

if TYPE_CHECKING:
    from lwq_tune.energy.ledger.run_ledger import RunSpec
    from lwq_tune.sweep.plan import AdaptiveSearch

# Time for the probes of one number of slots; a model that is not measured by then takes the figures of the nearest one.
PROBE_LIMIT_S = 60.0


@dataclass(frozen=True)
class Group:
    """Trials that start when those before have ended, and how many of them run at a time."""

    trials: tuple[TrialConfig, ...]
    slots: Slots


def find_groups(
    config: SweepConfig,
    trials: Mapping[str, TrialConfig],
    search: AdaptiveSearch | None,
    bitops: Mapping[str, float],
) -> list[Group]:
    """Return the trials in the order in which they wait for one another.

    Which trials a search will propose is not known; as many stand for them, spread over the BitOps of all candidates,
    or of some that are drawn where they are not listed.

    Raises:
        ConfigError: A trial reserves more than this host has, or there is no trial.
    """
    from lwq_tune.host.hardware import available_cpus

    host = Host(available_cpus(), float(len(visible_gpus())), usable_memory_mib())
    groups = [tuple(wave.values()) for wave in waves(trials)]
    n_proposed = 0 if search is None else search.size()[0]
    if search is not None and n_proposed:
        stand_ins = sorted(search.stand_ins.values(), key=lambda trial: bitops[trial.trial_key])
        groups.append(tuple(spread(stand_ins, min(n_proposed, len(stand_ins)))))
    if not groups:
        raise ConfigError("an estimate needs at least one trial that is left to train, got none")
    return [Group(group, choose_slots(config, host, len(group))) for group in groups]


class MeasuredModels:
    """Measurements of the models of all groups that run on the same slots.

    Args:
        slots: Number of trials at a time, and what each has.
        groups: All groups; those with other slots are left out.
        bitops: BitOps of each trial, by key.
        counts: Images of the data set.
        images: The form of its images.
        spec: What the ledger needs to know about the run.

    Raises:
        ConfigError: A probe failed.
    """

    def __init__(
        self,
        slots: Slots,
        groups: list[Group],
        bitops: Mapping[str, float],
        counts: ImageCounts,
        images: ImageFormat,
        spec: RunSpec,
    ) -> None:
        self._slots = slots
        own = [trial for group in groups if group.slots == slots for trial in group.trials]
        self.models = Models(own, [bitops[trial.trial_key] for trial in own])
        works = [TrialWork.of(trial, counts) for trial in self.models.trials]
        chosen = self.models.choose(max(MAX_MEASURED, slots.n_slots))
        say(f"measuring {len(chosen)} of {len(works)} models, {show_slots(slots)}")
        setup = ProbeSetup(slots.n_slots, slots.cpus, slots.gpus, images, gpus_of_slots(slots, visible_gpus()), spec)
        tasks = [ProbeTask(self.models.trials[position], works[position]) for position in chosen]
        self.report = measure_side_by_side(tasks, setup, PROBE_LIMIT_S)
        self.measured = {chosen[index]: measured for index, measured in self.report.measured.items()}
        self.stands_for = [self.models.nearest(position, list(self.measured)) for position in range(len(works))]
        self.estimates = [
            estimate_trial(self.measured[nearest], works[position], is_own=nearest == position)
            for position, nearest in enumerate(self.stands_for)
        ]

    def estimate(self, trial: TrialConfig) -> TrialEstimate:
        """Return what a trial takes."""
        return self.estimates[self.models.position(trial)]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of plain values for each measured model."""
        return [self._row(position, measured) for position, measured in sorted(self.measured.items())]

    def _row(self, position: int, measured: Measured) -> dict[str, Any]:
        trial, estimate = self.models.trials[position], self.estimates[position]
        stood_for = [other for other, nearest in enumerate(self.stands_for) if nearest == position]
        energy_kwh = estimate.energy_kwh
        return {
            "schedule": trial.schedule,
            "mode": trial.mode,
            "epochs": trial.n_rows,
            "batch_size": trial.batch_size,
            "engine": measured.engine,
            "device": measured.device,
            "n_threads": n_threads(self._slots.cpus),
            "n_models": len(stood_for),
            "n_trials": sum(self.models.n_trials[other] for other in stood_for),
            "n_steps": len(measured.step_times_s),
            "step_s": estimate.step_s.to_dict() if measured.step_times_s else None,
            "epoch_s": estimate.epoch_s.to_dict(),
            "time_s": estimate.time_s.to_dict(),
            "energy_kwh": None if energy_kwh is None else energy_kwh.to_dict(),
        }


def show_slots(slots: Slots) -> str:
    """Return slots for display.

    >>> show_slots(Slots(2, 1.0, 0.0)), show_slots(Slots(1, 4.0, 0.5))
    ('2 side by side with 1 thread each', '1 at a time with 4 threads and 0.5 GPU')
    """
    threads = n_threads(slots.cpus)
    how = "1 at a time" if slots.n_slots == 1 else f"{slots.n_slots} side by side"
    gpus = f" and {slots.gpus:g} GPU" if slots.gpus else ""
    each = "" if slots.n_slots == 1 else " each"
    return f"{how} with {threads} thread{'s' if threads > 1 else ''}{gpus}{each}"


def gpus_of_slots(slots: Slots, visible: Sequence[str]) -> tuple[str, ...]:
    """Return the value of ``CUDA_VISIBLE_DEVICES`` of each slot; none where trials have no GPU.

    >>> gpus_of_slots(Slots(4, 1.0, 0.5), ["0", "1"]), gpus_of_slots(Slots(1, 1.0, 2.0), ["0", "1"])
    (('0', '0', '1', '1'), ('0,1',))
    """
    if not slots.gpus:
        return ()
    if slots.gpus < 1:
        per_gpu = math.floor(1 / slots.gpus + 1e-9)
        return tuple(visible[slot // per_gpu] for slot in range(slots.n_slots))
    n_each = math.ceil(slots.gpus)
    return tuple(",".join(visible[slot * n_each : (slot + 1) * n_each]) for slot in range(slots.n_slots))


def visible_gpus() -> list[str]:
    """Return the GPUs that processes may use, as entries of ``CUDA_VISIBLE_DEVICES``."""
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.visible_gpus import owned_gpus

    reader = find_gpus()
    try:
        return list(owned_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), reader.gpus, float(len(reader.gpus))))
    finally:
        reader.close()
