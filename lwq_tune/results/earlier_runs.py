"""What a run holds for a later session or run: the trials that were asked for, and which of them are done."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import Manifest, read_manifest, trial_configs
from lwq_tune.results.row_log import read_log
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import COLUMNS


@dataclass(frozen=True)
class AskedTrials:
    """Trials of a run.

    Attributes:
        listed: Those of the manifest by key, in order.
        proposed: Those that a search has proposed by key, in order.
        lag: Number of proposals made before the outcome of the first is used; None before the first proposal.
    """

    listed: dict[str, TrialConfig]
    proposed: dict[str, TrialConfig]
    lag: int | None

    @property
    def all(self) -> dict[str, TrialConfig]:
        """All of them."""
        return self.listed | self.proposed


def read_trials(manifest: Manifest, folder: RunFolder) -> AskedTrials:
    """Return the trials of a run.

    Raises:
        ResultsError: Manifest or log were edited, or are damaged.
    """
    records = [one for one in read_log(folder.log) if one["kind"] == "trial"] if manifest.space.is_adaptive else []
    proposed = trial_configs([record["config"] for record in records])
    return AskedTrials(manifest.configs(), proposed, int(records[0]["lag"]) if records else None)


def trained_energies(run_dir: Path) -> dict[str, float | None]:
    """Return the training energy in kWh of every finished trial of a run, by key; None if it was not measured.

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
        types = pa.schema([("trial_key", pa.string()), ("status", pa.string()), (column, pa.float64())])
        rows = pq.read_table(file, columns=types.names).cast(types).to_pylist()
        values = {row["trial_key"]: row[column] for row in rows if row["status"] == "done"}
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ResultsError(
            f"networks come from a run with a readable table of trials, {file} is not ({reason}); where another "
            "program saved it, delete it and let "
            f"`python -m lwq_tune resume {shlex.quote(str(run_dir))}` write it again"
        ) from error
    # pandas saves an empty figure as NaN, and integers among such as floats.
    kind = int if COLUMNS[column].kind == "int" else float
    return {key: None if value is None or math.isnan(value) else kind(value) for key, value in values.items()}
