"""Measures a few training steps and evaluations of one model, on random images. No Ray."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.batches import Normalizer, training_batches
from lwq_tune.data.images import ImageSet
from lwq_tune.energy.meter import EnergyMeter
from lwq_tune.estimation.cost_model import Measured, TrialWork, mean_power_w
from lwq_tune.models.description import describe_network
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.training.engine import Engine, Workload, choose_engine
from lwq_tune.training.memory import keep_freed_memory
from lwq_tune.training.model import build_model, make_optimizer, scale_weight_decay
from lwq_tune.training.passes import EVALUATION_BATCH, evaluate, train_pass
from lwq_tune.training.trial_data import CALIBRATION_BATCH

WARM_UP_STEPS = 2  # memory is mapped, kernels are chosen
MIN_REPEATS = 3
STEPS_S, EVALUATIONS_S = 1.0, 0.3  # so long at least; the ledger counts CPU time in hundredths of a second
# On a GPU the steps of a pass do not wait for one another's end, which one step alone would.
STEPS_PER_PASS = {"cpu": 1, "cuda": 10}


class Probe:
    """One model with random images of the right shape, as a trial would train it.

    Pixels and labels decide nothing of what a step costs. The learning rate is 0, so that no step diverges.

    Args:
        trial: What the trial would be.
        n_train: Training images without the validation part; no batch has more.
        images: The form of its images.
        device: Where to train.
    """

    def __init__(self, trial: TrialConfig, n_train: int, images: ImageFormat, device: torch.device) -> None:
        keep_freed_memory()
        torch.manual_seed(trial.seed)
        self._trial, self._device = trial, device
        model = build_model(trial, images)
        self._model: nn.Module = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._engine = Engine("eager", trial.precision, device)
        self._optimizer = make_optimizer(
            self._model,
            lr=trial.lr,
            momentum=trial.momentum,
            weight_decay=trial.weight_decay,
            scale_weight_decay=scale_weight_decay(trial),
        )
        self.batch_size = min(trial.batch_size, n_train)
        self._train = _random_images(self.batch_size, images, device)
        self._eval = _random_images(EVALUATION_BATCH[device.type], images, device)
        n_calibration = min(trial.calibration_images, CALIBRATION_BATCH, n_train)
        self._calibration = _random_images(n_calibration, images, device).images
        self._normalize = Normalizer(torch.full((images.channels,), 0.5), torch.full((images.channels,), 0.29), device)
        self._batches = self._endless_batches(torch.Generator().manual_seed(trial.seed))

    def calibrate_s(self) -> float:
        """Calibrate and return the time per image; the ranges are set then, so that it can be done once."""
        return self._timed(self._calibrate) / len(self._calibration)

    def step_s(self) -> float:
        """Train for a step, or some on a GPU, and return the time of one."""
        n_steps = STEPS_PER_PASS[self._device.type]
        return self._timed(lambda: self._train_pass(n_steps)) / n_steps

    def evaluate_s(self) -> float:
        """Evaluate a batch and return the time per image."""
        run = lambda: evaluate(self._model, self._eval, self._normalize, self._engine, self._device)  # noqa: E731
        return self._timed(run) / len(self._eval)

    def _calibrate(self) -> None:
        with self._engine.autocast():
            batches = [self._normalize(self._calibration)]
            calibrate(self._model, batches, batch_statistics=self._trial.mode == "qat")

    def _train_pass(self, n_steps: int) -> None:
        train_pass(
            self._model,
            itertools.islice(self._batches, n_steps),
            self._normalize,
            self._optimizer,
            lambda step: 0.0,
            self._engine,
            self._device,
        )

    def _endless_batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from training_batches(self._train, self.batch_size, self._trial.augmentation, generator)

    def _timed(self, work: Callable[[], object]) -> float:
        self._synchronize()
        begin_s = time.perf_counter()
        work()
        self._synchronize()
        return time.perf_counter() - begin_s

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # kernels run on after Python returns


def measure_model(
    trial: TrialConfig,
    work: TrialWork,
    images: ImageFormat,
    meter: EnergyMeter,
    device: torch.device,
    is_over: Callable[[], bool] = lambda: False,
) -> Measured | None:
    """Return what the steps of a model take in this process, with its present number of threads.

    Args:
        trial: A trial of that model; nothing of it is trained.
        work: What the trial does.
        images: The form of the images of the data set.
        meter: What charges this process for its energy.
        device: Where to train.
        is_over: Asked between steps; when it says yes, nothing is returned.
    """
    probe = Probe(trial, work.n_train_images, images, device)
    calibration_times_s = (probe.calibrate_s(),) if work.n_calibration_images else ()
    warm_up = [probe.step_s] * WARM_UP_STEPS if work.n_steps else []
    for run in (*warm_up, probe.evaluate_s):
        if is_over():
            return None
        run()
    meter.begin_window()
    step_times_s = _repeated(probe.step_s, STEPS_S, is_over) if work.n_steps else ()
    eval_times_s = _repeated(probe.evaluate_s, EVALUATIONS_S if work.n_steps else STEPS_S, is_over)
    reading = meter.end_window()
    if is_over():
        return None
    return Measured(
        step_times_s,
        eval_times_s,
        calibration_times_s,
        () if reading.energy_kwh is None else (mean_power_w(reading.energy_kwh, reading.time_s),),
        resolve_engine(trial, work, images, device),
        device.type,
    )


def resolve_engine(trial: TrialConfig, work: TrialWork, images: ImageFormat, device: torch.device) -> str:
    """Return the engine that the trial would choose in a process with as many threads as this one."""
    if trial.mode == "ptq":
        return "eager"
    macs = describe_network(trial.network, images).macs
    workload = Workload(trial.epochs * work.n_train_images, trial.batch_size, macs)
    return choose_engine(trial.engine, workload, device)


def _repeated(run: Callable[[], float], time_s: float, is_over: Callable[[], bool]) -> tuple[float, ...]:
    """Return what ``run`` returns, again and again for a time and at least a few times, unless it is over."""
    begin_s = time.perf_counter()
    results: list[float] = []
    while len(results) < MIN_REPEATS or time.perf_counter() - begin_s < time_s:
        results.append(run())
        if is_over():
            break
    return tuple(results)


def _random_images(n_images: int, images: ImageFormat, device: torch.device) -> ImageSet:
    pixels = torch.randint(0, 256, (n_images, *images.shape), dtype=torch.uint8)
    return ImageSet(pixels, torch.randint(0, images.num_classes, (n_images,))).to(device)
