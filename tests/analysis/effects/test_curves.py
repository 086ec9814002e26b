from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.effects.curves import curve_frame
from analysis.figures.curves import curve_note, draw_curves
from analysis.runs.load import AnalysisError, load_run, load_runs
from tests.support.synthetic_runs import POINTS, write_run

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
    labels = [axes.get_ylabel() for axes in draw_curves(frame).axes]
    assert labels == ["training accuracy (%)", "training loss", "validation accuracy (%)", "validation loss"]


def test_without_any_accuracy_nothing_is_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO, changes={"test_accuracy": math.nan, "val_accuracy": None})
    with pytest.raises(AnalysisError, match="no test or validation accuracy was measured"):
        curve_frame(load_run(run))


def test_settings_that_differ_are_lines_of_their_own(tmp_path: Path) -> None:
    write_run(tmp_path / "one", TWO)
    write_run(tmp_path / "two", TWO, config_changes={"lr": 0.01})
    frame = curve_frame(load_runs([tmp_path / "one", tmp_path / "two"]))
    assert set(frame["label"]) == {f"{name} (lr {lr})" for name in TWO for lr in (0.1, 0.01)}


def test_lines_are_told_apart_without_colour(tmp_path: Path) -> None:
    points = dict.fromkeys(
        ["full_precision", "fixed_2", "fixed_3", "fixed_4", "ascending_234", "descending_432"], ([0.5], 1e-6)
    )
    (legend,) = draw_curves(curve_frame(load_run(write_run(tmp_path / "run", points)))).legends
    looks = {
        (str(line.get_marker()), line.get_markerfacecolor() == "white", str(line._unscaled_dash_pattern))
        for line in legend.get_lines()
    }
    assert len(looks) == len(points)


def test_bands_are_drawn_over_seeds_only(tmp_path: Path) -> None:
    several = curve_frame(load_run(write_run(tmp_path / "several", TWO)))
    one = curve_frame(load_run(write_run(tmp_path / "one", {"fixed_2": ([0.5], 1e-6)})))
    assert all(len(axes.collections) == 2 for axes in draw_curves(several).axes)
    assert not any(axes.collections for axes in draw_curves(one).axes)
    assert "band: least to greatest over seeds" in curve_note(several, "range")
    assert "standard deviation" in curve_note(several, "std")
    assert "One seed" in curve_note(one, "range")


def test_a_std_band_is_one_standard_deviation(tmp_path: Path) -> None:
    frame = curve_frame(load_run(write_run(tmp_path / "run", {"fixed_2": ([0.4, 0.6], 1e-6)})))
    (band,) = draw_curves(frame, band="std").axes[2].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(0.5 + 0.1 * math.sqrt(2))


def test_many_schedules_are_coloured_by_family(tmp_path: Path) -> None:
    bits = [(a, b, c) for a in (2, 3, 4) for b in (2, 3, 4) for c in (2, 3, 4) if b < a and b < c]
    points = (
        {f"mixed_{a}{b}{c}": ([0.5, 0.6], 1e-6) for a, b, c in bits}
        | POINTS
        | dict.fromkeys(["fixed_3", "fixed_4"], ([0.5], 1e-6))
    )
    frame = curve_frame(load_run(write_run(tmp_path / "run", points)))
    figure = draw_curves(frame)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "full precision",
        "fixed",
        "ascending",
        "descending",
        "mixed",
    ]
    assert len(figure.axes[0].lines) == len(points)
    assert "1-2 seeds" in curve_note(frame, "range")


def test_the_command_writes_files_for_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", TWO)
    assert main(["curves", str(run), "--width-in", "7"]) == 0
    out = run / "analysis"
    assert capsys.readouterr().out.split()[-1] == str(out / "curves.png")
    pdf = (out / "curves.pdf").read_bytes()
    assert b"/FontFile2" in pdf, "TrueType fonts are embedded"
    assert b"/Type3" not in pdf
    assert 'width="504pt"' in (out / "curves.svg").read_text()
    assert re.search(r"measured:rapl-package", (out / "curves.svg").read_text())
    with Image.open(out / "curves.png") as image:
        assert image.width == 2100
    assert len(pd.read_csv(out / "curves.csv")) == len(TWO) * 2 * 2 * 2


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO)
    for out in ("a", "b"):
        assert main(["curves", str(run), "--out", str(tmp_path / out)]) == 0
    for suffix in ("svg", "pdf", "png"):
        assert (tmp_path / "a" / f"curves.{suffix}").read_bytes() == (tmp_path / "b" / f"curves.{suffix}").read_bytes()


@pytest.mark.parametrize("command", ["curves", "heatmap", "sensitivity", "ledgers", "table"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"points": {}}, "got none at all"),
        ({"changes": {"status": "failed"}}, "got 8 failed"),
        ({"changes": {"status": "pending"}}, "got 8 pending"),
    ],
)
def test_a_run_without_finished_trials_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, how: dict[str, Any], message: str
) -> None:
    run = write_run(tmp_path / "run", **how)
    assert main([command, str(run)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (run / "analysis").exists()


@pytest.mark.parametrize("command", ["curves", "heatmap", "sensitivity"])
def test_several_data_sets_are_not_one_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", config_changes={"dataset": "cifar10"})]
    assert main([command, *map(str, runs), "--out", str(tmp_path / "out")]) == 2
    assert "cifar10, digits" in capsys.readouterr().err


@pytest.mark.parametrize("width", ["1", "100"])
def test_a_width_that_no_page_has_is_refused(tmp_path: Path, width: str) -> None:
    with pytest.raises(SystemExit):
        main(["curves", str(tmp_path), "--width-in", width])
