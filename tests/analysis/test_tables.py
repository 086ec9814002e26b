from __future__ import annotations

import math
import statistics

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.tables import COLUMNS, FIGURES, table_over_epochs, table_over_seeds
from analysis.trials import SETTINGS

# Schedule, seed, and the figure of each of its epochs; None was not measured.
VALUES = st.one_of(st.none(), st.floats(0, 1))
TRIALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.lists(VALUES, max_size=4)), min_size=1, max_size=8
)


def make_trials(schedules: list[str], seeds: list[int], **settings: object) -> pd.DataFrame:
    constant = dict.fromkeys(SETTINGS, 1) | {"config_model": "resnet14", "config_dataset": "digits"} | settings
    frame = pd.DataFrame({"schedule": schedules, "config_seed": seeds, "family": "fixed"})
    return frame.assign(**{name: [value] * len(frame) for name, value in constant.items()})


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
    frame = frame.assign(**{name: [0.25, 0.5, 1.0] for name in FIGURES})
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
