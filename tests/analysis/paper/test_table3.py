from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.paper.published import paper_table
from analysis.paper.table3 import COLUMNS, FIGURES, compare_with_paper, table_over_epochs, table_over_seeds
from analysis.runs.keys import SETTINGS, number_configurations
from analysis.runs.load import load_run, read_epochs
from tests.support.synthetic_runs import write_run

# Schedule, seed, and the figure of each of its epochs; None was not measured.
VALUES = st.one_of(st.none(), st.floats(0, 1))
TRIALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.lists(VALUES, max_size=4)), min_size=1, max_size=8
)


def make_trials(schedules: list[str], seeds: list[int], **settings: object) -> pd.DataFrame:
    constant = dict.fromkeys(SETTINGS, 1) | {"config_model": "resnet14", "config_dataset": "digits"} | settings
    frame = pd.DataFrame({"schedule": schedules, "config_seed": seeds, "family": "fixed"})
    return number_configurations(frame.assign(**{name: [value] * len(frame) for name, value in constant.items()}))


def expected_cell(values: list[float | None], factor: float, style: str) -> str:
    if any(value is None for value in values):
        return "not measured"
    scaled = [float(value) * factor for value in values if value is not None]
    mean = format(statistics.fmean(scaled), style)
    return mean if len(scaled) < 2 else f"{mean} ± {statistics.stdev(scaled):{style}}"


def assert_same_cell(cell: str, expected: str, style: str) -> None:
    """Compare figures to a unit of their last printed place, where two ways to add up may differ."""
    got, wanted = cell.split(" ± "), expected.split(" ± ")
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        if "not measured" in (one, other):
            assert one == other
        else:
            assert float(one) == pytest.approx(float(other), rel=2e-3 if "e" in style else 0, abs=0.011)


@settings(max_examples=25)
@given(TRIALS)
def test_a_cell_is_the_mean_and_spread_of_all_epochs_of_a_schedule(
    trials: list[tuple[str, int, list[float | None]]],
) -> None:
    frame = make_trials([name for name, _, _ in trials], [seed for _, seed, _ in trials])
    pairs = [(index, value) for index, (_, _, values) in enumerate(trials) for value in values]
    figures = [math.nan if value is None else value for _, value in pairs]
    epochs = pd.DataFrame(dict.fromkeys(FIGURES, figures), index=[index for index, _ in pairs], dtype=float)
    table = table_over_epochs(frame, epochs)
    pooled: dict[str, list[float | None]] = {}
    for name, _, values in trials:
        pooled.setdefault(name, []).extend(values)
    trained = {name: values for name, values in pooled.items() if values}
    if not trained:
        assert table.empty
        return
    assert table["Method"].tolist() == list(trained)
    assert table["n epochs"].tolist() == [str(len(values)) for values in trained.values()]
    for title, factor, style in COLUMNS.values():
        for cell, values in zip(table[title], trained.values(), strict=True):
            assert_same_cell(cell, expected_cell(values, factor, style), style)


def test_configurations_that_differ_in_a_setting_are_apart_and_the_setting_is_shown() -> None:
    frame = make_trials(["a", "a", "b"], [0, 0, 0]).assign(config_lr=[0.1, 0.01, 0.1], config_quantizer="lsq")
    frame = number_configurations(frame).assign(**{name: [0.25, 0.5, 1.0] for name in FIGURES})
    table = table_over_seeds(frame)
    assert table[["Method", "lr", "Test accuracy %", "n seeds"]].to_numpy().tolist() == [
        ["a", "0.1", "25.00", "1"],
        ["a", "0.01", "50.00", "1"],
        ["b", "0.1", "100.00", "1"],
    ]
    assert "quantizer" not in table


def test_the_folder_of_a_data_set_is_not_shown() -> None:
    frame = make_trials(["a"], [0], config_dataset="/somewhere/cifar10").assign(**dict.fromkeys(FIGURES, 0.5))
    assert table_over_seeds(frame)["Data set"].tolist() == ["cifar10"]


def test_a_seed_that_was_trained_twice_counts_once() -> None:
    frame = make_trials(["a", "a", "a"], [0, 0, 1]).assign(**{name: [0.2, 0.4, 0.5] for name in FIGURES})
    table = table_over_seeds(frame)
    assert table["n seeds"].tolist() == ["2"]
    assert table["Test accuracy %"].tolist() == ["40.00 ± 14.14"]


def test_the_papers_table_is_as_printed() -> None:
    table = paper_table().set_index(["dataset", "method", "column"])
    assert table.loc[("cifar100", "Fixed Bit", "energy_kwh")].tolist() == [8.48e-6, 3.66e-6]
    assert table.loc[("cifar10", "Ascending", "train_loss")].tolist() == [0.2390, 0.1535]
    assert table.loc[("cifar100", "Descending", "test_accuracy")].tolist() == [0.5115, 0.0636]
    # In 7 of 8 lines emissions are CodeCarbon's 0.33 kg/kWh of Italy times the energy: kWh and kg, as assumed.
    means = table["paper_mean"].unstack("column")
    ratios = means["emissions_kg_co2eq"] / means["energy_kwh"]
    assert sorted((ratios - 0.331).abs() < 0.003) == [False] + [True] * 7


def test_ours_stands_beside_the_paper_in_its_convention(tmp_path: Path) -> None:
    points = {"full_precision": ([0.90], 2e-6), "fixed_2": ([0.70], 3e-6), "mixed_242": ([0.8], 1e-6)}
    runs = load_run(write_run(tmp_path / "run", points, config_changes={"dataset": "/data/CIFAR-10"}))
    comparison = compare_with_paper(runs.trials, read_epochs(runs.trials, FIGURES)).set_index(["schedule", "column"])
    assert len(comparison) == 2 * len(FIGURES)
    row = comparison.loc[("fixed_2", "test_accuracy")]
    # Epochs 1 and 2 have 35 and 70 %.
    assert row[["method", "paper_mean", "mean"]].tolist() == ["Fixed Bit", pytest.approx(0.8426), pytest.approx(0.525)]
    assert row["ratio"] == pytest.approx(0.525 / 0.8426)
    energy = comparison.loc[("fixed_2", "energy_kwh")]
    assert energy["mean"] == pytest.approx(3e-6), "3 mg at 0.5 kg/kWh over two epochs"
    assert energy["to_full_precision"] == pytest.approx(1.5)
    assert energy["paper_to_full_precision"] == pytest.approx(5.10 / 7.28)


@pytest.mark.parametrize(
    ("points", "config", "message"),
    [
        ({"fixed_2": ([0.5], 1e-6)}, {}, "this run is of digits"),
        ({"fixed_2": ([0.5], 1e-6)}, {"dataset": "svhn"}, "this run is of svhn"),
        ({"mixed_242": ([0.5], 1e-6)}, {"dataset": "cifar10"}, "no schedule of this run is one of the paper's"),
        ({"fixed_2": ([0.5], 1e-6)}, {"dataset": "cifar10", "act_bit_widths": (8, 8, 8)}, "no schedule of this run"),
    ],
)
def test_what_is_not_in_the_paper_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], points: Any, config: dict[str, Any], message: str
) -> None:
    run = write_run(tmp_path / "run", points, config_changes=config)
    assert main(["table", str(run)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "no comparison" in line]
    assert message in line
    assert not (run / "analysis" / "table_against_paper.csv").exists()


def test_the_table_prints_the_paper_and_what_it_leaves_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", config_changes={"dataset": "cifar100"})
    assert main(["table", str(run)]) == 0
    out = capsys.readouterr().out
    assert "54.75 ± 7.19" in out
    assert "2.730e-06 ± 1.270e-06" in out
    assert "400 epochs" in out
    assert "ours: 2 epochs" in out
    assert "does not say what one time, energy and emission cover" in out
    assert len(pd.read_csv(run / "analysis" / "table_against_paper.csv")) == 4 * len(FIGURES)
