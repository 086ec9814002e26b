"""What is known of each configuration, from trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.controls.configurations import order_over_depth, order_score, read_configurations
from analysis.runs.load import load_runs
from tests.support.synthetic_networks import write_network_run
from tests.support.synthetic_runs import change_trials, write_run


@pytest.fixture
def trials(tmp_path: Path) -> pd.DataFrame:
    wide = write_run(
        tmp_path / "wide", {"ascending_234": ([0.7, 0.8, 0.9], 2e-6), "full_precision": ([0.9, 0.95], 3e-6)}
    )
    narrow = write_run(tmp_path / "narrow", {"descending_432": ([0.5], 1e-6)}, config_changes={"width": 0.5})
    pact = write_run(tmp_path / "pact", {"fixed_3": ([0.6], 1e-6)}, config_changes={"quantizer": "pact"})
    change_trials(wide, "ascending_234", 1, test_accuracy=None)
    return load_runs([wide, narrow, pact]).trials


def test_the_table_has_a_row_per_configuration_in_order_of_appearance(trials: pd.DataFrame) -> None:
    table = read_configurations(trials, ["test_accuracy"]).table
    assert table["schedule"].tolist() == ["ascending_234", "full_precision", "descending_432", "fixed_3"]
    assert table["bit_widths"].map(tuple).tolist() == [(2, 3, 4), (32, 32, 32), (4, 3, 2), (3, 3, 3)]
    assert table["width"].tolist() == [1.0, 1.0, 0.5, 1.0]
    assert table["order"].tolist() == [1.0, 0.0, -1.0, 0.0]
    assert table["sum_of_bits"].tolist() == [9, 96, 9, 9]
    assert table["is_quantized"].tolist() == [True, False, True, True]
    groups = table["group"].tolist()
    assert groups[0] == groups[1] == groups[2] != groups[3], "the width is no setting of a group, the quantizer is one"
    # By hand, as in tests/models: 9216, 32768 and 131072 weights in the stages, 1072 in stem and classifier.
    stage_bits = 9216 * 2 + 32768 * 3 + 131072 * 4
    assert table["weight_bits"].iloc[0] == stage_bits + 1072 * 32
    assert table["mean_weight_bits"].iloc[0] == pytest.approx(stage_bits / 173_056)
    assert table["bitops"].iloc[1] == 26_657_408 * 1024
    assert "width 0.5" in table["label"].iloc[2]


def test_figures_are_by_configuration_and_seed_and_repetitions_count_by_their_mean(trials: pd.DataFrame) -> None:
    again = trials.iloc[[0]].assign(test_accuracy=0.9, val_accuracy=0.5)
    found = read_configurations(pd.concat([trials, again], ignore_index=True), ["test_accuracy", "val_accuracy"])
    assert found.seeds == (0, 1, 2)
    accuracy = found.figures["test_accuracy"]
    assert accuracy.shape == (4, 3)
    assert np.array_equal(accuracy[0], [0.8, np.nan, 0.9], equal_nan=True)
    assert np.array_equal(accuracy[1], [0.9, 0.95, np.nan], equal_nan=True)
    assert found.figures["val_accuracy"][0].tolist() == pytest.approx([0.6, 0.8, 0.9])
    assert accuracy[2:, 0].tolist() == [0.5, 0.6]


@pytest.mark.parametrize("bits", [(2, 8), (1, 2, 4, 8), (8, 2, 2, 4, 3), (2, 3, 4, 5, 6, 8)])
def test_the_order_of_bits_is_the_slope_of_a_line_through_them(bits: tuple[int, ...]) -> None:
    assert order_score(bits) == pytest.approx(np.polyfit(range(len(bits)), bits, 1)[0])


def test_the_order_of_many_units_is_the_slope_over_the_depth(tmp_path: Path) -> None:
    rising = (2,) * 7 + (4,) * 7
    run = write_network_run(tmp_path / "run", {rising: ([0.8], 1e-6), rising[::-1]: ([0.7], 1e-6)})
    found = read_configurations(load_runs([run]).trials, ["test_accuracy"])
    assert found.is_over_depth
    # Bits at the end of the line through them less those at its begin, depth from 0 to 1.
    slope = float(np.polyfit(np.linspace(0, 1, 14), rising, 1)[0])
    assert found.table["order"].tolist() == pytest.approx([slope, -slope])
    assert found.table["width"].tolist() == [1.0, 1.0]
    assert order_over_depth(range(20)) == pytest.approx(19)
