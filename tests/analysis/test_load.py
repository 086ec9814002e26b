from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.load import AnalysisError, _last_attempts, load_run, load_runs, read_epochs
from lwq_tune.results.schema import EPOCH_COLUMNS
from lwq_tune.results.store import write_table
from tests.analysis.synthetic import OBJECTIVES, POINTS, write_run


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
