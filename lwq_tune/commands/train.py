"""``python -m lwq_tune train``: one trial, without Ray."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lwq_tune import exit_codes
from lwq_tune.commands.common import check_dataset_loads, choose_carbon_intensity, say
from lwq_tune.config import TrialConfig
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.energy.meter import EnergyMeter, NullMeter
from lwq_tune.errors import ConfigError, EnergyMeterError, TrialDivergedError
from lwq_tune.quantization.schedules import parse_schedule
from lwq_tune.text import wh


def run(arguments: Namespace) -> int:
    """Train one trial and print its epochs."""
    dataset = describe_dataset(arguments.dataset)
    config = trial_config(arguments, dataset.dataset, dataset.digest)
    data_dir = Path(arguments.data_dir).expanduser()
    check_dataset_loads(dataset.dataset, data_dir)
    from lwq_tune.data.sources import load_dataset
    from lwq_tune.training.trial import Trial, check_device

    check_device(arguments.device)
    images = load_dataset(config.dataset, data_dir)
    with ExitStack() as stack:
        try:
            trial = Trial(config, images, _make_meter(arguments, stack), arguments.device)
            say(f"trial {config.trial_key}: {config.schedule} on {dataset.dataset}, {config.epochs} epochs")
            for row in trial.epochs():
                print(json.dumps(asdict(row)) if arguments.json else _line(asdict(row), config.epochs), flush=True)
        except (TrialDivergedError, EnergyMeterError) as error:
            say(f"failed: {error}")
            return exit_codes.TRIAL_FAILED
    return exit_codes.DONE


def trial_config(arguments: Namespace, dataset: str, digest: str | None) -> TrialConfig:
    """Return the trial that the flags describe.

    Raises:
        ConfigError: Lists every problem.
    """
    from lwq_tune.sweep.space_file import FIXED_KEYS, count_stages, explain

    given = {
        key: value for key in FIXED_KEYS if (value := getattr(arguments, key, None)) is not None and key != "dataset"
    }
    values = {**given, "dataset": dataset, "dataset_digest": digest, "seed": arguments.seed}
    try:
        return TrialConfig(**values, bit_widths=_parse_bits(arguments.bits, count_stages(values)))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, FIXED_KEYS))) from error


def _parse_bits(text: str, n_stages: int) -> tuple[Any, ...]:
    """Return the bit-widths in ``2,3,4`` or of a named schedule; what is no number is left to the check."""
    if not text[:1].isdigit() and not text.startswith("-"):
        return parse_schedule(text, n_stages)
    return tuple(int(part) if re.fullmatch(r"\s*-?[0-9]+\s*", part) else part for part in text.split(","))


def _make_meter(arguments: Namespace, stack: ExitStack) -> EnergyMeter:
    if arguments.no_energy:
        return NullMeter()
    from lwq_tune.energy.codecarbon_meter import CodecarbonMeter
    from lwq_tune.energy.gpus import visible_gpu_indices
    from lwq_tune.energy.host_lock import host_meter_lock

    intensity = choose_carbon_intensity(arguments.country, arguments.carbon_intensity)
    stack.enter_context(host_meter_lock("train"))
    gpu_ids = []
    if arguments.device == "cuda":
        import os

        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        gpu_ids = visible_gpu_indices(os.environ.get("CUDA_VISIBLE_DEVICES"))
    meter = CodecarbonMeter(intensity, gpu_ids)
    stack.callback(meter.close)
    return meter


def _line(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']}/{epochs}  train {row['train_accuracy']:.4f}  val {row['val_accuracy']:.4f}  "
        f"test {row['test_accuracy']:.4f}  {wh(row['energy_kwh'])}  {row['epoch_time_s']:.1f} s"
    )
