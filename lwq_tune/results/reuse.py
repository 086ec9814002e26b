"""Trials of another run that trials of this one start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.store import RunFolder


def trained_energies(run_dir: Path) -> dict[str, float | None]:
    """Return the training energy in kWh of every finished trial of a run, by key; None where it was not measured.

    Raises:
        ResultsError: The folder holds no run, or its table of trials cannot be read.
    """
    read_manifest(run_dir)
    return _of_done_trials(run_dir, "energy_kwh")


def finished_epochs(run_dir: Path) -> dict[str, int]:
    """Return the epochs of every trial of a run that is done, by key: fewer than planned where a rule ended it.

    Raises:
        ResultsError: The table of trials cannot be read.
    """
    return _of_done_trials(run_dir, "epochs_done") if RunFolder(run_dir).trials.exists() else {}


def _of_done_trials(run_dir: Path, column: str) -> dict[str, Any]:
    file = RunFolder(run_dir).trials
    try:
        rows = pq.read_table(file, columns=["trial_key", "status", column]).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise ResultsError(
            f"networks come from a run with a readable table of trials, {file} is not: {error}"
        ) from error
    return {row["trial_key"]: row[column] for row in rows if row["status"] == "done"}
