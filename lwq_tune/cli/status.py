"""``python -m lwq_tune status``: how far a run is, from its files alone, also while another process runs it."""

from __future__ import annotations

import datetime
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwq_tune.cli import exit_codes
from lwq_tune.cli.messages import energy_balance
from lwq_tune.config.trial import TrialConfig
from lwq_tune.formatting import duration, format_columns, fraction, name_trials, wh
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.row_log import read_log
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import ENDED


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: Namespace) -> int:
    """Print the state of a run and return the exit code."""
    from lwq_tune.files.locks import holder_of
    from lwq_tune.results.earlier_runs import read_trials
    from lwq_tune.results.manifest import read_manifest
    from lwq_tune.results.networks import recorded_costs
    from lwq_tune.results.recorder import RunRecorder

    folder = RunFolder(Path(arguments.run_dir).expanduser().resolve())
    manifest = read_manifest(folder.path)
    trials = read_trials(manifest, folder).all
    costs = recorded_costs(folder, trials, ImageFormat.of_record(manifest.dataset))
    recorder = RunRecorder(folder, trials, costs, manifest.table_metadata, manifest.initial_trials)
    state = {
        "run": manifest.run,
        "held_by": holder_of(folder.lock),
        **_progress(trials, recorder.trial_rows(), _pace(folder, manifest.sessions[-1])),
    }
    if arguments.json:
        print(json.dumps(state, indent=2))
        return exit_codes.DONE
    print(_text(state))
    print(energy_balance(recorder.energy(), recorder.trial_rows()))
    return exit_codes.DONE


def _progress(
    trials: Mapping[str, TrialConfig], rows: Sequence[Mapping[str, Any]], epoch_s: float | None
) -> dict[str, Any]:
    """Return each trial's state and epochs, and the remaining time at so many seconds per epoch."""
    name = name_trials(trials.values())
    listed = [
        {
            "trial_key": row["trial_key"],
            "name": name(trials[row["trial_key"]]),
            "schedule": row["schedule"],
            "width": trials[row["trial_key"]].width,
            "seed": row["config_seed"],
            "status": row["status"],
            "epochs_done": row["epochs_done"],
            "epochs": trials[row["trial_key"]].n_rows,
            "val_accuracy": row.get("val_accuracy"),
            "energy_kwh": row.get("energy_kwh"),
            "error": row["error"],
            "stop_reason": row["stop_reason"],
        }
        for row in rows
    ]
    unfinished = [trial for trial in listed if trial["status"] not in ENDED]
    n_left = sum(trial["epochs"] - trial["epochs_done"] for trial in unfinished)
    remaining_s = None if epoch_s is None else n_left * epoch_s
    return {"epochs_left": n_left, "remaining_s": remaining_s if n_left else 0.0, "trials": listed}


def _pace(folder: RunFolder, session: Mapping[str, Any]) -> float | None:
    """Return the seconds from one epoch to the next in the present session, None where it has none yet."""
    begin = datetime.datetime.fromisoformat(session["started_at_utc"])
    n_epochs, last = 0, begin
    for record in read_log(folder.log):
        if record["kind"] == "epoch":
            time = datetime.datetime.fromisoformat(record["recorded_at_utc"])
            n_epochs, last = n_epochs + (time > begin), max(last, time)
    return (last - begin).total_seconds() / n_epochs if n_epochs else None


def _text(state: Mapping[str, Any]) -> str:
    is_running = state["held_by"] is not None
    cells = []
    for trial in state["trials"]:
        status = "running" if is_running and trial["status"] == "interrupted" else trial["status"]
        epochs = f"{trial['epochs_done']}/{trial['epochs']}"
        accuracy, energy = fraction(trial["val_accuracy"]), wh(trial["energy_kwh"]) if trial["epochs_done"] else "-"
        cells.append([trial["trial_key"], trial["name"], status, str(trial["seed"]), epochs, accuracy, energy])
    table = format_columns(["trial", "schedule", "status", "seed", "epochs", "val", "energy"], cells)
    reasons = [
        f"{trial['status']}: {trial['name']} seed {trial['seed']}: {trial['error'] or trial['stop_reason']}"
        for trial in state["trials"]
        if trial["error"] or trial["stop_reason"]
    ]
    remaining = "unknown" if state["remaining_s"] is None else duration(state["remaining_s"])
    if state["epochs_left"] == 0:
        summary = "all trials have ended"
    elif is_running:
        summary = f"{state['epochs_left']} epochs left, about {remaining}; {state['held_by']} works on it"
    else:
        summary = (
            f"{state['epochs_left']} epochs left, no process works on it; continue with: python -m lwq_tune resume"
        )
    return "\n".join([table, *reasons, summary])
