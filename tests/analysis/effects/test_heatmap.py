from __future__ import annotations

import itertools
import math
from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.effects.heatmap import heatmap_frame
from analysis.runs.load import AnalysisError, load_run, load_runs
from lwq_tune.quantization.schedules import schedule_name
from tests.support.synthetic_runs import write_run

TRIPLES = list(itertools.product((2, 3, 4), repeat=3))


def accuracy_of(triple: tuple[int, ...]) -> float:
    return 0.01 * int("".join(map(str, triple))) / 5


def full_grid() -> dict[str, tuple[list[float], float]]:
    return {schedule_name(t): ([accuracy_of(t), accuracy_of(t) + 0.02], 1e-6 * sum(t)) for t in TRIPLES}


def frame_of(folder: Path, points: dict[str, tuple[list[float], float]], **values: object) -> pd.DataFrame:
    return heatmap_frame(load_run(write_run(folder, points, **values)).trials, ["test_accuracy", "emissions_kg_co2eq"])  # type: ignore[arg-type]


def test_every_triple_has_the_mean_of_its_seeds(tmp_path: Path) -> None:
    frame = frame_of(tmp_path / "run", full_grid())
    assert len(frame) == 27
    for row in frame.itertuples():
        triple = (row.bits_1, row.bits_2, row.bits_3)
        assert row.test_accuracy == pytest.approx(accuracy_of(triple) + 0.01)
        assert row.test_accuracy_std == pytest.approx(0.02 / math.sqrt(2))
        assert row.n_seeds == 2


def test_what_was_not_trained_has_a_cell_without_a_number(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 1e-6), "ascending_234": ([0.6], 1e-6), "full_precision": ([0.9], 1e-6)}
    frame = frame_of(tmp_path / "run", points)
    assert len(frame) == 1 * 2 * 2 * 1 * 1 + 1, "bits that a stage has, and full precision"
    assert frame["n_seeds"].tolist() == [1, 0, 0, 1, 1]
    assert frame["test_accuracy"].isna().tolist() == [False, True, True, False, False]


def test_a_figure_that_is_no_number_is_not_a_missing_schedule(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", {"fixed_2": ([0.5, math.nan], 1e-6), "fixed_3": ([math.inf], 1e-6), "fixed_4": ([0.5], 1e-6)}
    )
    frame = heatmap_frame(load_run(run).trials, ["test_accuracy"])
    known = frame[frame["n_seeds"] > 0]
    assert known["test_accuracy"].isna().tolist() == [True, True, False]


def test_other_numbers_of_stages_are_refused_with_what_draws_them(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", {"fixed_2": ([0.5], 1e-6)})).trials
    with pytest.raises(AnalysisError, match="these have 4; `curves` and `sensitivity` draw any number"):
        heatmap_frame(trials.assign(bit_widths=[(2, 2, 2, 2)]), ["test_accuracy"])


def test_several_settings_of_a_triple_are_refused(tmp_path: Path) -> None:
    points: dict[str, tuple[list[float], float]] = {"fixed_2": ([0.5], 1e-6)}
    one, two = (write_run(tmp_path / str(lr), points, config_changes={"lr": lr}) for lr in (0.1, 0.5))
    with pytest.raises(AnalysisError, match="fixed_2 \\(lr 0.1\\); fixed_2 \\(lr 0.5\\)"):
        heatmap_frame(load_runs([one, two]).trials, ["test_accuracy"])


def test_mixed_intensities_are_refused_unless_no_emissions_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = {"fixed_2": ([0.5], 1e-6), "fixed_4": ([0.6], 1e-6)}
    runs = [
        write_run(tmp_path / "a", points),
        write_run(tmp_path / "b", {"fixed_3": ([0.5], 1e-6)}, changes={"carbon_intensity_g_per_kwh": 1.0}),
    ]
    arguments = ["heatmap", *map(str, runs), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "carbon_intensity_g_per_kwh" in capsys.readouterr().err
    assert main([*arguments, "--cost", "energy"]) == 0
    assert main([*arguments, "--cost", "none"]) == 0
