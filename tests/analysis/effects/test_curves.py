from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.effects.curves import curve_frame
from analysis.runs.load import AnalysisError, load_run, load_runs
from tests.support.synthetic_runs import write_run

# Test accuracies after epochs 1 and 2: half of the last, and the last.
TWO = {"full_precision": ([0.8, 0.9], 1e-6), "fixed_2": ([0.6, 0.4], 1e-6)}


def pick(frame: pd.DataFrame, label: str, images: str = "test", quantity: str = "accuracy") -> pd.DataFrame:
    chosen = frame[(frame["label"] == label) & (frame["images"] == images) & (frame["quantity"] == quantity)]
    return chosen.set_index("epoch")


def change_epochs(run: Path, seed: int, epoch: int, **values: Any) -> None:
    """Change a row of the epochs of one seed of `fixed_2`; without values, take it out."""
    for file in (run / "epochs").glob("*.parquet"):
        table = pq.read_table(file)
        rows = table.to_pylist()
        if rows[0]["schedule"] == "fixed_2" and rows[0]["config_seed"] == seed:
            changed = [row | values if row["epoch"] == epoch else row for row in rows]
            kept = changed if values else [row for row in rows if row["epoch"] != epoch]
            pq.write_table(pq.read_table(file).from_pylist(kept, schema=table.schema), file)


def test_a_line_is_the_mean_and_a_band_the_range_over_seeds(tmp_path: Path) -> None:
    frame = curve_frame(load_run(write_run(tmp_path / "run", TWO)))
    line = pick(frame, "fixed_2")
    assert line["mean"].tolist() == pytest.approx([0.25, 0.5])
    assert line["low"].tolist() == pytest.approx([0.2, 0.4])
    assert line["high"].tolist() == pytest.approx([0.3, 0.6])
    assert line["std"].tolist() == pytest.approx([0.05 * math.sqrt(2), 0.1 * math.sqrt(2)])
    assert pick(frame, "fixed_2", "train", "loss")["mean"].tolist() == pytest.approx([0.75, 0.5])
    assert set(frame["n_seeds"]) == {2}


def test_a_seed_of_two_runs_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "one", {"fixed_2": ([0.4, 0.8], 1e-6)})
    write_run(tmp_path / "two", {"fixed_2": ([0.6], 1e-6)})
    frame = curve_frame(load_runs([tmp_path / "one", tmp_path / "two"]))
    assert pick(frame, "fixed_2")["mean"].tolist() == pytest.approx([0.325, 0.65])
    assert set(frame["n_seeds"]) == {2}


@pytest.mark.parametrize("values", [{}, {"test_accuracy": math.nan}, {"test_accuracy": math.inf}])
def test_an_epoch_that_a_seed_lacks_leaves_a_gap_instead_of_a_jump(tmp_path: Path, values: dict[str, Any]) -> None:
    run = write_run(tmp_path / "run", TWO, n_epochs=3)
    change_epochs(run, 1, 2, **values)
    line = pick(curve_frame(load_run(run)), "fixed_2")
    assert np.isnan(line["mean"]).tolist() == [False, True, False]
    assert np.isnan(line["high"]).tolist() == [False, True, False]


def test_without_test_images_the_validation_images_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO, changes={"test_accuracy": None, "test_loss": None})
    frame = curve_frame(load_run(run))
    assert set(frame["images"]) == {"train", "val"}


def test_without_any_accuracy_nothing_is_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO, changes={"test_accuracy": math.nan, "val_accuracy": None})
    with pytest.raises(AnalysisError, match="no test or validation accuracy was measured"):
        curve_frame(load_run(run))


def test_settings_that_differ_are_lines_of_their_own(tmp_path: Path) -> None:
    write_run(tmp_path / "one", TWO)
    write_run(tmp_path / "two", TWO, config_changes={"lr": 0.01})
    frame = curve_frame(load_runs([tmp_path / "one", tmp_path / "two"]))
    assert set(frame["label"]) == {f"{name} (lr {lr})" for name in TWO for lr in (0.1, 0.01)}
