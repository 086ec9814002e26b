"""Read run folders: Parquet tables in, pandas frames out."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.runs.earlier_networks import earlier_networks
from analysis.runs.keys import number_configurations
from analysis.runs.networks import RecordedNetwork, make_networks
from lwq_tune.results.schema import (
    ADDED,
    COLUMNS,
    EPOCH_COLUMNS,
    NETWORK_COLUMNS,
    SCHEMA_VERSION,
    TRIAL_COLUMNS,
    read_metadata,
)

TRIALS_FILE, INFERENCE_FILE, NETWORK_FILE = "trials.parquet", "inference.parquet", "network.parquet"
TRIAL_TYPES = pa.schema([(column.name, column.arrow_type) for column in TRIAL_COLUMNS])
NETWORK_TYPES = pa.schema([(column.name, column.arrow_type) for column in NETWORK_COLUMNS])


class AnalysisError(Exception):
    """What was asked cannot be answered from these tables; the message says why and what to do."""


@dataclass(frozen=True)
class Objective:
    """One axis of a front, as the search space declares it.

    Attributes:
        column: Column of the table of trials.
        direction: ``maximize`` or ``minimize``.
        own_unit: Unit of a column that is not of the schema.
        own_meaning: Meaning of one.
    """

    column: str
    direction: str
    own_unit: str | None = None
    own_meaning: str | None = None

    @property
    def sign(self) -> float:
        """Factor that makes lower better."""
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def unit(self) -> str:
        """Unit of the column, from the schema where it is of it."""
        return COLUMNS[self.column].unit if self.own_unit is None else self.own_unit

    @property
    def meaning(self) -> str:
        """Meaning of the column, from the schema where it is of it."""
        return COLUMNS[self.column].meaning if self.own_meaning is None else self.own_meaning


@dataclass(frozen=True)
class Runs:
    """One or several runs.

    Attributes:
        trials: One row per trial of the search space, failed and unfinished ones included: the columns of
            `lwq_tune.results.schema.TRIAL_COLUMNS`, in the units it names, ``folder``, and ``configuration``,
            the key that trials of one configuration share. Not measured is NaN or None. ``network`` is a
            `analysis.runs.networks.RecordedNetwork`, None where it is not known.
        initial: The same of trials that were trained only because others start from them; they are on no front.
        objectives: Axes of the front.
    """

    trials: pd.DataFrame
    initial: pd.DataFrame
    objectives: tuple[Objective, ...]

    @functools.cached_property
    def epochs(self) -> pd.DataFrame:
        """All columns of every epoch of ``trials``, and ``folder``; `read_epochs` reads a few of them.

        Raises:
            AnalysisError: A table of epochs cannot be read.
        """
        epochs = read_epochs(self.trials, [column.name for column in EPOCH_COLUMNS])
        return epochs.assign(folder=self.trials["folder"].reindex(epochs.index)).reset_index(drop=True)


def load_run(run_dir: Path) -> Runs:
    """Return the run in a folder, as a sweep prints it.

    Raises:
        AnalysisError: The folder holds no sweep, or its table of trials cannot be read.
    """
    return load_runs([run_dir])


def load_runs(run_dirs: Sequence[Path]) -> Runs:
    """Return the runs in several folders as one; their epochs, which may be millions, are left to `read_epochs`.

    Raises:
        AnalysisError: A folder comes twice or holds no sweep, its tables cannot be read, or objectives differ.
    """
    trials, objectives = [], []
    folders = [run_dir.resolve() for run_dir in run_dirs]
    if len(set(folders)) != len(folders):
        raise AnalysisError(f"each run counts once, got a folder twice: {', '.join(map(str, run_dirs))}")
    for run_dir in folders:
        file = trials_file(run_dir)
        table = read_table(file, TRIAL_TYPES.names)
        frame = _to_frame(_cast(table, TRIAL_TYPES, file))
        trials.append(frame.assign(folder=str(run_dir), network=_networks_of(frame, run_dir)))
        objectives.append(_objectives(table, file))
    if len(set(objectives)) != 1:
        listed = "; ".join(", ".join(axis.column for axis in axes) for axes in dict.fromkeys(objectives))
        raise AnalysisError(f"runs on one front share their objectives, these have: {listed}; analyse them apart")
    all_trials = number_configurations(pd.concat(trials, ignore_index=True))
    is_initial = all_trials["role"] == "initial"
    return Runs(
        trials=all_trials[~is_initial].reset_index(drop=True),
        initial=all_trials[is_initial].reset_index(drop=True),
        objectives=objectives[0],
    )


def _networks_of(trials: pd.DataFrame, run_dir: Path) -> pd.Series:
    """Return the network of each trial of a run, None where it is not known.

    Raises:
        AnalysisError: The table of networks cannot be read, or lacks one that a trial names.
    """
    file = run_dir / NETWORK_FILE
    known = make_networks(read_tables([file], NETWORK_TYPES, added={})) if file.is_file() else {}
    named = trials["network"].dropna()
    lacking = named[~named.isin(list(known))]
    if len(lacking):
        rule = f"the networks of the trials are in {NETWORK_FILE}, {file} lacks {', '.join(sorted(set(lacking)))}"
        raise _refuse(file, rule)
    found: list[RecordedNetwork | None] = [known.get(key) for key in trials["network"]]
    if len(named) < len(trials):
        earlier = earlier_networks(trials)
        found = [network or other for network, other in zip(found, earlier, strict=True)]
    for network, bits in zip(found, trials["bit_widths"], strict=True):
        if network is not None and bits and len(network.units) != len(bits):
            rule = f"a trial has bits for each unit of its network, one has {len(bits)} for {len(network.units)}"
            raise _refuse(run_dir / TRIALS_FILE, rule)
    return pd.Series(found, index=trials.index, dtype=object)


def trials_file(run_dir: Path) -> Path:
    """Return the table of trials of a run.

    Raises:
        AnalysisError: The folder holds no sweep.
    """
    file = run_dir / TRIALS_FILE
    if not file.is_file():
        if (run_dir / "manifest.json").is_file():
            way_out = "its sweep has begun and no trial has ended yet, see `python -m lwq_tune status`"
        else:
            way_out = "run `python -m lwq_tune sweep` first, it prints the folder on its last line"
        raise AnalysisError(f"a run folder holds trials.parquet, {run_dir} does not; {way_out}")
    return file


def read_epochs(trials: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """Return figures of every epoch of some trials; of an epoch trained twice, those of the last attempt.

    Args:
        trials: Rows of `Runs.trials`. Those without a table of epochs, such as pending ones, have no row here.
        figures: Columns of the tables of epochs.

    Returns:
        One row per epoch, in the order of ``trials`` and then of ``epoch``, a column beside ``figures``. The index is
        that of the trial in ``trials``; what was not measured is NaN.

    Raises:
        AnalysisError: A table of epochs cannot be read.
    """
    paths = [
        Path(folder) / "epochs" / f"{key}.parquet"
        for folder, key in zip(trials["folder"], trials["trial_key"], strict=True)
    ]
    has_epochs = np.array([path.is_file() for path in paths], dtype=bool)
    columns = pa.schema([(name, COLUMNS[name].arrow_type) for name in dict.fromkeys(["epoch", "attempt", *figures])])
    tables = _read_all([path for path, exists in zip(paths, has_epochs, strict=True) if exists], columns)
    counted = [_last_attempts(table) for table in tables]
    frame = _to_frame(pa.concat_tables([columns.empty_table(), *counted]))
    frame.index = trials.index[has_epochs].repeat([len(table) for table in counted])
    return frame if "attempt" in figures else frame.drop(columns="attempt")


def _last_attempts(table: pa.Table) -> pa.Table:
    """Return of each epoch of one trial the row of the last attempt, in order of epochs."""
    epochs, attempts = table["epoch"].to_numpy(), table["attempt"].to_numpy()
    if (np.diff(epochs) > 0).all():
        return table
    order = np.lexsort((attempts, epochs))
    is_last = np.append(np.diff(epochs[order]) > 0, True)
    return table.take(order[is_last])


def read_table(file: Path, columns: Sequence[str], added: Mapping[str, Any] = ADDED) -> pa.Table:
    """Return some columns of a table of a run, with the metadata of the file.

    Args:
        file: Parquet file.
        columns: Names that it must have; no others are read.
        added: Those of them that tables of earlier versions lack, with their value there.

    Raises:
        AnalysisError: It is damaged, of another schema version or of none, or does not have each column once.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            there = [name for name in columns if name in schema.names or name not in added]
            _check_schema(schema, file, there)
            # One thread per table: with thousands of small ones, the threads belong to the tables.
            table = parquet.read(there, use_threads=False)
            for name in (name for name in columns if name not in there):
                table = table.append_column(name, pa.array([added[name]] * len(table)))
            return table.select(list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _refuse(file, f"results must be readable as Parquet, {file} is not ({_first_line(error)})") from error


def _check_schema(schema: pa.Schema, file: Path, columns: Sequence[str]) -> None:
    metadata = read_metadata(schema)
    if "schema_version" not in metadata:
        raise _refuse(
            file, f"a results table carries schema_version and objectives as metadata of the file, {file} has lost them"
        )
    if (version := metadata["schema_version"]) != SCHEMA_VERSION:
        raise AnalysisError(
            f"this version reads tables of schema version {SCHEMA_VERSION}, {file} has {version}; "
            "use the lwq_tune that wrote it"
        )
    if missing := sorted(set(columns) - set(schema.names)):
        rule = f"a results table holds all columns of its schema, {file} lacks {', '.join(missing)}"
        raise _refuse(file, rule)
    if doubled := sorted(name for name in set(columns) if schema.names.count(name) > 1):
        rule = f"a results table holds each column of its schema once, {file} has several of {', '.join(doubled)}"
        raise _refuse(file, rule)


def _refuse(file: Path, rule: str) -> AnalysisError:
    """Return the error on a table that lwq_tune does not write, with the way out."""
    run_dir = file.parent if file.name in (TRIALS_FILE, INFERENCE_FILE, NETWORK_FILE) else file.parent.parent
    writer, owner = ("deploy", "deploy") if file.name == INFERENCE_FILE else ("resume", "sweep")
    return AnalysisError(
        f"{rule}; where another program saved it, put the {owner}'s own file back, or delete it and let `python -m "
        f"lwq_tune {writer} {shlex.quote(str(run_dir))}` write it again"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_tables(files: Sequence[Path], columns: pa.Schema, added: Mapping[str, Any] = ADDED) -> pd.DataFrame:
    """Return some columns of several tables as one frame; of a figure, null is NaN, lists are tuples.

    Args:
        files: Parquet files.
        columns: Names and types.
        added: As in `read_table`.

    Raises:
        AnalysisError: A file is damaged, of another schema version, or lacks a column or has it in another type.
    """
    return _to_frame(pa.concat_tables([columns.empty_table(), *_read_all(files, columns, added)]))


def _read_all(files: Sequence[Path], columns: pa.Schema, added: Mapping[str, Any] = ADDED) -> list[pa.Table]:
    """Return some columns of each of several tables, which are read side by side."""
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return list(pool.map(lambda file: _cast(read_table(file, columns.names, added), columns, file), files))


def _cast(table: pa.Table, columns: pa.Schema, file: Path) -> pa.Table:
    """Return a table in the types of the schema; other programs save text, lists and missing integers as other types.

    Raises:
        AnalysisError: A column cannot be had in its type.
    """
    return pa.table([_cast_column(table[column.name], column, file) for column in columns], columns)


def _cast_column(values: pa.ChunkedArray, column: pa.Field, file: Path) -> pa.ChunkedArray:
    found, is_list = values.type, pa.types.is_list(column.type)
    if found == column.type and not is_list:
        return values
    if pa.types.is_integer(column.type) and pa.types.is_floating(found):
        values = pc.if_else(pc.is_nan(values), None, values)  # pandas has no other way to leave out an integer
    try:
        values = values.cast(column.type)
        if is_list and pc.list_flatten(values).null_count:
            raise pa.ArrowInvalid("an entry of a list is empty")
    except pa.ArrowException as error:
        rule = (
            f"a results table has the types of its schema, {file} has {column.name} as {found} and not as "
            f"{column.type} ({_first_line(error)})"
        )
        raise _refuse(file, rule) from error
    return values


def _objectives(table: pa.Table, file: Path) -> tuple[Objective, ...]:
    listed = read_metadata(table.schema).get("objectives")
    try:
        objectives = tuple(Objective(entry["column"], entry["direction"]) for entry in listed or [])
    except (TypeError, KeyError) as error:
        raise _refuse(file, f"a table of trials names its objectives, {file} does not") from error
    figures = {column.name for column in TRIAL_COLUMNS if column.kind in ("int", "float")}
    is_sound = all(axis.column in figures and axis.direction in ("maximize", "minimize") for axis in objectives)
    if not is_sound or len({axis.column for axis in objectives}) != len(objectives) or len(objectives) < 2:
        rule = f"a table of trials names two or more figures as objectives, to maximize or minimize, {file} does not"
        raise _refuse(file, rule)
    return objectives


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame whose lists are tuples, so that one can group by them."""
    frame: pd.DataFrame = table.to_pandas()
    for column in table.schema:
        if pa.types.is_list(column.type):
            frame[column.name] = [tuple(map(int, value)) if value is not None else () for value in frame[column.name]]
    return frame
