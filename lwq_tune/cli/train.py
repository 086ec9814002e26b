"""``python -m lwq_tune train``: one trial, without Ray."""

from __future__ import annotations

import json
import os
import re
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lwq_tune.carbon.host_intensities import find_intensities, intensity_here, report_intensities
from lwq_tune.cli import exit_codes
from lwq_tune.cli.options import SHARED_SETTINGS, add_settings, given_settings
from lwq_tune.config.dataset import DatasetSettings
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.address import with_settings
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.preparation import prepare_images, report_dataset
from lwq_tune.energy.meter import EnergyMeter, NullMeter
from lwq_tune.errors import ConfigError, EnergyMeterError, TrialDivergedError
from lwq_tune.formatting import fraction, wh
from lwq_tune.output_streams import say
from lwq_tune.quantization.schedules import parse_schedule
from lwq_tune.results.recorded_dataset import check_init_run
from lwq_tune.sweep.session import make_sweep_config
from lwq_tune.sweep.space.prerequisites import with_initial_trials

if TYPE_CHECKING:
    from lwq_tune.carbon.intensity import IntensitySeries
    from lwq_tune.energy.ledger.run_ledger import RunSpec


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--bits", required=True, metavar="B1,B2,B3", help="bits per unit, or a schedule's name")
    parser.add_argument("--act-bits", metavar="A1,A2,A3", help="bits of activations (default: those of the weights)")
    add_settings(parser, TrialConfig)
    add_settings(parser, DatasetSettings)
    add_settings(parser, SweepConfig, ("init_run", *SHARED_SETTINGS))
    parser.set_defaults(dataset="digits")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object per epoch")
    parser.add_argument("--no-energy", action="store_true", help="do not measure energy")


def trains(arguments: Namespace) -> bool:
    """Return True: what the command prints is not all that it gives."""
    return True


def run(arguments: Namespace) -> int:
    """Train one trial, after those that it starts from, and print its epochs."""
    where = make_sweep_config("train", **given_settings(arguments, SweepConfig))
    intensities = find_intensities(where.country, where.carbon_intensity, where.intensity_file)
    here = None if arguments.no_energy else intensity_here(intensities)
    dataset = describe_dataset(dataset_address(arguments))
    config = trial_config(arguments, dataset.dataset, dataset.digest)
    report_dataset(dataset, config.validation_fraction, say)
    networks = Networks(where.init_run)
    n_read_otherwise = prepare_images(dataset.dataset, where.data_dir, say)
    check_init_run(where.init_run, dataset, config.validation_fraction, n_read_otherwise)
    from lwq_tune.training.model import check_device

    check_device(arguments.device)
    spec = None
    if here is not None:
        report_intensities(intensities, say)
        spec = _run_spec(here, where.pue)
    try:
        for trial in with_initial_trials([config], networks.has):
            meter = NullMeter() if spec is None else _make_meter(spec, trial, arguments.device)
            try:
                _train(trial, arguments, where.data_dir, meter, networks, is_asked_for=trial == config)
            finally:
                meter.close()
    except (TrialDivergedError, EnergyMeterError) as error:
        say(f"failed: {error}")
        return exit_codes.TRIAL_FAILED
    finally:
        if spec is not None:
            spec.log.unlink(missing_ok=True)
    return exit_codes.DONE


class Networks:
    """Trained networks that others may start from: those of a run, and those trained by this command.

    Args:
        run_dir: A run folder.

    Raises:
        ResultsError: The folder holds no run.
    """

    def __init__(self, run_dir: Path | None) -> None:
        self._states: dict[str, Any] = {}
        self._ray_folder: Path | None = None
        if run_dir is not None:
            from lwq_tune.results.manifest import read_manifest
            from lwq_tune.results.run_folder import RunFolder

            read_manifest(run_dir)
            self._ray_folder = RunFolder(run_dir).ray

    def has(self, trial: TrialConfig) -> bool:
        """Return whether a trial is in the run."""
        return bool(self._folders(trial))

    def add(self, trial: TrialConfig, state: dict[str, Any]) -> None:
        """Keep the network of a trial."""
        self._states[trial.trial_key] = state

    def state(self, trial: TrialConfig) -> dict[str, Any]:
        """Return the network of a trial."""
        if trial.trial_key not in self._states:
            from lwq_tune.training.checkpoint import load_checkpoint

            self._states[trial.trial_key] = load_checkpoint(self._folders(trial)[0])["model"]
        state: dict[str, Any] = self._states[trial.trial_key]
        return state

    def _folders(self, trial: TrialConfig) -> list[Path]:
        from lwq_tune.training.checkpoint import final_checkpoints

        if self._ray_folder is None:
            return []
        return final_checkpoints(self._ray_folder, trial.trial_key, trial.n_rows)


def _train(
    config: TrialConfig,
    arguments: Namespace,
    data_dir: Path,
    meter: EnergyMeter,
    networks: Networks,
    *,
    is_asked_for: bool,
) -> None:
    """Train one trial; only the rows of the one asked for go to stdout."""
    from lwq_tune.data.loading import load_dataset
    from lwq_tune.training.trial import Trial

    images = load_dataset(config.dataset, data_dir)
    initial = None if config.initial is None else networks.state(config.initial)
    trial = Trial(config, images, meter, arguments.device, initial=initial)
    purpose = "" if is_asked_for else ", which the trial starts from"
    say(f"trial {config.trial_key}: {config.schedule} on {config.dataset}, {config.n_rows} epochs{purpose}")
    for row in trial.epochs():
        values = asdict(row)
        if is_asked_for:
            print(json.dumps(values) if arguments.json else _line(values, config.n_rows), flush=True)
        else:
            say(_line(values, config.n_rows))
    networks.add(config, trial.model.state_dict())


def dataset_address(arguments: Namespace) -> str:
    """Return the address of the data set that the flags describe.

    Raises:
        ConfigError: Lists every problem of what is read of it.
        DatasetError: It is no address.
    """
    from lwq_tune.sweep.space.checks import FIXED_KEYS, explain

    try:
        chosen = DatasetSettings(**given_settings(arguments, DatasetSettings))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, FIXED_KEYS))) from error
    return with_settings(arguments.dataset, chosen.model_dump())


def trial_config(arguments: Namespace, dataset: str, digest: str | None) -> TrialConfig:
    """Return the trial that the flags describe.

    Raises:
        ConfigError: Lists every problem.
    """
    from lwq_tune.sweep.space.checks import FIXED_KEYS, count_stages, explain

    values = {**given_settings(arguments, TrialConfig), "dataset": dataset, "dataset_digest": digest}
    try:
        bits: dict[str, Any] = {"bit_widths": _parse_bits(arguments.bits, count_stages(values))}
        if arguments.act_bits is not None:
            bits["act_bit_widths"] = _parse_bits(arguments.act_bits, count_stages(values))
        trial = TrialConfig(**values, **bits)
        return trial.model_copy(update=trial.network_as_found())
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, FIXED_KEYS))) from error


def _parse_bits(text: str, n_stages: int) -> tuple[Any, ...]:
    """Return the bit-widths in ``2,3,4`` or of a named schedule; invalid numbers are reported by the check."""
    if not text[:1].isdigit() and not text.startswith("-"):
        return parse_schedule(text, n_stages)
    return tuple(int(part) if re.fullmatch(r"\s*-?[0-9]+\s*", part) else part for part in text.split(","))


def _run_spec(intensity: IntensitySeries, pue: float) -> RunSpec:
    """Return what the ledger needs to know; the log is in the ledger's own folder, since there is no run folder."""
    from lwq_tune.energy.ledger.run_ledger import RunSpec
    from lwq_tune.energy.service.location import ledger_folder

    name = f"train-{os.getpid()}"
    return RunSpec(name, ledger_folder() / f"{name}.jsonl", intensity, pue, name)


def _make_meter(spec: RunSpec, trial: TrialConfig, device: str) -> EnergyMeter:
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.visible_gpus import owned_gpus
    from lwq_tune.energy.trial_meter import LedgerMeter
    from lwq_tune.host.hardware import available_cpus

    gpus: dict[str, float] = {}
    if device == "cuda":
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        reader = find_gpus()
        gpus = owned_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), reader.gpus, 1.0)
        reader.close()
    return LedgerMeter(spec, trial.trial_key, os.getpid(), float(available_cpus()), gpus)


def _line(row: dict[str, Any], epochs: int) -> str:
    trained = "not trained" if row["train_accuracy"] is None else f"train {row['train_accuracy']:.4f}"
    return (
        f"epoch {row['epoch']}/{epochs}  {trained}  val {row['val_accuracy']:.4f}  "
        f"test {fraction(row['test_accuracy'])}  {wh(row['energy_kwh'])}  {row['epoch_time_s']:.1f} s"
    )
