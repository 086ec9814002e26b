"""The experiment itself: one `TrialConfig` trained once, one row per epoch. No Ray."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from lwq_tune.config import TrialConfig
from lwq_tune.data.batches import Normalizer, n_training_batches, training_batches
from lwq_tune.data.images import Dataset
from lwq_tune.data.split import split_validation
from lwq_tune.energy.meter import EnergyMeter, EnergyReading
from lwq_tune.errors import ConfigError, TrialDivergedError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.quantization.lsq import LSQQuantizer
from lwq_tune.quantization.prepare import prepare_qat, used_bit_widths
from lwq_tune.training.epoch import PassResult, evaluate, train_pass
from lwq_tune.training.lr import lr_at
from lwq_tune.training.memory import PeakMemory, keep_freed_memory, release_freed_memory
from lwq_tune.training.row import EnergyTotals, EpochRow, energy_values


def build_model(config: TrialConfig, num_classes: int) -> CifarResNet:
    """Return the quantized network of a trial, initialised from the global generator.

    Raises:
        ConfigError: The bits in the built model differ from those asked for.
    """
    model = CifarResNet(config.blocks, config.width, num_classes)
    prepare_qat(model, config.bit_widths, config.act_bit_widths)
    check_used_bits(model, config.bit_widths, config.act_bit_widths)
    return model


def check_used_bits(model: CifarResNet, bit_widths: tuple[int, ...], act_bit_widths: tuple[int, ...]) -> None:
    """Refuse a model whose bits are not those asked for.

    Raises:
        ConfigError: They differ.
    """
    asked = (bit_widths, act_bit_widths)
    used = used_bit_widths(model)
    if used != asked:
        raise ConfigError(
            f"a trial trains the bits it was asked for: weights {asked[0]}, activations {asked[1]}; "
            f"the built model uses {used[0]} and {used[1]}"
        )


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ConfigError: ``cuda`` without a usable GPU.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"training on {device} needs a GPU that torch can use, got none; train on cpu")


def make_optimizer(model: nn.Module, *, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Return SGD with momentum; weight decay acts on all parameters but the quantizers' scales."""
    scales = [module.scale for module in model.modules() if isinstance(module, LSQQuantizer)]
    scale_ids = {id(scale) for scale in scales}
    others = [parameter for parameter in model.parameters() if id(parameter) not in scale_ids]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": weight_decay}]
    if scales:
        groups.append({"params": scales, "weight_decay": 0.0})
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)


class Trial:
    """One experiment that yields one `EpochRow` per epoch and can be continued from its state.

    Args:
        config: What to train.
        dataset: Its data, in memory.
        meter: Energy meter of the host.
        device: Where to train.

    Raises:
        ConfigError: The built model does not use the bits asked for.
    """

    def __init__(self, config: TrialConfig, dataset: Dataset, meter: EnergyMeter, device: str = "cpu") -> None:
        self.config = config
        self._meter = meter
        self._device = torch.device(device)
        keep_freed_memory()
        release_freed_memory()  # of the trial that used this process before, whose peak is not ours
        torch.manual_seed(config.seed)
        model = build_model(config, dataset.num_classes)
        self._model: CifarResNet = model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = make_optimizer(
            self._model, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        train, val = split_validation(dataset.train, config.validation_fraction, config.split_seed)
        self._train, self._val = train.to(self._device), val.to(self._device)
        self._test = dataset.test.to(self._device)
        self._normalize = Normalizer(dataset.mean, dataset.std, self._device)
        self._peak_memory = PeakMemory(self._device)
        self._totals = EnergyTotals()
        self.epochs_done = 0

    @property
    def model(self) -> CifarResNet:
        """The network in its present state."""
        return self._model

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs_done >= self.config.epochs

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
            raise RuntimeError(f"a trial has {self.config.epochs} epochs, all are done")
        begin_s = time.perf_counter()
        self._peak_memory.reset()
        lr = self._lr(self.epochs_done)
        trained, train_time_s, train_energy = self._measured(self._train_pass)
        self._check_finite("training", trained)
        (validated, tested), eval_time_s, eval_energy = self._measured(self._evaluate)
        self._check_finite("validation", validated)
        self._check_finite("test", tested)
        self.epochs_done += 1
        self._totals = self._totals.plus(train_energy)
        return EpochRow(
            epoch=self.epochs_done,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            val_loss=validated.loss,
            val_accuracy=validated.accuracy,
            test_loss=tested.loss,
            test_accuracy=tested.accuracy,
            lr=lr,
            train_time_s=train_time_s,
            eval_time_s=eval_time_s,
            epoch_time_s=time.perf_counter() - begin_s,
            images_per_s=trained.n_images / train_time_s,
            peak_memory_mib=self._peak_memory.read_mib(),
            **energy_values(train_energy, eval_energy, self._totals, self._meter.sources),  # type: ignore[arg-type]
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a continuation needs: tensors and plain values only."""
        return {
            "trial_key": self.config.trial_key,
            "epoch": self.epochs_done,
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
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
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
        self._totals = EnergyTotals(state["cumulative_energy_kwh"], state["cumulative_emissions_kg_co2eq"])
        self.epochs_done = state["epoch"]

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

    def _train_pass(self) -> PassResult:
        config = self.config
        n_steps = n_training_batches(len(self._train), config.batch_size)
        return train_pass(
            self._model,
            training_batches(self._train, config.batch_size, config.augmentation, self._generator),
            self._normalize,
            self._optimizer,
            lambda step: self._lr(self.epochs_done + step / n_steps),
            self._device,
        )

    def _evaluate(self) -> tuple[PassResult, PassResult]:
        run = functools.partial(evaluate, self._model, normalize=self._normalize, device=self._device)
        return run(self._val), run(self._test)

    def _check_finite(self, name: str, result: PassResult) -> None:
        if not math.isfinite(result.loss):
            raise TrialDivergedError(
                f"{name} loss must stay finite, got {result.loss} in epoch {self.epochs_done + 1}; try a lower lr"
            )

    def _measured(self, work: Any) -> tuple[Any, float, EnergyReading]:
        """Return the result of ``work``, its time in seconds and its energy."""
        self._synchronize()
        self._meter.begin_window()
        begin_s = time.perf_counter()
        result = work()
        self._synchronize()
        time_s = time.perf_counter() - begin_s
        return result, time_s, self._meter.end_window()

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            # Kernels run on after Python returns; without this a window would close early.
            torch.cuda.synchronize(self._device)
