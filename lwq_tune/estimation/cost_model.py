"""From a few measured steps to the duration and the energy of a sweep, each with a range. Arithmetic only.

What is not measured is a constant range, below; each says where it was observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import ImageCounts
from lwq_tune.estimation.makespan import makespan_range
from lwq_tune.estimation.range import NOTHING, Range, total

# Observed in sweeps on 2 cores of an AMD EPYC VM, alone and beside other programs (Ray 2.60, torch 2.15).
SWEEP_START_S = Range(6.0, 13.0, 30.0)  # Ray starts and ends
WAVE_START_S = Range(0.5, 3.0, 8.0)  # another run of Tune in the same Ray
PROCESS_START_S = Range(2.0, 5.0, 12.0)  # a trial's process imports torch
LOAD_S_PER_ENCODED_IMAGE = Range(0.0, 2e-4, 6e-4)  # 60,000 images of a folder: 10 s, 18 s of CPU time beside others
TRIAL_SWITCH_S = Range(0.05, 0.5, 1.5)  # the end of a trial, the setup of the next
EPOCH_EXTRA_S = Range(0.01, 0.05, 0.2)  # checkpoint, row
COMPILE_S = Range(5.0, 40.0, 90.0)  # warm cache; 20 to 40 s cold with AVX-512, 66 to 75 s with AVX2
ASSUMED_S = {
    "Ray": SWEEP_START_S,
    "another wave": WAVE_START_S,
    "a process": PROCESS_START_S,
    "a switch of trials": TRIAL_SWITCH_S,
    "an epoch": EPOCH_EXTRA_S,
}
# Time of a compiled step over that of the eager step which is measured. No GPU has been measured yet.
COMPILED_STEP = {"cpu": Range(0.7, 0.85, 1.0), "cuda": Range(0.25, 0.6, 1.0)}
# What a measurement of seconds cannot show about hours: clock rates, other programs, cache sizes.
UNSEEN_SHARE = 0.1
# Quantized steps cost nearly the same for every schedule.
UNMEASURED_MODEL_SHARE = 0.1
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Measured:
    """What probes measured of one model.

    Attributes:
        step_times_s: Times of training steps with a full batch; none if the trial only calibrates.
        eval_times_s: Times of evaluations, per image.
        calibration_times_s: Times of calibrations, per image; none if nothing is quantized.
        powers_w: Mean powers that the ledger charged the probe with, active and idle; none without a ledger.
        engine: ``eager``, or ``compiled`` where the trial would compile; the steps are eager ones all the same.
        device: ``cpu`` or ``cuda``.
    """

    step_times_s: tuple[float, ...]
    eval_times_s: tuple[float, ...]
    calibration_times_s: tuple[float, ...]
    powers_w: tuple[float, ...]
    engine: str = "eager"
    device: str = "cpu"

    def plus(self, other: Measured) -> Measured:
        """Return the measurements of the same model in two probes together."""
        return Measured(
            self.step_times_s + other.step_times_s,
            self.eval_times_s + other.eval_times_s,
            self.calibration_times_s + other.calibration_times_s,
            self.powers_w + other.powers_w,
            self.engine,
            self.device,
        )


@dataclass(frozen=True)
class TrialWork:
    """The work of a trial: how many steps, and how many images.

    Attributes:
        n_epochs: Rows of the trial.
        n_train_images: Training images, those for validation left out.
        n_steps: Training steps per epoch, a smaller last batch counted by its images; 0 where it only calibrates.
        n_eval_images: Images that each epoch evaluates.
        n_calibration_images: Images that it calibrates on, once.
    """

    n_epochs: int
    n_train_images: int
    n_steps: float
    n_eval_images: int
    n_calibration_images: int

    @classmethod
    def of(cls, trial: TrialConfig, counts: ImageCounts) -> TrialWork:
        """Return the work of a trial on a data set."""
        n_val = counts.n_validation(trial.validation_fraction)
        n_train = counts.n_train - n_val
        n_test = counts.n_test if trial.evaluation == "validation_and_test" else 0
        is_trained = trial.mode == "qat"
        has_ranges = not (is_trained and trial.is_full_precision)
        return cls(
            n_epochs=trial.n_rows,
            n_train_images=n_train,
            n_steps=n_train / min(trial.batch_size, n_train) if is_trained else 0.0,
            n_eval_images=n_val + n_test,
            n_calibration_images=min(trial.calibration_images, n_train) if has_ranges else 0,
        )


@dataclass(frozen=True)
class TrialEstimate:
    """What one trial is expected to take.

    Attributes:
        step_s: A training step; 0 where there is none.
        epoch_s: Training and evaluation of an epoch, as measured.
        time_s: The whole trial in its process, allowances included.
        power_w: Its share of what the host draws; None where that was not measured.
        compile_s: Time of the compiler before the first such trial of a process.
    """

    step_s: Range
    epoch_s: Range
    time_s: Range
    power_w: Range | None
    compile_s: Range = NOTHING

    @property
    def energy_kwh(self) -> Range | None:
        """Energy of the trial, without that of the compiler."""
        return None if self.power_w is None else energy_kwh(self.power_w, self.time_s)


def estimate_trial(measured: Measured, work: TrialWork, *, is_own: bool = True) -> TrialEstimate:
    """Return what a trial takes.

    Args:
        measured: Of its model, or of one that is like it.
        work: What it does.
        is_own: Whether its own model was measured.
    """
    unseen = UNSEEN_SHARE if is_own else UNSEEN_SHARE + UNMEASURED_MODEL_SHARE
    is_compiled = measured.engine == "compiled"
    step_s = _of(measured.step_times_s)
    if is_compiled:
        step_s = step_s.times(COMPILED_STEP[measured.device])
    epoch_s = step_s.times(work.n_steps).plus(_of(measured.eval_times_s).times(work.n_eval_images)).widened(unseen)
    calibration_s = _of(measured.calibration_times_s).times(work.n_calibration_images).widened(unseen)
    time_s = total([epoch_s.plus(EPOCH_EXTRA_S).times(work.n_epochs), calibration_s, TRIAL_SWITCH_S])
    power_w = Range.of_samples(measured.powers_w).widened(UNSEEN_SHARE) if measured.powers_w else None
    return TrialEstimate(step_s, epoch_s, time_s, power_w, COMPILE_S if is_compiled else NOTHING)


def _of(samples: Sequence[float]) -> Range:
    return Range.of_samples(samples) if samples else NOTHING


def mean_power_w(energy_kwh: float, time_s: float) -> float:
    """Return the mean power of an energy.

    >>> mean_power_w(0.001, 60.0)
    60.0
    """
    return energy_kwh * JOULES_PER_KWH / time_s


def energy_kwh(power_w: Range, time_s: Range) -> Range:
    """Return the energy of a power over a time.

    >>> energy_kwh(Range.exact(60.0), Range.exact(60.0)).point
    0.001
    """
    return power_w.times(time_s).times(1 / JOULES_PER_KWH)


@dataclass(frozen=True)
class Wave:
    """Trials that may run side by side; the next wave starts when all have ended.

    Attributes:
        trials: In the order in which they start.
        n_slots: Trials at a time.
        load_s: Time in which a process loads the data set.
    """

    trials: tuple[TrialEstimate, ...]
    n_slots: int
    load_s: Range = NOTHING

    @property
    def compile_s(self) -> Range:
        """Time of the compiler in each process."""
        return max((trial.compile_s for trial in self.trials), key=lambda span: span.point)

    @property
    def start_s(self) -> Range:
        """Time before the first step of each process."""
        return total([PROCESS_START_S, self.load_s, self.compile_s])

    @property
    def time_s(self) -> Range:
        """Time of the wave."""
        return self.start_s.plus(makespan_range([trial.time_s for trial in self.trials], self.n_slots))

    @property
    def energy_kwh(self) -> Range | None:
        """Energy of its trials, the start of their processes included; None where one was not measured."""
        powers_w = [trial.power_w for trial in self.trials if trial.power_w is not None]
        energies = [trial.energy_kwh for trial in self.trials if trial.energy_kwh is not None]
        if len(energies) < len(self.trials):
            return None
        n_processes = min(self.n_slots, len(self.trials))
        start_kwh = energy_kwh(total(powers_w).times(n_processes / len(powers_w)), self.start_s)
        return total([*energies, start_kwh])


def estimate_sweep(waves: Sequence[Wave], extra_s: float = 0.0) -> tuple[Range, Range | None]:
    """Return duration in seconds and energy in kWh of a sweep; no energy where a trial has none.

    Args:
        waves: At least one.
        extra_s: Time before the first trial.
    """
    between_s = WAVE_START_S.times(len(waves) - 1)
    time_s = total([SWEEP_START_S, Range.exact(extra_s), between_s, *(wave.time_s for wave in waves)])
    energies = [wave.energy_kwh for wave in waves]
    known = [energy for energy in energies if energy is not None]
    return time_s, total(known) if len(known) == len(energies) else None
