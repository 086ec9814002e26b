"""``python -m lwq_tune resume``: finish what is unfinished in a run folder."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from lwq_tune.commands.common import check_dataset_loads, report_end, say, trial_costs
from lwq_tune.commands.sweep import run_session, table_metadata
from lwq_tune.config import TrialConfig
from lwq_tune.data.catalog import DatasetInfo, describe_dataset
from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.errors import ResultsError
from lwq_tune.sweep.initial import n_together
from lwq_tune.sweep_config import SweepConfig


def run(arguments: Namespace) -> int:
    """Train the trials without an end; those that ended, failed ones included, are kept as they are."""
    from lwq_tune.results.manifest import new_session, read_manifest
    from lwq_tune.results.recorder import RunRecorder, utc_now
    from lwq_tune.results.run_lock import run_lock
    from lwq_tune.results.store import RunFolder, write_json
    from lwq_tune.sweep.runner import Plan, find_checkpoints

    folder = RunFolder(Path(arguments.run_dir).expanduser().resolve())
    read_manifest(folder.path)
    with run_lock(folder.path):
        manifest = read_manifest(folder.path)  # as the last session left it, now that none is under way
        dataset, trials, config = _asked_for(manifest, folder.path)
        costs = {key: trial_costs(trial, dataset.num_classes) for key, trial in trials.items()}
        recorder = RunRecorder(
            folder,
            trials,
            costs,
            table_metadata(manifest),
            manifest["initial_trials"],
            manifest["init_energies_kwh"],
        )
        unfinished = [key for key, status in recorder.statuses().items() if status not in ("done", "failed")]
        if not unfinished:
            say(f"nothing to do: all {len(trials)} trials of {folder.path} have ended")
            recorder.finish()
            return report_end(folder.path, recorder.trial_rows())
        check_dataset_loads(dataset.dataset, config.data_dir)
        manifest["sessions"].append(new_session(sys.argv[1:], utc_now()))
        write_json(folder.manifest, manifest)
        say(f"going on with {len(unfinished)} of {len(trials)} trials in {folder.path}")
        plan = Plan(
            folder=folder,
            config=config,
            trials={key: trials[key] for key in unfinished},
            intensities=_intensities(manifest),
            resume_from={key: find_checkpoints(folder, key) for key in unfinished},
            n_together=n_together(trials),
        )
        return run_session(plan, recorder)


def _asked_for(manifest: dict[str, Any], path: Path) -> tuple[DatasetInfo, dict[str, TrialConfig], SweepConfig]:
    """Return data set, trials and machine settings that a manifest asks for.

    Raises:
        ResultsError: The manifest was changed, or the data were.
        DatasetError: The data are gone.
    """
    try:
        trials = [TrialConfig(**values) for values in manifest["trials"]]
        config = SweepConfig.model_validate_json(json.dumps(manifest["sweep"]))
        recorded = DatasetInfo(**manifest["dataset"])
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"a run is continued as it was asked for, {path / 'manifest.json'} was changed: {error}"
        ) from error
    return _same_dataset(recorded), {trial.trial_key: trial for trial in trials}, config


def _intensities(manifest: dict[str, Any]) -> dict[str, IntensitySeries]:
    """Return the carbon intensities that the run began with.

    Raises:
        ResultsError: The manifest was changed.
    """
    try:
        return {host: IntensitySeries.from_dict(values) for host, values in manifest["carbon_intensity"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(
            f"a run is continued as it was asked for, its carbon intensity was changed: {error}"
        ) from error


def _same_dataset(recorded: DatasetInfo) -> DatasetInfo:
    """Return the data set of the run as it is now.

    Raises:
        DatasetError: It is gone.
        ResultsError: Its content has changed.
    """
    found = describe_dataset(recorded.dataset)
    if found != recorded:
        raise ResultsError(
            f"a run is continued on its own data, {recorded.dataset} had digest {recorded.digest} and now has "
            f"{found.digest}; put the old files back, or start a new sweep"
        )
    return found
