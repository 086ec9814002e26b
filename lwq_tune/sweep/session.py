"""A sweep from a search space to a finished run: what the command line and `lwq_tune.run_sweep` call. No torch.

`prepare_sweep` checks everything and starts nothing, `start_sweep` trains, `run_session` is one session of a run, of a
new one or of one that `lwq_tune.sweep.resume` continues.
"""

from __future__ import annotations

import contextlib
import datetime
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lwq_tune.carbon.host_intensities import find_intensities, report_intensities
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.carbon_budget import parse_budget
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.data.preparation import prepare_images, report_dataset
from lwq_tune.errors import ConfigError, UserInputError
from lwq_tune.output_streams import say
from lwq_tune.results.recorded_dataset import check_init_run
from lwq_tune.results.schema import ENDED
from lwq_tune.results.storage.run_copy import address_of, check_storage, discard_unused, mirrored
from lwq_tune.sweep.dashboard import Dashboard, find_dashboard
from lwq_tune.sweep.loggers.choice import check_installed, choose_loggers
from lwq_tune.sweep.plan import SessionEnd
from lwq_tune.sweep.space.checks import explain
from lwq_tune.sweep.space.prerequisites import n_together
from lwq_tune.sweep.space.search_space import SearchSpace, load_space
from lwq_tune.sweep.space.trial_list import TrialList, count_trials, make_trial_list

if TYPE_CHECKING:
    from lwq_tune.deployment.session import Deployed
    from lwq_tune.results.energy_tables import EnergyLog
    from lwq_tune.results.manifest import Manifest, SpaceRecord
    from lwq_tune.results.recorder import RunRecorder
    from lwq_tune.results.run_folder import RunFolder
    from lwq_tune.sweep.plan import Plan


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep that was checked and has not started.

    Attributes:
        trial_list: Its trials and their data set.
        config: How it will run.
        intensities: Carbon intensity by host; that of all other hosts is under the empty name.
        validation_fraction: Share of the training images that is held out.
        dashboard: Ray's dashboard, None without one.
    """

    trial_list: TrialList
    config: SweepConfig
    intensities: Mapping[str, IntensitySeries]
    validation_fraction: float
    dashboard: Dashboard | None = None


@dataclass(frozen=True)
class Run:
    """A run after a session of it.

    Attributes:
        path: Its folder, which `analysis` reads.
        trial_rows: A row for each trial, as in ``trials.parquet``.
        energy: What its hosts used, and for what; None if no trial was left to train.
        end: Why the session ended before all its trials did, if so.
        time_s: Seconds the session took.
        estimate: The estimate made before it started, if one was asked for.
        deployed: What its networks cost where they run, if the space asks for that and all trials have ended.
    """

    path: Path
    trial_rows: Sequence[Mapping[str, Any]]
    energy: EnergyLog | None = None
    end: SessionEnd = field(default_factory=SessionEnd)
    time_s: float = 0.0
    estimate: dict[str, Any] | None = None
    deployed: Deployed | None = None

    @property
    def statuses(self) -> list[str]:
        """Status of each trial: ``done``, ``stopped``, ``failed``, ``interrupted`` or ``pending``."""
        return [row["status"] for row in self.trial_rows]

    @property
    def has_ended(self) -> bool:
        """Whether no trial is left to train."""
        return all(status in ENDED for status in self.statuses)


def run_sweep(space: str | Path | SearchSpace, *, overrides: Sequence[str] = (), **settings: Any) -> Run:
    """Train every trial of a search space and return the run; progress is printed on stderr.

    Args:
        space: Name of a built-in space, path of a file, or a space from `load_space`.
        overrides: ``KEY=VALUE`` in place of settings of the space; not with a loaded one.
        settings: Fields of `SweepConfig`; ``results_dir`` and ``data_dir`` are ``results`` and ``data`` by default, and
            ``run`` the name of the space with the present time.

    Raises:
        UserInputError: A setting or the data set breaks a rule, or a folder cannot be used.
    """
    prepared = prepare_sweep(space, overrides=overrides, **settings)
    report_intensities(prepared.intensities, say)
    return start_sweep(prepared)


def prepare_sweep(
    space: str | Path | SearchSpace, *, overrides: Sequence[str] = (), dashboard: int | None = None, **settings: Any
) -> PreparedSweep:
    """Check all that can be checked before anything starts.

    Args:
        space: As for `run_sweep`.
        overrides: As for `run_sweep`.
        dashboard: Port of Ray's dashboard; 0 for any, None for no dashboard.
        settings: As for `run_sweep`.

    Raises:
        UserInputError: Something breaks a rule.
    """
    if isinstance(space, SearchSpace):
        if overrides:
            raise ConfigError(f"overrides belong to load_space, got {list(overrides)} with a space that is loaded")
    else:
        space = load_space(str(space), tuple(overrides))
    config = make_sweep_config(space.name, **settings)
    intensities = find_intensities(config.country, config.carbon_intensity, config.intensity_file)
    check_installed(choose_loggers(config))
    found_dashboard = find_dashboard(dashboard, config.address, say)
    if config.carbon_budget is not None:
        parse_budget(config.carbon_budget)
    trial_list = make_trial_list(space, config)
    fraction = space.base.validation_fraction
    report_dataset(trial_list.dataset, fraction, say)
    check_init_run(config.init_run, trial_list.dataset, fraction)
    return PreparedSweep(trial_list, config, intensities, fraction, found_dashboard)


def make_sweep_config(space: str, **settings: Any) -> SweepConfig:
    """Return the machine side of a sweep of a space, its paths absolute.

    Raises:
        ConfigError: Lists every problem.
    """
    results_dir = Path(settings.get("results_dir", "results")).expanduser().absolute()
    given = {
        **settings,
        "results_dir": results_dir,
        "data_dir": Path(settings.get("data_dir", "data")).expanduser().absolute(),
        "run": settings["run"] if settings.get("run") is not None else _default_run(space, results_dir),
    }
    if given.get("storage") is not None:
        given["storage"] = address_of(given["storage"])
    if given.get("init_run") is not None:
        given["init_run"] = Path(given["init_run"]).expanduser().resolve()
    try:
        return SweepConfig(**given)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, tuple(SweepConfig.model_fields)))) from error


def start_sweep(prepared: PreparedSweep, estimate: Callable[[PreparedSweep], dict[str, Any]] | None = None) -> Run:
    """Train a prepared sweep and return the run.

    Args:
        prepared: The sweep.
        estimate: Called after the data was read; returns the record of an estimate, for the manifest.

    Raises:
        UserInputError: The data, a folder or the host cannot be used.
    """
    from lwq_tune.host.hardware import available_cpus
    from lwq_tune.results.networks import write_networks
    from lwq_tune.results.recorder import RunRecorder, utc_now
    from lwq_tune.results.run_folder import RunFolder, run_lock
    from lwq_tune.sweep.slots import check_cpus

    trial_list, config = prepared.trial_list, prepared.config
    if config.address is None:
        check_cpus(config, available_cpus())
    n_read_otherwise = prepare_images(trial_list.dataset.dataset, config.data_dir, say)
    check_init_run(config.init_run, trial_list.dataset, prepared.validation_fraction, n_read_otherwise)
    check_storage(config)
    expected = None if estimate is None else estimate(prepared)
    folder = RunFolder(config.run_dir)
    folder.create()
    with run_lock(folder.path):
        try:
            manifest = _manifest(prepared, expected, utc_now())
            manifest.write(folder)
            say(f"sweep {trial_list.space.name}: {count_trials(trial_list)}, {_how(config)}; results in {folder.path}")
            recorder = RunRecorder(
                folder,
                trial_list.trials,
                trial_list.costs,
                manifest.table_metadata,
                trial_list.initial,
                manifest.init_energies_kwh,
                trial_list.dataset.image_format,
            )
            write_networks(folder, trial_list.networks_of(), trial_list.dataset.image_format, manifest.table_metadata)
            return replace(run_session(_plan(prepared, folder), recorder), estimate=expected)
        except BaseException:
            discard_unused(folder, config)
            raise


def run_session(plan: Plan, recorder: RunRecorder) -> Run:
    """Train the planned trials, finish the tables and return the run.

    Args:
        plan: What to train.
        recorder: Records of the run.

    Raises:
        UserInputError: The host lacks something that was asked for, or a row could not be written.
    """
    from lwq_tune.results.manifest import read_manifest
    from lwq_tune.results.recorder import utc_now
    from lwq_tune.sweep.runner import run_trials

    end, begin_s = SessionEnd(), time.monotonic()
    with mirrored(plan.folder.path, plan.config):
        # Tune handles Ctrl-C itself; before it has set its handler, trials are left unfinished in the same way.
        with contextlib.suppress(KeyboardInterrupt):
            end = run_trials(plan, recorder, say)
        time_s = time.monotonic() - begin_s
        read_manifest(plan.folder.path).after_session(recorder.trial_rows(), utc_now()).write(plan.folder)
        run = Run(plan.folder.path, recorder.trial_rows(), recorder.energy(), end, time_s)
        return replace(run, deployed=deploy_at_end(plan, run))


def deploy_at_end(plan: Plan, run: Run) -> Deployed | None:
    """Measure the networks of a run whose trials have all ended, if its space asks for that.

    What keeps them from being measured is told and ends nothing: what was trained is kept, ``deploy`` does it later.
    """
    if plan.deploy is None or not run.has_ended or "done" not in run.statuses:
        return None
    from lwq_tune.deployment.session import deploy_run

    try:
        return deploy_run(plan.folder.path, plan.deploy, tell=say, is_locked=True)
    except UserInputError as error:
        later = f"python -m lwq_tune deploy {shlex.quote(str(plan.folder.path))}"
        say(f"the networks were not measured: {error}; then: {later}")
        return None


def _plan(prepared: PreparedSweep, folder: RunFolder) -> Plan:
    from lwq_tune.sweep.plan import Plan, make_search

    trial_list = prepared.trial_list
    return Plan(
        folder=folder,
        config=prepared.config,
        trials=trial_list.trials,
        intensities=prepared.intensities,
        n_together=n_together(trial_list.trials),
        initial=trial_list.initial,
        search=make_search(trial_list.space, trial_list.costs_of),
        stopping=trial_list.space.stopping,
        n_seeds=len(trial_list.space.seeds),
        dashboard=prepared.dashboard,
        deploy=trial_list.space.deploy,
    )


def _how(config: SweepConfig) -> str:
    if config.exclusive:
        where = "one at a time with the whole host" if config.address is None else "one on each host, with all of it"
        return f"{where}, in random order within each seed"
    return "as many at a time as fit" if config.max_concurrent is None else f"at most {config.max_concurrent} at a time"


def energies_elsewhere(config: SweepConfig) -> dict[str, float | None]:
    """Return the training energies of the run whose networks a sweep may start from, by key."""
    if config.init_run is None:
        return {}
    from lwq_tune.results.earlier_runs import trained_energies

    return trained_energies(config.init_run)


def space_record(space: SearchSpace) -> SpaceRecord:
    """Return the record of a space in the manifest."""
    from lwq_tune.results.manifest import SpaceRecord

    return SpaceRecord(
        space.name, space.path, space.sha256, space.overrides, space.text, is_adaptive=space.search.is_adaptive
    )


def _manifest(prepared: PreparedSweep, estimate: dict[str, Any] | None, now_utc: str) -> Manifest:
    from lwq_tune.results.manifest import Manifest, new_session

    trial_list, config = prepared.trial_list, prepared.config
    return Manifest(
        run=config.run,
        space=space_record(trial_list.space),
        objectives=[objective.model_dump() for objective in trial_list.space.objectives],
        sweep=config.model_dump(mode="json"),
        dataset=trial_list.dataset.record(),
        carbon_intensity={host: series.to_dict() for host, series in prepared.intensities.items()},
        trials=[trial.model_dump(mode="json") for trial in trial_list.trials.values()],
        initial_trials=sorted(trial_list.initial),
        init_energies_kwh=energies_elsewhere(config),
        sessions=[new_session(sys.argv[1:], now_utc)],
        estimate=estimate,
    )


def _default_run(space: str, results_dir: Path) -> str:
    """Return the name of the space with the present time, made unique."""
    stamp = f"{space}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    candidates = (stamp if number == 1 else f"{stamp}-{number}" for number in range(1, 1000))
    return next(name for name in candidates if not (results_dir / name).exists())
