"""What several commands share: data set, carbon intensity, costs, and the last lines of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lwq_tune import exit_codes
from lwq_tune.config import TrialConfig
from lwq_tune.costs import ModelCosts, model_costs
from lwq_tune.data.catalog import DatasetInfo
from lwq_tune.data.split import check_split
from lwq_tune.errors import ConfigError
from lwq_tune.quantization.schedules import FULL_PRECISION_BITS
from lwq_tune.shapes import layer_shapes
from lwq_tune.sweep_config import SweepConfig
from lwq_tune.text import duration, wh

if TYPE_CHECKING:
    from lwq_tune.results.energy_log import EnergyLog


def say(message: str) -> None:
    """Tell the user something; stdout is kept for data."""
    print(message, file=sys.stderr, flush=True)


def trial_costs(trial: TrialConfig, num_classes: int) -> ModelCosts:
    """Return the modelled inference costs of a trial."""
    shapes = layer_shapes(trial.blocks, trial.width, num_classes)
    first_last = FULL_PRECISION_BITS if trial.is_full_precision else trial.first_last_bit_width
    return model_costs(shapes, trial.bit_widths, trial.act_bit_widths, first_last)


def make_sweep_config(**values: Any) -> SweepConfig:
    """Return the machine side of a sweep.

    Raises:
        ConfigError: Lists every problem.
    """
    from lwq_tune.sweep.space_file import explain

    try:
        return SweepConfig(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, tuple(SweepConfig.model_fields)))) from error


def check_dataset_loads(dataset: str, data_dir: Path) -> int:
    """Make sure that trials will find their data, and say what is odd about it.

    cifar10 and cifar100 are downloaded here, once; a folder's images are all decoded here, into this host's cache.

    Returns:
        How many images earlier versions read otherwise.

    Raises:
        DatasetError: The data cannot be had.
    """
    if dataset == "digits":
        return 0
    if dataset not in ("cifar10", "cifar100"):
        from lwq_tune.data.hub_folder import open_hub_folder
        from lwq_tune.data.hub_images import cached_hub_folder

        decoded = cached_hub_folder(open_hub_folder(dataset), say)
        for note in decoded.notes:
            say(note)
        return decoded.n_read_otherwise
    say(f"looking for {dataset} in {data_dir}, downloading what is missing")
    from lwq_tune.data.sources import load_torchvision

    load_torchvision(dataset, data_dir, download=True)
    return 0


def tell_dataset(dataset: DatasetInfo, validation_fraction: float) -> None:
    """Say which files are taken as what, and what is odd about labels and split.

    Raises:
        DatasetError: No image can be held out for validation.
    """
    for note in dataset.notes:
        say(note)
    if dataset.class_counts and (warning := check_split(dataset.class_counts, validation_fraction)):
        say(warning)


def report_end(
    run_dir: Path,
    trial_rows: Sequence[Mapping[str, Any]],
    stopped_by: str | None = None,
    ended_by: str | None = None,
) -> int:
    """Say how a sweep ended and return the exit code; the run folder is the last line on stdout.

    Args:
        run_dir: The run folder.
        trial_rows: Its trials.
        stopped_by: Why Ray ended the sweep before its end, where it did.
        ended_by: Which rule or budget ended it, where one did.
    """
    statuses = [row["status"] for row in trial_rows]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    say(f"{len(statuses)} trials: {counts}")
    say(_energy_line(trial_rows))
    for row in trial_rows:
        if row["status"] == "failed":
            say(f"failed: {row['schedule']} seed {row['config_seed']}: {row['error']} (logs/{row['trial_key']}.log)")
        elif row["status"] == "stopped" or row.get("stop_reason"):
            say(f"{row['status']} early: {row['schedule']} seed {row['config_seed']}: {row['stop_reason']}")
    code = exit_codes.DONE
    if ended_by is not None:
        say(f"the sweep ended early: {ended_by}")
        code = exit_codes.TRIAL_FAILED if "failed" in statuses else exit_codes.DONE
    elif "interrupted" in statuses or "pending" in statuses:
        say(f"stopped by Ray: {stopped_by}" if stopped_by else "interrupted")
        say(f"every finished epoch is kept; go on with:\n  python -m lwq_tune resume {_quoted(run_dir)}")
        code = exit_codes.TRIAL_FAILED if stopped_by else exit_codes.INTERRUPTED
    elif "failed" in statuses:
        code = exit_codes.TRIAL_FAILED
    print(run_dir, flush=True)
    return code


def energy_balance(energy: EnergyLog, trial_rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the line that says where the energy of the hosts went."""
    node = energy.parts.get("node")
    if node is None:
        return "energy of the host: not measured"
    discarded_kwh = sum(row.get("discarded_energy_kwh") or 0.0 for row in trial_rows)

    def of(*names: str) -> str:
        return wh(sum(energy.parts[name].kwh for name in names if name in energy.parts))

    line = (
        f"energy of the host: {wh(node.kwh)}, {1000 * node.kg_co2eq:.3g} g CO2eq; of it trials {of('trial')} "
        f"(lost or trained again {wh(discarded_kwh)}), the sweep itself {of('driver', 'ray', 'ledger')}, "
        f"other processes {of('other')}, idle and not reserved {of('unallocated')}"
    )
    gap = f"; for {energy.unmeasured_s:.1f} s nothing was measured" if energy.unmeasured_s >= 0.05 else ""
    return line + gap


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _energy_line(trial_rows: Sequence[Mapping[str, Any]]) -> str:
    started = [row for row in trial_rows if row["epochs_done"]]
    energies = [row.get("energy_kwh") for row in started]
    if not started or any(energy is None for energy in energies):
        return "training energy: not measured"
    total_kwh = sum(energy for energy in energies if energy is not None)
    emissions_g = 1000 * sum(row["emissions_kg_co2eq"] for row in started)
    time_s = sum(row["train_time_s"] for row in started)
    sources = ", ".join(
        dict.fromkeys(f"CPU {row['cpu_source']}, RAM {row['ram_source']}, GPU {row['gpu_source']}" for row in started)
    )
    line = (
        f"training energy of the trials: {wh(total_kwh)}, {emissions_g:.3g} g CO2eq, in {duration(time_s)} ({sources})"
    )
    initial = [row for row in started if row["role"] == "initial"]
    if initial:
        initial_kwh = sum(row["energy_kwh"] for row in initial)
        line += f"\nof it {wh(initial_kwh)} went into {len(initial)} trials that others start from, counted once"
    setup_kwh = sum(row["setup_energy_kwh"] or 0.0 for row in started)
    if setup_kwh:
        line += f"\nbesides, {wh(setup_kwh)} went into compiling and calibrating"
    more = _extra_energy_of_quantized(started)
    return f"{line}\n{more}" if more else line


def _extra_energy_of_quantized(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a sentence where simulated quantization made training dearer, which is what it does."""
    trained = [row for row in rows if row["config_mode"] == "qat"]

    def mean_per_epoch(*, full_precision: bool) -> float | None:
        chosen = [row for row in trained if (row["family"] == "full_precision") == full_precision]
        values = [row["energy_kwh"] / row["epochs_done"] for row in chosen]
        return sum(values) / len(values) if values else None

    quantized, full = mean_per_epoch(full_precision=False), mean_per_epoch(full_precision=True)
    if quantized is None or not full or quantized <= full:
        return None
    return (
        f"quantized trials used {quantized / full:.2f} times the training energy of full precision per epoch: "
        "quantization is simulated in float here and saves nothing while training"
    )
