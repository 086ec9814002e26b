"""Read run folders: Parquet tables in, pandas frames out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.results.schema import COLUMNS, EPOCH_COLUMNS, SCHEMA_VERSION, TRIAL_COLUMNS, Column, read_metadata


class AnalysisError(Exception):
    """What was asked cannot be answered from these tables; the message says why and what to do."""


@dataclass(frozen=True)
class Objective:
    """One axis of a front, as the search space declares it.

    Attributes:
        column: Column of the table of trials.
        direction: ``maximize`` or ``minimize``.
    """

    column: str
    direction: str

    @property
    def sign(self) -> float:
        """Factor that makes lower better."""
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def unit(self) -> str:
        """Unit of the column, from the schema."""
        return COLUMNS[self.column].unit

    @property
    def meaning(self) -> str:
        """Meaning of the column, from the schema."""
        return COLUMNS[self.column].meaning


@dataclass(frozen=True)
class Runs:
    """One or several runs.

    Attributes:
        trials: One row per trial, columns of `lwq_tune.results.schema.TRIAL_COLUMNS`.
        epochs: One row per epoch; of an epoch trained twice, the last attempt.
        objectives: Axes of the front.
    """

    trials: pd.DataFrame
    epochs: pd.DataFrame
    objectives: tuple[Objective, ...]


def load_run(run_dir: Path) -> Runs:
    """Return one run.

    Raises:
        AnalysisError: The folder holds no sweep, or its tables cannot be read.
    """
    return load_runs([run_dir])


def load_runs(run_dirs: Sequence[Path]) -> Runs:
    """Return several runs as one.

    Raises:
        AnalysisError: A folder holds no sweep, its tables cannot be read, or the runs have other objectives.
    """
    trials, epochs, objectives = [], [], []
    for run_dir in run_dirs:
        file = run_dir / "trials.parquet"
        if not file.is_file():
            raise AnalysisError(
                f"a run folder holds trials.parquet, {run_dir} does not; run `python -m lwq_tune sweep` first, "
                "it prints the folder on its last line"
            )
        table = _read_table(file, TRIAL_COLUMNS)
        trials.append(_to_frame(table))
        objectives.append(_objectives(table, file))
        epochs += [
            _to_frame(_read_table(part, EPOCH_COLUMNS)) for part in sorted((run_dir / "epochs").glob("*.parquet"))
        ]
    if len(set(objectives)) != 1:
        listed = "; ".join(", ".join(axis.column for axis in axes) for axes in dict.fromkeys(objectives))
        raise AnalysisError(f"runs on one front share their objectives, these have: {listed}; analyse them apart")
    all_trials = pd.concat(trials, ignore_index=True)
    frames = [frame for frame in epochs if len(frame)]
    if not frames:
        return Runs(all_trials, pd.DataFrame(columns=[column.name for column in EPOCH_COLUMNS]), objectives[0])
    return Runs(all_trials, _last_attempts(pd.concat(frames, ignore_index=True), all_trials), objectives[0])


def _read_table(file: Path, columns: Sequence[Column]) -> pa.Table:
    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AnalysisError(f"results must be readable as Parquet, {file} is not ({reason})") from error
    version = read_metadata(table.schema).get("schema_version")
    if version != SCHEMA_VERSION:
        raise AnalysisError(
            f"this version reads tables of schema version {SCHEMA_VERSION}, {file} has {version}; "
            "use the lwq_tune that wrote it"
        )
    missing = [column.name for column in columns if column.name not in table.column_names]
    if missing:
        raise AnalysisError(f"a results table holds all columns of its schema, {file} lacks {', '.join(missing)}")
    return table


def _objectives(table: pa.Table, file: Path) -> tuple[Objective, ...]:
    listed = read_metadata(table.schema).get("objectives")
    try:
        objectives = tuple(Objective(entry["column"], entry["direction"]) for entry in listed or [])
    except (TypeError, KeyError) as error:
        raise AnalysisError(f"a table of trials names its objectives, {file} does not") from error
    if len(objectives) < 2 or any(objective.column not in COLUMNS for objective in objectives):
        raise AnalysisError(f"a table of trials names at least two known objectives, {file} does not")
    return objectives


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame whose lists are tuples, so that one can group by them."""
    frame: pd.DataFrame = table.to_pandas()
    for column in table.schema:
        if pa.types.is_list(column.type):
            frame[column.name] = [tuple(value) if value is not None else () for value in frame[column.name]]
    return frame


def _last_attempts(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return each epoch once, its last attempt, in the order of the trials."""
    place = {key: index for index, key in enumerate(zip(trials["run"], trials["trial_key"], strict=True))}
    order = [place.get(key, len(place)) for key in zip(epochs["run"], epochs["trial_key"], strict=True)]
    ordered = epochs.assign(_order=order).sort_values(["_order", "trial_key", "epoch", "attempt"])
    last = ordered.drop_duplicates(["run", "trial_key", "epoch"], keep="last")
    return last.drop(columns="_order").reset_index(drop=True)
