"""``python -m lwq_tune sweep``: every trial of a search space, each trained once."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune import exit_codes
from lwq_tune.budget import parse_budget
from lwq_tune.commands.common import (
    check_dataset_loads,
    energy_balance,
    make_sweep_config,
    report_end,
    say,
    tell_dataset,
)
from lwq_tune.commands.location import find_intensities, tell_intensities
from lwq_tune.commands.recorded_data import check_init_run
from lwq_tune.commands.storage import address_of, check_storage, discard_unused, mirrored
from lwq_tune.commands.work import Work, count_trials, list_trials, plan_work
from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.dashboard import Dashboard, find_dashboard
from lwq_tune.sweep.initial import n_together
from lwq_tune.sweep.loggers import check_installed, choose_loggers
from lwq_tune.sweep.space import SearchSpace, load_space
from lwq_tune.sweep_config import SweepConfig

if TYPE_CHECKING:
    from lwq_tune.results.recorder import RunRecorder
    from lwq_tune.results.store import RunFolder
    from lwq_tune.sweep.plan import Plan


def run(arguments: Namespace) -> int:
    """Check everything, then train; return the exit code."""
    space = load_space(arguments.space, tuple(arguments.set))
    results_dir = Path(arguments.results).expanduser().absolute()
    config = make_sweep_config(
        results_dir=results_dir,
        run=_default_run(space.name, results_dir) if arguments.run is None else arguments.run,
        data_dir=Path(arguments.data_dir).expanduser().absolute(),
        address=arguments.address,
        storage=None if arguments.storage is None else address_of(arguments.storage),
        max_concurrent=arguments.max_concurrent,
        cpus_per_trial=arguments.cpus_per_trial,
        gpus_per_trial=arguments.gpus_per_trial,
        init_run=None if arguments.init_run is None else Path(arguments.init_run).expanduser().resolve(),
        exclusive=arguments.exclusive,
        country=tuple(arguments.country),
        carbon_intensity=tuple(arguments.carbon_intensity),
        intensity_file=tuple(arguments.intensity_file),
        pue=arguments.pue,
        carbon_budget=arguments.carbon_budget,
        epoch_limit=arguments.epoch_limit,
        tensorboard=arguments.tensorboard,
        mlflow=arguments.mlflow,
        wandb=arguments.wandb,
    )
    check_installed(choose_loggers(config))
    dashboard = find_dashboard(arguments.dashboard, config.address, say)
    if config.carbon_budget is not None:
        parse_budget(config.carbon_budget)
    work = plan_work(space, config)
    intensities = find_intensities(config.country, config.carbon_intensity, config.intensity_file)
    fraction = space.trials[0].validation_fraction
    tell_dataset(work.dataset, fraction)
    check_init_run(config.init_run, work.dataset, fraction)
    if arguments.dry_run:
        print(list_trials(work))
        return exit_codes.DONE
    tell_intensities(intensities)
    if arguments.estimate is not None:
        _check_is_local(config)
    if arguments.estimate == "only":
        _estimate(work, config, intensities, print)
        return exit_codes.DONE
    return _run_sweep(work, config, intensities, arguments.estimate == "first", dashboard)


def _check_is_local(config: SweepConfig) -> None:
    """See that an estimate, which measures this host, is asked for a sweep on this host.

    Raises:
        ConfigError: The sweep is for a cluster.
    """
    if config.address is not None:
        raise ConfigError(
            f"--estimate measures this host, it cannot tell what a cluster takes, got --address {config.address}; "
            "run it on a node of the cluster, without --address"
        )


def _estimate(
    work: Work, config: SweepConfig, intensities: dict[str, IntensitySeries], tell: Callable[[str], object]
) -> dict[str, Any]:
    """Measure some steps and say what a sweep will take."""
    from lwq_tune.commands.estimate import measure_sweep
    from lwq_tune.sweep.plan import make_search

    search = make_search(work.space, work.costs_of)
    return measure_sweep(config, work.dataset, work.trials, work.costs, intensities, search, tell)


def _run_sweep(
    work: Work,
    config: SweepConfig,
    intensities: dict[str, IntensitySeries],
    is_estimated: bool,
    dashboard: Dashboard | None,
) -> int:
    from lwq_tune.results.provenance import available_cpus
    from lwq_tune.results.recorder import RunRecorder, utc_now
    from lwq_tune.results.run_lock import run_lock
    from lwq_tune.results.store import RunFolder, write_json
    from lwq_tune.sweep.reservation import check_cpus

    if config.address is None:
        check_cpus(config, available_cpus())
    n_read_otherwise = check_dataset_loads(work.dataset.dataset, config.data_dir)
    check_init_run(config.init_run, work.dataset, work.space.trials[0].validation_fraction, n_read_otherwise)
    check_storage(config)
    estimate = _estimate(work, config, intensities, say) if is_estimated else None
    folder = RunFolder(config.run_dir)
    folder.create()
    with run_lock(folder.path):
        try:
            manifest = _manifest(work, config, intensities, utc_now()) | {"estimate": estimate}
            write_json(folder.manifest, manifest)
            say(f"sweep {work.space.name}: {count_trials(work)}, {_how(config)}; results in {folder.path}")
            metadata, init_energies_kwh = table_metadata(manifest), manifest["init_energies_kwh"]
            recorder = RunRecorder(folder, work.trials, work.costs, metadata, work.initial, init_energies_kwh)
            plan = replace(_plan(work, config, intensities, folder), dashboard=dashboard)
            return run_session(plan, recorder, estimate)
        except BaseException:
            discard_unused(folder, config)
            raise


def _plan(work: Work, config: SweepConfig, intensities: dict[str, IntensitySeries], folder: RunFolder) -> Plan:
    from lwq_tune.sweep.plan import Plan, make_search

    space = work.space
    return Plan(
        folder=folder,
        config=config,
        trials=work.trials,
        intensities=intensities,
        n_together=n_together(work.trials),
        initial=work.initial,
        search=make_search(space, work.costs_of),
        stopping=space.stopping,
        n_seeds=len(space.seeds),
    )


def _how(config: SweepConfig) -> str:
    if config.exclusive:
        where = "one at a time with the whole host" if config.address is None else "one on each host, with all of it"
        return f"{where}, in random order within each seed"
    return "as many at a time as fit" if config.max_concurrent is None else f"at most {config.max_concurrent} at a time"


def run_session(plan: Plan, recorder: RunRecorder, estimate: dict[str, Any] | None = None) -> int:
    """Train what is planned, close the books, say how it ended and return the exit code.

    Args:
        plan: What to train.
        recorder: Records of the run.
        estimate: What was expected of a session that trains all trials.

    Raises:
        UserInputError: Something was asked for that this host does not have, or a row could not be written.
    """
    from lwq_tune.commands.estimate_text import compare
    from lwq_tune.results.manifest import close_session
    from lwq_tune.results.recorder import utc_now
    from lwq_tune.results.schema import ENDED
    from lwq_tune.sweep.plan import SessionEnd
    from lwq_tune.sweep.runner import run_trials

    end, begin_s = SessionEnd(), time.monotonic()
    with mirrored(plan.folder.path, plan.config):
        # Tune ends on Ctrl-C by itself; before it took over the signal, the trials are left unfinished just so.
        with contextlib.suppress(KeyboardInterrupt):
            end = run_trials(plan, recorder)
        close_session(plan.folder, recorder.trial_rows(), utc_now())
    say(energy_balance(recorder.energy(), recorder.trial_rows()))
    if estimate is not None and all(status in ENDED for status in recorder.statuses().values()):
        used = recorder.energy().parts.get("trial")
        kwh, kg = (None, None) if used is None else (used.kwh, used.kg_co2eq)
        say(compare(estimate, time.monotonic() - begin_s, kwh, kg))
    return report_end(plan.folder.path, recorder.trial_rows(), end.stopped_by, end.ended_by)


def energies_elsewhere(config: SweepConfig) -> dict[str, float | None]:
    """Return the training energies of the run whose networks a sweep may start from, by key."""
    if config.init_run is None:
        return {}
    from lwq_tune.results.reuse import trained_energies

    return trained_energies(config.init_run)


def table_metadata(manifest: dict[str, object]) -> dict[str, object]:
    """Return what the tables carry of the manifest, so that they can be read on their own."""
    return {"run": manifest["run"], "objectives": manifest["objectives"]}


def space_record(space: SearchSpace) -> dict[str, Any]:
    """Return what the manifest keeps of a space."""
    return {
        "name": space.name,
        "path": space.path,
        "sha256": space.sha256,
        "overrides": list(space.overrides),
        "text": space.text,
        "is_adaptive": space.search.is_adaptive,
    }


def _manifest(
    work: Work, config: SweepConfig, intensities: Mapping[str, IntensitySeries], now_utc: str
) -> dict[str, Any]:
    from lwq_tune.results.manifest import new_session
    from lwq_tune.results.schema import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "run": config.run,
        "space": space_record(work.space),
        "objectives": [objective.model_dump() for objective in work.space.objectives],
        "sweep": config.model_dump(mode="json"),
        "dataset": work.dataset.record(),
        "carbon_intensity": {host: series.to_dict() for host, series in intensities.items()},
        "trials": [trial.model_dump(mode="json") for trial in work.trials.values()],
        "initial_trials": sorted(work.initial),
        "init_energies_kwh": energies_elsewhere(config),
        "energy_sources": None,
        "trial_statuses": None,
        "sessions": [new_session(sys.argv[1:], now_utc)],
    }


def _default_run(space: str, results_dir: Path) -> str:
    """Return the name of the space with the present time, made unique."""
    stamp = f"{space}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    candidates = (stamp if number == 1 else f"{stamp}-{number}" for number in range(1, 1000))
    return next(name for name in candidates if not (results_dir / name).exists())
