"""Trains the unfinished trials of a run folder: `resume_sweep`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lwq_tune.config.carbon_budget import parse_budget
from lwq_tune.config.sweep import SweepConfig, parse_address
from lwq_tune.data.catalog import DatasetInfo
from lwq_tune.data.preparation import report_dataset
from lwq_tune.output_streams import say
from lwq_tune.results.earlier_runs import read_trials
from lwq_tune.results.manifest import Manifest, new_session, read_manifest
from lwq_tune.results.networks import edited_since, with_kept_code, write_networks
from lwq_tune.results.recorded_dataset import check_init_run, find_as_before, load_as_before
from lwq_tune.results.recorder import RunRecorder, utc_now
from lwq_tune.results.run_folder import RunFolder, run_lock
from lwq_tune.results.schema import ENDED
from lwq_tune.results.storage.run_copy import mirrored
from lwq_tune.sweep.dashboard import find_dashboard
from lwq_tune.sweep.edited_space import extend, recorded_space, space_now
from lwq_tune.sweep.loggers.choice import check_installed, choose_loggers
from lwq_tune.sweep.plan import Plan, find_checkpoints, make_search
from lwq_tune.sweep.session import Run, deploy_at_end, run_session
from lwq_tune.sweep.space.prerequisites import n_together
from lwq_tune.sweep.space.trial_list import make_trial_list
from lwq_tune.training.run_checkpoints import checkpoints_of_run


def resume_sweep(
    run_dir: str | Path,
    *,
    results_dir: str | Path = "results",
    retry_failed: bool = False,
    address: str | None = None,
    carbon_budget: str | None = None,
    dashboard: int | None = None,
    space: str | None = None,
    overrides: Sequence[str] = (),
    extend_space: bool = False,
    as_recorded: bool = False,
) -> Run:
    """Train the unfinished trials of a run; finished ones stay as they are.

    Args:
        run_dir: Run folder, or address of a run in a storage.
        results_dir: Folder for a run that is fetched from a storage.
        retry_failed: Whether failed trials are trained again.
        address: Ray cluster to join, ``local`` for none; by default as before.
        carbon_budget: A new budget for all sessions together.
        dashboard: Port of Ray's dashboard; None for none.
        space: Search space to compare with; by default the file that the run came from.
        overrides: Settings of that space; by default as before.
        extend_space: Whether new trials of an edited space are added.
        as_recorded: Whether to ignore later edits of the space file.

    Raises:
        UserInputError: There is no such run, its space was edited, or its data has changed.
    """
    folder = _run_folder(str(run_dir), Path(results_dir).expanduser().absolute())
    read_manifest(folder.path)
    with run_lock(folder.path):
        manifest = read_manifest(folder.path)  # read under the lock, so after the last session has ended
        for line in edited_since(folder, read_trials(manifest, folder).all.values()):
            say(line)
        config = _config(manifest, carbon_budget, address)
        dataset = find_as_before(manifest.dataset, _validation_fraction(manifest, folder))
        now = space_now(manifest, space, tuple(overrides), as_recorded=as_recorded)
        if now is not None:
            manifest = extend(manifest, make_trial_list(now, config), is_wanted=extend_space)
        recorder, plan = _prepare(manifest, folder, config, retry_failed=retry_failed)
        if not plan.trials and not _search_goes_on(plan, manifest):
            say(f"nothing to do: all {len(recorder.statuses())} trials of {folder.path} have ended")
            with mirrored(folder.path, config):
                recorder.finish()
                run = Run(folder.path, recorder.trial_rows())
                return replace(run, deployed=deploy_at_end(plan, run))
        check_installed(choose_loggers(config))
        plan = replace(plan, dashboard=find_dashboard(dashboard, config.address, say))
        _check_data(manifest, folder, config, dataset)
        sessions = [*manifest.sessions, new_session(sys.argv[1:], utc_now())]
        replace(manifest, sweep=config.model_dump(mode="json"), sessions=sessions).write(folder)
        say(f"going on with {len(plan.trials)} of {len(recorder.statuses())} trials in {folder.path}")
        return run_session(plan, recorder)


def _run_folder(run_dir: str, results: Path) -> RunFolder:
    """Return the folder of a run; if an address is given, fetch it from its storage.

    Raises:
        UserInputError: No run is at the address, or it was fetched before.
    """
    if "://" not in run_dir:
        return RunFolder(Path(run_dir).expanduser().resolve())
    from lwq_tune.results.storage.stored_runs import fetch_run

    path = fetch_run(run_dir, results)
    say(f"fetched {run_dir} into {path}")
    return RunFolder(path)


def _prepare(
    manifest: Manifest, folder: RunFolder, config: SweepConfig, *, retry_failed: bool
) -> tuple[RunRecorder, Plan]:
    """Return the records of the run, and what is left to train."""
    trial_list = make_trial_list(recorded_space(manifest, folder), config)
    asked, images = read_trials(manifest, folder), trial_list.dataset.image_format
    trials = with_kept_code(folder, asked.all)
    costs = {key: trial_list.costs_of(trial) for key, trial in trials.items()}
    recorder = RunRecorder(
        folder, asked.all, costs, manifest.table_metadata, manifest.initial_trials, manifest.init_energies_kwh, images
    )
    write_networks(folder, (*trials.values(), *trial_list.networks_of()), images, manifest.table_metadata)
    statuses, recorded = recorder.statuses(), recorder.epochs_done()
    retried = frozenset(key for key, status in statuses.items() if retry_failed and status == "failed")
    unfinished = {key: recorded.get(key, 0) for key in statuses if statuses[key] not in ENDED or key in retried}
    plan = Plan(
        folder=folder,
        config=config,
        trials={key: trials[key] for key in unfinished},
        intensities=manifest.intensities(),
        n_together=n_together(trials),
        resume_from=find_checkpoints(checkpoints_of_run(folder.path), unfinished),
        initial=frozenset(manifest.initial_trials),
        search=make_search(trial_list.space, trial_list.costs_of, asked.lag),
        stopping=trial_list.space.stopping,
        deploy=trial_list.space.deploy,
        n_seeds=len({*trial_list.space.seeds, *(trial.seed for trial in asked.all.values())}),
        failed_before=retried,
    )
    return recorder, plan


def _search_goes_on(plan: Plan, manifest: Manifest) -> bool:
    """Return whether a search has proposals left."""
    if plan.search is None:
        return False
    n_proposed = len(read_trials(manifest, plan.folder).proposed)
    return n_proposed < plan.search.size()[0]


def _check_data(manifest: Manifest, folder: RunFolder, config: SweepConfig, dataset: DatasetInfo) -> None:
    """Decode or download the data, and check that this run and the one it starts from read it as they did.

    Raises:
        UserInputError: It cannot be read, or was read otherwise.
    """
    fraction = _validation_fraction(manifest, folder)
    report_dataset(dataset, fraction, say)
    n_read_otherwise = load_as_before(manifest.dataset, config.data_dir, say)
    check_init_run(config.init_run, dataset, fraction, n_read_otherwise)


def _validation_fraction(manifest: Manifest, folder: RunFolder) -> float:
    return recorded_space(manifest, folder).base.validation_fraction


def _config(manifest: Manifest, carbon_budget: str | None, address: str | None) -> SweepConfig:
    """Return how the run goes on: as recorded, but for a new budget or address.

    Raises:
        ConfigError: The new budget or address is not valid.
        ResultsError: The manifest was edited.
    """
    changes: dict[str, Any] = {}
    if carbon_budget is not None:
        parse_budget(carbon_budget)
        changes["carbon_budget"] = carbon_budget
    if address is not None:
        changes["address"] = parse_address(address)
    return manifest.sweep_config(**changes)
