"""Trains one `TrialConfig` once, with one row per epoch. No Ray."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.images import Dataset
from lwq_tune.energy.meter import EnergyMeter, EnergyReading
from lwq_tune.errors import ConfigError, TrialDivergedError
from lwq_tune.models.description import describe_network
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.training.engine import Engine, Workload, choose_engine
from lwq_tune.training.epoch_row import EnergyTotals, EpochRow, energy_values, setup_values
from lwq_tune.training.lr_curve import lr_at
from lwq_tune.training.memory import PeakMemory, keep_freed_memory, release_freed_memory
from lwq_tune.training.model import build_model, make_optimizer, scale_weight_decay
from lwq_tune.training.passes import PassResult, evaluate, train_pass
from lwq_tune.training.trial_data import TrialData


class Trial:
    """One experiment that yields one `EpochRow` per epoch and can be continued from its state.

    Args:
        config: What to train.
        dataset: Its data, in memory.
        meter: Energy meter of the host.
        device: Where to train.
        initial: State of the network that it starts from, where the configuration names one.

    Raises:
        ConfigError: The built model does not use the bits asked for, or ``initial`` is missing or does not fit.
    """

    def __init__(
        self,
        config: TrialConfig,
        dataset: Dataset,
        meter: EnergyMeter,
        device: str = "cpu",
        initial: dict[str, Tensor] | None = None,
    ) -> None:
        if (initial is None) != (config.init_from == "scratch"):
            got = "none" if initial is None else "one"
            raise ConfigError(f"init_from: {config.init_from} says whether there is a network to start from, got {got}")
        self.config = config
        self._meter = meter
        self._device = torch.device(device)
        keep_freed_memory()
        release_freed_memory()  # of the trial that used this process before, whose peak is not ours
        torch.manual_seed(config.seed)
        model = build_model(config, dataset.image_format, initial)
        self._model: nn.Module = model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = make_optimizer(
            self._model,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            scale_weight_decay=scale_weight_decay(config),
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        self._data = TrialData(config, dataset, self._device)
        self._about_data = {"mean": dataset.mean.tolist(), "std": dataset.std.tolist()}
        self._engine = self._make_engine(dataset.image_format)
        self._is_calibrated = False
        self._peak_memory = PeakMemory(self._device)
        self._totals = EnergyTotals()
        self.epochs_done = 0

    @property
    def model(self) -> nn.Module:
        """The network in its present state."""
        return self._model

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs_done >= self.config.n_rows

    def epochs(self) -> Iterator[EpochRow]:
        """Train to the last epoch, yielding the row of each."""
        while not self.is_finished:
            yield self.run_epoch()

    def run_epoch(self) -> EpochRow:
        """Train and evaluate one epoch and return its row.

        Raises:
            RuntimeError: All epochs are done.
            TrialDivergedError: A loss is not finite.
            EnergyMeterError: The meter did not deliver.
        """
        if self.is_finished:
            raise RuntimeError(f"a trial has {self.config.n_rows} epochs, all are done")
        begin_s = time.perf_counter()
        self._peak_memory.reset()
        lr = self._lr(self.epochs_done)
        setup = setup_values(*self._measured(self._set_up)[1:]) if self._needs_setup else setup_values()
        trained, train_time_s, train_energy = self._measured(self._train_or_calibrate)
        self._check_finite(training=trained)
        (validated, tested), eval_time_s, eval_energy = self._measured(self._evaluate)
        self._check_finite(validation=validated, test=tested)
        self.epochs_done += 1
        self._totals = self._totals.plus(train_energy)
        energies = (train_energy, eval_energy, self._meter.between_windows())
        return EpochRow(
            epoch=self.epochs_done,
            energy_segment=self._meter.segment,
            train_loss=trained.loss if trained else None,
            train_accuracy=trained.accuracy if trained else None,
            val_loss=validated.loss,
            val_accuracy=validated.accuracy,
            test_loss=tested.loss if tested else None,
            test_accuracy=tested.accuracy if tested else None,
            lr=lr,
            train_time_s=train_time_s,
            eval_time_s=eval_time_s,
            epoch_time_s=time.perf_counter() - begin_s,
            images_per_s=trained.n_images / train_time_s if trained else None,
            peak_memory_mib=self._peak_memory.read_mib(),
            engine=self._engine.kind,
            **setup,  # type: ignore[arg-type]
            **energy_values(*energies, self._totals, self._meter.sources),  # type: ignore[arg-type]
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a continuation needs, tensors and plain values; after the last epoch, what an export needs."""
        unfinished = {
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "global_generators": self._global_generators(),
        }
        return {
            "trial_key": self.config.trial_key,
            "epoch": self.epochs_done,
            "data": self._about_data,
            "model": self._model.state_dict(),
            **({} if self.is_finished else unfinished),
            "engine": self._engine.kind,
            "cumulative_energy_kwh": self._totals.energy_kwh,
            "cumulative_emissions_kg_co2eq": self._totals.emissions_kg_co2eq,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state``; on the CPU the following epochs are the same bit for bit.

        Raises:
            ConfigError: The state is that of another trial.
        """
        if state["trial_key"] != self.config.trial_key:
            raise ConfigError(
                f"a checkpoint continues its own trial, {self.config.trial_key}, got one of {state['trial_key']}"
            )
        self._model.load_state_dict(state["model"])
        if "optimizer" in state:  # a finished trial has none
            self._optimizer.load_state_dict(state["optimizer"])
            self._generator.set_state(state["generator"].cpu())
            self._set_global_generators(state.get("global_generators", []))  # earlier versions kept none
        self._totals = EnergyTotals(state["cumulative_energy_kwh"], state["cumulative_emissions_kg_co2eq"])
        self.epochs_done = state["epoch"]
        self._is_calibrated = True
        # As it was, also where `auto` would choose otherwise now: on a machine with more threads, for instance.
        self._engine = Engine(state["engine"], self.config.precision, self._device)
        self._needs_setup = self._engine.kind == "compiled"

    def _global_generators(self) -> list[Tensor]:
        """Return the states of torch's own generators, from which dropout draws."""
        on_gpu = [torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else []
        return [torch.get_rng_state(), *on_gpu]

    def _set_global_generators(self, states: list[Tensor]) -> None:
        for state, set_state in zip(states, (torch.set_rng_state, torch.cuda.set_rng_state), strict=False):
            set_state(state.cpu())

    def _make_engine(self, images: ImageFormat) -> Engine:
        config = self.config
        macs = describe_network(config.network, images).macs
        workload = Workload(config.epochs * len(self._data.train), config.batch_size, macs)
        kind = "eager" if config.mode == "ptq" else choose_engine(config.engine, workload, self._device)
        self._needs_setup = config.mode == "qat" and (kind == "compiled" or not config.is_full_precision)
        return Engine(kind, config.precision, self._device)

    def _set_up(self) -> None:
        """Calibrate and compile, before the first step."""
        if not self._is_calibrated:
            self._calibrate()
        self._engine.compile(self._model, *self._data.first_batch())
        self._needs_setup = False

    def _calibrate(self) -> None:
        """Set the ranges of the quantizers from the first training images."""
        with self._engine.autocast():
            calibrate(self._model, self._data.calibration_batches(), batch_statistics=self.config.mode == "qat")
        self._is_calibrated = True

    def _lr(self, progress_epochs: float) -> float:
        config = self.config
        return lr_at(
            progress_epochs,
            curve=config.lr_curve,
            lr=config.lr,
            epochs=config.epochs,
            milestones=config.lr_milestones,
            gamma=config.lr_gamma,
        )

    def _train_or_calibrate(self) -> PassResult | None:
        """Train one epoch; if the trial only calibrates, calibrate and return None."""
        if self.config.mode == "ptq":
            self._calibrate()
            return None
        return self._train_pass()

    def _train_pass(self) -> PassResult:
        data = self._data
        return train_pass(
            self._model,
            data.training_batches(self._generator),
            data.normalize,
            self._optimizer,
            lambda step: self._lr(self.epochs_done + step / data.n_steps),
            self._engine,
            self._device,
        )

    def _evaluate(self) -> tuple[PassResult, PassResult | None]:
        """Return the results on validation and, where the trial asks for them, test images."""
        data = self._data
        run = functools.partial(
            evaluate, self._model, normalize=data.normalize, engine=self._engine, device=self._device
        )
        return run(data.val), run(data.test) if self.config.evaluation == "validation_and_test" else None

    def _check_finite(self, **results: PassResult | None) -> None:
        for name, result in results.items():
            if result is not None and not math.isfinite(result.loss):
                raise TrialDivergedError(
                    f"{name} loss must stay finite, got {result.loss} in epoch {self.epochs_done + 1}; try a lower lr"
                )

    def _measured(self, action: Any) -> tuple[Any, float, EnergyReading]:
        """Return the result of ``action``, its time in seconds and its energy."""
        self._synchronize()
        self._meter.begin_window()
        begin_s = time.perf_counter()
        result = action()
        self._synchronize()
        time_s = time.perf_counter() - begin_s
        return result, time_s, self._meter.end_window()

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            # Kernels run on after Python returns; without this a window would close early.
            torch.cuda.synchronize(self._device)
