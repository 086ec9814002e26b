"""Read run folders: Parquet tables in, pandas frames out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lwq_tune.results.schema import COLUMNS, EPOCH_COLUMNS, SCHEMA_VERSION, TRIAL_COLUMNS, read_metadata


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
        trials: One row per trial of the search space, columns of `lwq_tune.results.schema.TRIAL_COLUMNS` and
            ``folder``.
        initial: The same of trials that were trained only because others start from them; they are on no front.
        epochs: One row per epoch of ``trials``, and ``folder``; of an epoch trained twice, the last attempt.
        objectives: Axes of the front.
    """

    trials: pd.DataFrame
    initial: pd.DataFrame
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
    folders = [run_dir.resolve() for run_dir in run_dirs]
    if len(set(folders)) != len(folders):
        raise AnalysisError(f"each run counts once, got a folder twice: {', '.join(map(str, run_dirs))}")
    for run_dir in folders:
        file = trials_file(run_dir)
        table = read_table(file, [column.name for column in TRIAL_COLUMNS])
        trials.append(_to_frame(table).assign(folder=str(run_dir)))
        objectives.append(_objectives(table, file))
        epochs.append(_read_epochs(run_dir, list(trials[-1]["trial_key"])))
    if len(set(objectives)) != 1:
        listed = "; ".join(", ".join(axis.column for axis in axes) for axes in dict.fromkeys(objectives))
        raise AnalysisError(f"runs on one front share their objectives, these have: {listed}; analyse them apart")
    frames = [frame for frame in epochs if len(frame)]
    all_trials = pd.concat(trials, ignore_index=True)
    all_epochs = pd.concat(frames, ignore_index=True) if frames else epochs[0]
    is_initial = all_trials["role"] == "initial"
    return Runs(
        trials=all_trials[~is_initial].reset_index(drop=True),
        initial=all_trials[is_initial].reset_index(drop=True),
        epochs=all_epochs[all_epochs["role"] != "initial"].reset_index(drop=True),
        objectives=objectives[0],
    )


def trials_file(run_dir: Path) -> Path:
    """Return the table of trials of a run.

    Raises:
        AnalysisError: The folder holds no sweep.
    """
    file = run_dir / "trials.parquet"
    if not file.is_file():
        raise AnalysisError(
            f"a run folder holds trials.parquet, {run_dir} does not; run `python -m lwq_tune sweep` first, "
            "it prints the folder on its last line"
        )
    return file


def _read_epochs(run_dir: Path, order: Sequence[str]) -> pd.DataFrame:
    """Return the epochs of one run in the order of its trials, of each epoch the last attempt."""
    files = {file.stem: file for file in (run_dir / "epochs").glob("*.parquet")}
    names = [column.name for column in EPOCH_COLUMNS]
    frames = [_to_frame(read_table(files[key], names)) for key in order if key in files]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=[*names, "folder"])
    last = [frame.sort_values(["epoch", "attempt"]).drop_duplicates("epoch", keep="last") for frame in frames]
    return pd.concat(last, ignore_index=True).assign(folder=str(run_dir))


def read_table(file: Path, columns: Sequence[str]) -> pa.Table:
    """Return a table of a run.

    Args:
        file: Parquet file.
        columns: Names that it must have; others stay in the table.

    Raises:
        AnalysisError: It is damaged, of another schema version, or lacks a column.
    """
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
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise AnalysisError(f"a results table holds all columns of its schema, {file} lacks {', '.join(missing)}")
    return table


def read_tables(files: Sequence[Path], columns: pa.Schema) -> pd.DataFrame:
    """Return some columns of several tables as one frame; of a figure, null is NaN.

    Args:
        files: Parquet files.
        columns: Names and types.

    Raises:
        AnalysisError: A file is damaged, of another schema version, or lacks a column or has it in another type.
    """
    tables = [columns.empty_table()]
    for file in files:
        try:
            tables.append(read_table(file, columns.names).select(columns.names).cast(columns))
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise AnalysisError(f"a results table has the types of its schema, {file} has not ({reason})") from error
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def _objectives(table: pa.Table, file: Path) -> tuple[Objective, ...]:
    listed = read_metadata(table.schema).get("objectives")
    try:
        objectives = tuple(Objective(entry["column"], entry["direction"]) for entry in listed or [])
    except (TypeError, KeyError) as error:
        raise AnalysisError(f"a table of trials names its objectives, {file} does not") from error
    figures = {column.name for column in TRIAL_COLUMNS if column.kind in ("int", "float")}
    is_sound = all(axis.column in figures and axis.direction in ("maximize", "minimize") for axis in objectives)
    if not is_sound or len({axis.column for axis in objectives}) != len(objectives) or len(objectives) < 2:
        raise AnalysisError(
            f"a table of trials names two or more figures as objectives, to maximize or minimize; {file} does not"
        )
    return objectives


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame whose lists are tuples, so that one can group by them."""
    frame: pd.DataFrame = table.to_pandas()
    for column in table.schema:
        if pa.types.is_list(column.type):
            frame[column.name] = [tuple(map(int, value)) if value is not None else () for value in frame[column.name]]
    return frame
