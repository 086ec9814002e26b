"""``python -m lwq_tune sweep``: every trial of a search space, each trained once."""

from __future__ import annotations

import contextlib
import datetime
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune import exit_codes
from lwq_tune.commands.common import (
    check_dataset_loads,
    energy_balance,
    make_sweep_config,
    report_end,
    say,
    trial_costs,
)
from lwq_tune.commands.location import find_intensities, tell_intensities
from lwq_tune.config import TrialConfig
from lwq_tune.costs import ModelCosts
from lwq_tune.data.catalog import DatasetInfo, describe_dataset
from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.sweep.initial import initial_keys, n_together, with_initial_trials
from lwq_tune.sweep.selection import select_trials
from lwq_tune.sweep.space import SearchSpace, load_space
from lwq_tune.sweep_config import SweepConfig
from lwq_tune.text import format_columns

if TYPE_CHECKING:
    from lwq_tune.results.recorder import RunRecorder
    from lwq_tune.sweep.runner import Plan


def run(arguments: Namespace) -> int:
    """Check everything, then train; return the exit code."""
    space = load_space(arguments.space, tuple(arguments.set))
    results_dir = Path(arguments.results).expanduser().absolute()
    config = make_sweep_config(
        results_dir=results_dir,
        run=_default_run(space.name, results_dir) if arguments.run is None else arguments.run,
        data_dir=Path(arguments.data_dir).expanduser().absolute(),
        max_concurrent=arguments.max_concurrent,
        cpus_per_trial=arguments.cpus_per_trial,
        gpus_per_trial=arguments.gpus_per_trial,
        init_run=None if arguments.init_run is None else Path(arguments.init_run).expanduser().resolve(),
        exclusive=arguments.exclusive,
        country=tuple(arguments.country),
        carbon_intensity=tuple(arguments.carbon_intensity),
        intensity_file=tuple(arguments.intensity_file),
        pue=arguments.pue,
    )
    dataset = describe_dataset(space.dataset)
    space = space.with_dataset(dataset.dataset, dataset.digest)
    space = select_trials(space, lambda trial: trial_costs(trial, dataset.num_classes))
    trials = {trial.trial_key: trial for trial in _all_trials(space, config)}
    costs = {key: trial_costs(trial, dataset.num_classes) for key, trial in trials.items()}
    initial = initial_keys(space.trials, trials.values())
    intensities = find_intensities(config.country, config.carbon_intensity, config.intensity_file)
    if arguments.dry_run:
        print(_list_trials(trials, initial, costs))
        return exit_codes.DONE
    return _run_sweep(space, config, dataset, trials, initial, costs, intensities)


def _all_trials(space: SearchSpace, config: SweepConfig) -> tuple[TrialConfig, ...]:
    """Return the trials of a space and those they start from, without what another run has trained."""
    if config.init_run is None:
        return with_initial_trials(space.trials)
    from lwq_tune.results.reuse import trained_energies
    from lwq_tune.results.store import RunFolder
    from lwq_tune.training.checkpoint import final_checkpoints

    trained_energies(config.init_run)  # refuses what is no run
    ray = RunFolder(config.init_run).ray
    return with_initial_trials(space.trials, lambda trial: bool(final_checkpoints(ray, trial.trial_key, trial.n_rows)))


def _run_sweep(
    space: SearchSpace,
    config: SweepConfig,
    dataset: DatasetInfo,
    trials: dict[str, TrialConfig],
    initial: frozenset[str],
    costs: dict[str, ModelCosts],
    intensities: dict[str, IntensitySeries],
) -> int:
    from lwq_tune.results.provenance import available_cpus
    from lwq_tune.results.recorder import RunRecorder, utc_now
    from lwq_tune.results.run_lock import run_lock
    from lwq_tune.results.store import RunFolder, write_json
    from lwq_tune.sweep.reservation import check_cpus
    from lwq_tune.sweep.runner import Plan

    tell_intensities(intensities)
    check_cpus(config, available_cpus())
    check_dataset_loads(dataset.dataset, config.data_dir)
    folder = RunFolder(config.run_dir)
    folder.create()
    with run_lock(folder.path):
        try:
            manifest = _manifest(space, config, dataset, intensities, utc_now())
            manifest["trials"] = [trial.model_dump(mode="json") for trial in trials.values()]
            manifest["initial_trials"] = sorted(initial)
            manifest["init_energies_kwh"] = energies_elsewhere(config)
            write_json(folder.manifest, manifest)
            say(f"sweep {space.name}: {_count(trials, initial)}, {_how(config)}; results in {folder.path}")
            recorder = RunRecorder(
                folder, trials, costs, table_metadata(manifest), initial, manifest["init_energies_kwh"]
            )
            return run_session(Plan(folder, config, trials, intensities, {}, n_together(trials)), recorder)
        except BaseException:
            folder.discard_if_unused()
            raise


def _how(config: SweepConfig) -> str:
    if config.exclusive:
        return "one at a time with the whole host, in random order within each seed"
    return "as many at a time as fit" if config.max_concurrent is None else f"at most {config.max_concurrent} at a time"


def run_session(plan: Plan, recorder: RunRecorder) -> int:
    """Train what is planned, close the books, say how it ended and return the exit code.

    Raises:
        UserInputError: Something was asked for that this host does not have, or a row could not be written.
    """
    from lwq_tune.results.manifest import close_session
    from lwq_tune.results.recorder import utc_now
    from lwq_tune.sweep.runner import run_trials

    stopped_by = None
    # Tune ends on Ctrl-C by itself; before it took over the signal, the trials are left unfinished just so.
    with contextlib.suppress(KeyboardInterrupt):
        stopped_by = run_trials(plan, recorder)
    close_session(plan.folder, recorder.trial_rows(), utc_now())
    say(energy_balance(recorder.energy(), recorder.trial_rows()))
    return report_end(plan.folder.path, recorder.trial_rows(), stopped_by)


def energies_elsewhere(config: SweepConfig) -> dict[str, float | None]:
    """Return the training energies of the run whose networks a sweep may start from, by key."""
    if config.init_run is None:
        return {}
    from lwq_tune.results.reuse import trained_energies

    return trained_energies(config.init_run)


def _count(trials: Mapping[str, TrialConfig], initial: Collection[str]) -> str:
    listed = f"{len(trials) - len(initial)} trials"
    return f"{listed} and {len(initial)} that they start from" if initial else listed


def table_metadata(manifest: dict[str, object]) -> dict[str, object]:
    """Return what the tables carry of the manifest, so that they can be read on their own."""
    return {"run": manifest["run"], "objectives": manifest["objectives"]}


def _manifest(
    space: SearchSpace,
    config: SweepConfig,
    dataset: DatasetInfo,
    intensities: Mapping[str, IntensitySeries],
    now_utc: str,
) -> dict[str, Any]:
    from lwq_tune.results.manifest import new_session
    from lwq_tune.results.schema import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "run": config.run,
        "space": {
            "name": space.name,
            "sha256": space.sha256,
            "overrides": list(space.overrides),
            "text": space.text,
        },
        "objectives": [objective.model_dump() for objective in space.objectives],
        "sweep": config.model_dump(mode="json"),
        "dataset": asdict(dataset),
        "carbon_intensity": {host: series.to_dict() for host, series in intensities.items()},
        "energy_sources": None,
        "trial_statuses": None,
        "sessions": [new_session(sys.argv[1:], now_utc)],
    }


def _default_run(space: str, results_dir: Path) -> str:
    """Return the name of the space with the present time, made unique."""
    stamp = f"{space}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    candidates = (stamp if number == 1 else f"{stamp}-{number}" for number in range(1, 1000))
    return next(name for name in candidates if not (results_dir / name).exists())


def _list_trials(trials: Mapping[str, TrialConfig], initial: Collection[str], costs: Mapping[str, ModelCosts]) -> str:
    header = ["trial", "schedule", "family", "seed", "bits", "mean weight bits", "weights MiB", "BitOps M", "role"]
    rows = []
    for key, trial in trials.items():
        cost = costs[key]
        bits = "-".join(str(bit_width) for bit_width in trial.bit_widths)
        rows.append(
            [key, trial.schedule, trial.family, str(trial.seed), bits,
             f"{cost.mean_weight_bits:.2f}", f"{cost.weight_mib:.4f}", f"{cost.bitops / 1e6:.0f}",
             "initial" if key in initial else "trial"]
        )  # fmt: skip
    epochs = sum(trial.n_rows for trial in trials.values())
    summary = f"{_count(trials, initial)}, {epochs} epochs in all; a dry run starts nothing"
    return f"{format_columns(header, rows)}\n{summary}"
