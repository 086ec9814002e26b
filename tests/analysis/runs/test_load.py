from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.runs.load import AnalysisError, _last_attempts, load_run, load_runs, read_epochs
from lwq_tune.results.schema import EPOCH_COLUMNS
from lwq_tune.results.tables import write_table
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_every_epoch_has_the_index_of_its_trial_whatever_the_order_of_the_trials(run: Path) -> None:
    trials = load_run(run).trials.iloc[::-1]
    epochs = read_epochs(trials, ["test_accuracy"])
    assert list(epochs.columns) == ["epoch", "test_accuracy"]
    assert epochs.index.tolist() == [index for index in trials.index for _ in range(2)]
    assert epochs["epoch"].tolist() == [1, 2] * len(trials)
    # The synthetic accuracy is half of the last one after the first of two epochs.
    last = trials["test_accuracy"].to_numpy()
    assert epochs["test_accuracy"].to_numpy().reshape(-1, 2) == pytest.approx(np.column_stack([last / 2, last]))


def test_only_the_trials_that_are_asked_for_are_read(run: Path) -> None:
    trials = load_run(run).trials
    (run / "epochs" / f"{trials['trial_key'][0]}.parquet").write_bytes(b"x")
    assert set(read_epochs(trials.iloc[1:], ["lr"]).index) == set(trials.index[1:])
    with pytest.raises(AnalysisError, match=f"readable as Parquet.*{trials['trial_key'][0]}"):
        read_epochs(trials, ["lr"])


def test_all_columns_of_all_epochs_are_there_for_who_asks_for_them(run: Path) -> None:
    runs = load_run(run)
    epochs = runs.epochs
    assert set(epochs.columns) == {*(column.name for column in EPOCH_COLUMNS), "folder"}
    assert epochs["trial_key"].tolist() == [key for key in runs.trials["trial_key"] for _ in range(2)]
    assert set(epochs["bit_widths"]) == set(runs.trials["bit_widths"])
    assert set(epochs["folder"]) == {str(run)}


def test_a_trial_that_has_not_begun_has_no_epochs(run: Path) -> None:
    trials = load_run(run).trials
    for path in (run / "epochs").glob("*.parquet"):
        if path.stem != trials["trial_key"][3]:
            path.unlink()
    assert read_epochs(trials, ["train_loss"]).index.tolist() == [3, 3]
    assert read_epochs(trials.iloc[:0], ["train_loss"]).empty


def test_what_was_not_measured_in_an_epoch_is_nan(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", changes={"energy_kwh": None})
    epochs = read_epochs(load_run(run).trials, ["energy_kwh", "train_loss"])
    assert epochs["energy_kwh"].isna().all()
    assert epochs["train_loss"].notna().all()


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), unique=True, max_size=20))
def test_of_an_epoch_the_last_attempt_counts_in_whatever_order_they_were_written(rows: list[tuple[int, int]]) -> None:
    table = pa.table(
        {
            "epoch": pa.array([epoch for epoch, _ in rows], pa.int64()),
            "attempt": pa.array([attempt for _, attempt in rows], pa.int64()),
        }
    )
    expected = sorted({epoch: max(a for e, a in rows if e == epoch) for epoch, _ in rows}.items())
    counted = _last_attempts(table)
    assert list(zip(*(counted[name].to_pylist() for name in ("epoch", "attempt")), strict=True)) == expected


def test_a_front_needs_no_table_of_epochs_and_table_3_does(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = sorted((run / "epochs").glob("*.parquet"))[-1]
    damaged.write_bytes(b"x")
    assert main(["pareto", str(run)]) == 0
    assert main(["table", str(run), "--out", str(run / "tables")]) == 2
    error = capsys.readouterr().err
    assert "must be readable as Parquet" in error
    assert damaged.name in error
    assert not (run / "tables").exists()


def test_runs_keep_their_epochs_apart_when_their_trials_have_the_same_keys(tmp_path: Path) -> None:
    points = {name: ([0.5], 1e-6) for name in ("fixed_2", "fixed_3")}
    runs = [write_run(tmp_path / name, points, n_epochs=n) for name, n in (("one", 2), ("two", 2))]
    trials = load_runs(runs).trials
    assert trials["trial_key"].nunique() == 2
    file = runs[1] / "epochs" / f"{trials['trial_key'][0]}.parquet"
    rows = [{"trial_key": trials["trial_key"][0], "epoch": epoch, "attempt": 1, "lr": 7.0} for epoch in (1, 2)]
    write_table(file, EPOCH_COLUMNS, rows, {"run": "two", "objectives": OBJECTIVES})
    epochs = read_epochs(trials, ["lr"])
    is_changed = (trials["folder"] == str(runs[1])) & (trials["trial_key"] == file.stem)
    changed: pd.Series = epochs["lr"] == 7.0
    assert set(epochs.index[changed]) == set(trials.index[is_changed])
    assert len(trials) == 4


def test_the_trials_of_a_run_keep_their_order(run: Path) -> None:
    assert load_run(run).trials["schedule"].drop_duplicates().tolist() == list(POINTS)


def save_again(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Save a table as another program that keeps the metadata of the file."""
    table = pq.read_table(file)
    changed = change(table)
    pq.write_table(changed.replace_schema_metadata({**(changed.schema.metadata or {}), **table.schema.metadata}), file)


def in_types(is_kind: Callable[[pa.DataType], bool], kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        fields = [pa.field(column.name, kind if is_kind(column.type) else column.type) for column in table.schema]
        return table.cast(pa.schema(fields))

    return change


def with_categories(table: pa.Table) -> pa.Table:
    columns = [v.dictionary_encode() if pa.types.is_string(v.type) else v for v in table.columns]
    return pa.table(columns, table.column_names)


def with_an_index_of_pandas(table: pa.Table) -> pa.Table:
    again = pa.Table.from_pandas(table.to_pandas(), preserve_index=True)
    assert "__index_level_0__" in again.column_names
    return again


def with_columns_by_name(table: pa.Table) -> pa.Table:
    return table.select(sorted(table.column_names))


def with_empty_columns_of_no_type(table: pa.Table) -> pa.Table:
    return pa.table([pa.nulls(len(v)) if v.null_count == len(v) else v for v in table.columns], table.column_names)


def with_integers_as_floats(table: pa.Table) -> pa.Table:
    """Return what pandas makes of integers some of which are empty."""
    columns = [
        v.cast(pa.float64()).fill_null(float("nan")) if pa.types.is_integer(v.type) else v for v in table.columns
    ]
    return pa.table(columns, table.column_names)


def with_column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array([values] * len(table)))


@pytest.mark.parametrize(
    "change",
    [
        in_types(pa.types.is_string, pa.large_string()),
        in_types(pa.types.is_string, pa.string_view()),
        in_types(pa.types.is_string, pa.binary()),
        in_types(pa.types.is_list, pa.large_list(pa.int64())),
        in_types(pa.types.is_list, pa.list_(pa.float64())),
        with_categories,
        with_an_index_of_pandas,
        with_columns_by_name,
        with_empty_columns_of_no_type,
        with_integers_as_floats,
    ],
    ids=lambda change: change.__name__,
)
def test_tables_are_read_alike_in_the_types_of_other_programs(
    run: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    change_trials(run, "fixed_2", 0, config_calibration_images=None, gpu_model=None)
    runs = load_run(run)
    trials, epochs = runs.trials, runs.epochs
    for file in [run / "trials.parquet", *(run / "epochs").iterdir()]:
        save_again(file, change)
    again = load_run(run)
    pd.testing.assert_frame_equal(again.trials, trials)
    pd.testing.assert_frame_equal(again.epochs, epochs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace_schema_metadata(None), ""),
        (lambda t: t.append_column("schedule", t["schedule"]), "holds each column of its schema once, .*of schedule"),
        (lambda t: t.drop_columns(["run", "schedule"]), "holds all columns of its schema, .* lacks run, schedule"),
        (with_column("config_seed", "first"), "has config_seed as string and not as int64"),
        (with_column("config_seed", 0.5), "has config_seed as double and not as int64"),
        (with_column("schedule", b"\xff"), "has schedule as binary and not as string"),
        (with_column("bit_widths", "2-3-4"), "has bit_widths as string and not as list"),
        (with_column("bit_widths", [2, None, 4]), r"bit_widths as list.*\(an entry of a list is empty\)"),
    ],
)
def test_a_table_that_another_program_saved_is_one_message_with_rule_and_way_out(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "my run")
    file = run / "trials.parquet"
    save_again(file, change)
    if not message:
        pd.read_parquet(file).to_parquet(file)
        message = "carries schema_version and objectives as metadata of the file, .* has lost them"
    assert main(["pareto", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert f"{file}" in line
    assert line.endswith(
        "; where another program saved it, put the sweep's own file back, or delete it and let "
        f"`python -m lwq_tune resume '{run}'` write it again"
    )
