from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.effects.heatmap import choose_units, heatmap_frame, is_full_precision, unit_effects
from analysis.runs.load import AnalysisError, load_run, load_runs
from lwq_tune.quantization.schedules import schedule_name
from tests.support.synthetic_networks import FULL, searched_points, write_network_run
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


def test_one_unit_alone_and_different_numbers_of_units_are_refused_with_what_draws_them(tmp_path: Path) -> None:
    one = load_run(write_network_run(tmp_path / "one", {(2,): ([0.5], 1e-6), (4,): ([0.6], 1e-6)})).trials
    with pytest.raises(AnalysisError, match="these networks have 1; `curves` and `sensitivity` draw any number"):
        heatmap_frame(one, ["test_accuracy"])
    four = load_run(write_network_run(tmp_path / "four", {(2, 2, 2, 2): ([0.5], 1e-6)})).trials
    both = pd.concat([four, load_run(write_run(tmp_path / "three")).trials], ignore_index=True)
    with pytest.raises(AnalysisError, match="these networks have 3 and 4"):
        heatmap_frame(both, ["test_accuracy"])


def test_two_units_are_a_grid_of_all_schedules(tmp_path: Path) -> None:
    points: Any = {(2, 2): ([0.5], 1e-6), (2, 4): ([0.6], 1e-6), (4, 2): ([0.7], 1e-6)}
    trials = load_run(write_network_run(tmp_path / "run", points)).trials
    frame = heatmap_frame(trials, ["test_accuracy"])
    assert frame[["bits_1", "bits_2", "n_seeds"]].to_numpy().tolist() == [[2, 2, 1], [2, 4, 1], [4, 2, 1], [4, 4, 0]]
    assert "n_configurations" not in frame


# Five units. Accuracy: 0.5 + 0.04 for each bit of unit 2, 0.02 for each of unit 5, nothing else; unit 1 has one value.
FIVE = [(3, two, three, four, five) for two in (2, 4) for three in (2, 4) for four in (2, 4) for five in (2, 4)]


def five_points() -> Any:
    return {bits: ([0.5 + 0.04 * bits[1] + 0.02 * bits[4]], 1e-6 * sum(bits)) for bits in FIVE}


def test_of_many_units_the_two_with_the_largest_effect_are_drawn_and_cells_are_means_over_the_others(
    tmp_path: Path,
) -> None:
    points = five_points() | {(FULL,) * 5: ([0.9], 5e-6)}
    trials = load_run(write_network_run(tmp_path / "run", points)).trials
    # Of the squares 0.04^2 and 0.02^2, four fifths and one fifth.
    assert unit_effects(trials, "test_accuracy") == pytest.approx((0, 0.8, 0, 0, 0.2), abs=1e-12)
    units = choose_units(trials, ["test_accuracy"])
    assert (units.rows, units.columns, units.panels) == (2, 5, None)
    frame = heatmap_frame(trials, ["test_accuracy", "emissions_kg_co2eq"], units)
    assert is_full_precision(frame).tolist() == [False] * 4 + [True]
    assert frame["n_configurations"].tolist() == [4, 4, 4, 4, 1]
    assert frame["test_accuracy"].tolist() == pytest.approx([0.62, 0.66, 0.70, 0.74, 0.9])
    # Sums of bits in a cell: 3 + own + 4, 6, 6 and 8.
    assert frame["emissions_kg_co2eq"].tolist() == pytest.approx([13e-6, 15e-6, 15e-6, 17e-6, 5e-6])
    assert frame["emissions_kg_co2eq_std"].tolist()[:4] == pytest.approx([1e-6 * math.sqrt(8 / 3)] * 4)
    assert math.isnan(frame["emissions_kg_co2eq_std"].iloc[4])


def test_units_are_asked_for_by_name_and_by_number_in_the_order_of_rows_and_columns(tmp_path: Path) -> None:
    trials = load_run(write_network_run(tmp_path / "run", five_points())).trials
    units = choose_units(trials, ["test_accuracy"], ("features.4", "1"))
    assert (units.rows, units.columns, units.effects) == (4, 1, ())
    frame = heatmap_frame(trials, ["test_accuracy"], units)
    assert frame[["bits_1", "bits_4", "n_configurations"]].to_numpy().tolist() == [[3, 2, 8], [3, 4, 8]]
    assert frame["test_accuracy"].tolist() == pytest.approx([0.68, 0.68])


def test_full_precision_in_both_drawn_units_alone_is_a_cell(tmp_path: Path) -> None:
    points: Any = {(FULL, FULL, 4, 4): ([0.6], 1e-6), (2, 2, 4, 4): ([0.5], 1e-6), (FULL,) * 4: ([0.9], 1e-6)}
    trials = load_run(write_network_run(tmp_path / "run", points)).trials
    frame = heatmap_frame(trials, ["test_accuracy"], choose_units(trials, ["test_accuracy"], ("1", "2")))
    cells = frame[~is_full_precision(frame)].set_index(["bits_1", "bits_2"])["test_accuracy"]
    assert cells[FULL, FULL] == pytest.approx(0.6)
    assert cells[2, 2] == pytest.approx(0.5)
    assert len(cells) == 4
    assert frame.loc[is_full_precision(frame), "test_accuracy"].tolist() == pytest.approx([0.9])


def test_a_configuration_without_a_figure_is_left_out_of_a_mean(tmp_path: Path) -> None:
    points: Any = {(2, 2, 2, 2): ([math.nan], 1e-6), (2, 2, 4, 4): ([0.5], 1e-6), (4, 4, 4, 4): ([math.inf], 1e-6)}
    trials = load_run(write_network_run(tmp_path / "run", points)).trials
    frame = heatmap_frame(trials, ["test_accuracy"], choose_units(trials, ["test_accuracy"], ("1", "2")))
    cells = frame.set_index(["bits_1", "bits_2"])
    assert cells.loc[(2, 2), "test_accuracy"] == 0.5
    assert math.isnan(cells.loc[(4, 4), "test_accuracy"])
    assert cells["n_configurations"].tolist() == [2, 0, 0, 1]


def test_means_over_schedules_of_different_settings_are_refused(tmp_path: Path) -> None:
    runs = [
        write_network_run(tmp_path / "a", {(2, 2, 2, 2): ([0.5], 1e-6)}),
        write_network_run(tmp_path / "b", {(2, 4, 2, 2): ([0.5], 1e-6)}, identity={"config_lr": 0.5}),
    ]
    with pytest.raises(AnalysisError, match="of one setting, these differ in lr"):
        heatmap_frame(load_runs(runs).trials, ["test_accuracy"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--units", "head", "1"], "got head; these are 1 to 14: features.1, features.2"),
        (["--units", "0", "1"], "got 0"),
        (["--units", "2", "features.2"], "two different units, got 2 and features.2"),
        (["--panels-by", "3"], "--panels-by chooses among three units that are all drawn, got 3 with 14 units"),
    ],
)
def test_units_that_cannot_be_drawn_end_the_command_in_one_line(
    tmp_path: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_network_run(tmp_path / "run", searched_points(14, 3))
    assert main(["heatmap", str(run), *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_full_precision_alone_has_no_heat_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heatmap", str(write_run(tmp_path / "run", {"full_precision": ([0.5], 1e-6)}))]) == 2
    assert "needs quantized schedules, these runs have full precision only" in capsys.readouterr().err


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
