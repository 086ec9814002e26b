"""The regression against plain least squares with an intercept per block, on a design of ten schedules."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.block_regression import PanelData, explained_by_others, within_blocks
from analysis.controls.configurations import Configurations
from analysis.controls.regression import fit, make_panel, regress

TERMS = ["order", "mean_weight_bits", "log2_bitops"]
N, N_SEEDS = 10, 3
GENERATOR = np.random.default_rng(1)
TABLE = pd.DataFrame(
    {
        "order": GENERATOR.normal(size=N),
        "mean_weight_bits": GENERATOR.normal(3, 1, N),
        "bitops": 2 ** GENERATOR.normal(20, 1, N),
        "width": 1.0,
        "group": 0,
        "is_quantized": True,
    }
)
FIGURE = GENERATOR.normal(0.8, 0.05, (N, N_SEEDS))


def panel_of(table: pd.DataFrame = TABLE, figure: np.ndarray = FIGURE) -> PanelData:
    return make_panel(Configurations(table, {"a": figure}, tuple(range(figure.shape[1]))), "a")


def test_a_table_of_terms_is_what_least_squares_and_students_t_say() -> None:
    found = fit(panel_of(), "a name").set_index("term")
    x = np.column_stack([TABLE["order"], TABLE["mean_weight_bits"], np.log2(TABLE["bitops"])])
    centred = x - x.mean(axis=0)  # every configuration has every seed: blocks change nothing
    coefficients = np.linalg.lstsq(centred, FIGURE.mean(axis=1) - FIGURE.mean())[0]
    df = N - 3 - 1
    assert list(found.index) == TERMS
    assert set(found["model"]) == {"a name"}
    assert found["unit"].tolist() == [
        "per bit that a stage has more than the one before",
        "per mean weight bit",
        "per doubling of BitOps",
    ]
    assert set(found["df"]) == {df}
    assert set(found["n_configurations"]) == {N}
    assert set(found["n_rows"]) == {N * N_SEEDS}
    for index, row in enumerate(found.to_dict("records")):
        others = np.delete(centred, index, axis=1)
        rest = centred[:, index] - others @ np.linalg.lstsq(others, centred[:, index])[0]
        share = 1 - (rest @ rest) / (centred[:, index] @ centred[:, index])
        assert row["coefficient"] == pytest.approx(coefficients[index])
        assert row["explained_by_others"] == pytest.approx(share)
        assert row["vif"] == pytest.approx(1 / (1 - share))
        reach = stats.t.isf(0.025, df) * row["std_error"]
        assert (row["low"], row["high"]) == pytest.approx((row["coefficient"] - reach, row["coefficient"] + reach))
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["coefficient"]) / row["std_error"], df))
        assert row["detectable"] == pytest.approx((stats.t.isf(0.025, df) + stats.t.ppf(0.8, df)) * row["std_error"])


def test_each_group_of_settings_takes_a_degree_of_freedom_unless_they_share_a_seed() -> None:
    groups = TABLE.assign(group=[0] * 5 + [1] * 5)
    assert set(fit(panel_of(groups), "m")["df"]) == {N - 3 - 2}
    figure = np.column_stack([FIGURE, FIGURE[:, 0]])
    figure[:5, 2:] = figure[5:, :2] = np.nan  # two halves that share no seed
    assert set(fit(panel_of(TABLE, figure), "m")["df"]) == {N - 3 - 2}
    figure[4, 2] = 0.8  # one configuration has seeds of both
    assert set(fit(panel_of(TABLE, figure), "m")["df"]) == {N - 3 - 1}


def test_schedules_that_are_alone_with_a_seed_say_nothing() -> None:
    figure = FIGURE.copy()
    figure[1:, 2] = np.nan
    panel = panel_of(TABLE, figure)
    assert len(panel.figure) == 2 * N
    assert sorted(set(panel.block)) == [0, 1]
    alone = np.full((N, N), np.nan)
    alone[np.arange(N), np.arange(N)] = 0.5
    assert len(panel_of(TABLE, alone).figure) == 0
    assert regress(panel_of(TABLE, alone)).empty
    assert list(regress(panel_of(TABLE, alone))) == list(regress(panel_of()))


def test_full_precision_is_no_schedule_and_a_width_that_varies_is_a_term() -> None:
    table = TABLE.assign(is_quantized=[False] + [True] * 9, width=[1.0] * 5 + [0.5] * 5)
    panel = panel_of(table)
    assert len(panel.terms) == N - 1
    assert list(panel.terms) == [*TERMS, "log2_width"]
    assert panel.terms["log2_width"].tolist() == [0.0] * 4 + [-1.0] * 5
    assert panel.terms["log2_bitops"].tolist() == pytest.approx(np.log2(TABLE["bitops"].iloc[1:]).tolist())
    assert panel.figure.tolist() == FIGURE[1:].ravel().tolist()
    assert panel.configuration.tolist() == np.repeat(np.arange(N - 1), N_SEEDS).tolist()
    assert panel.block.tolist() == list(range(N_SEEDS)) * (N - 1)


def test_blocks_of_two_groups_are_apart_with_the_same_seed() -> None:
    panel = panel_of(TABLE.assign(group=[0] * 5 + [1] * 5))
    assert panel.block.tolist() == [0, 1, 2] * 5 + [3, 4, 5] * 5


def test_both_models_are_fitted_with_order_first_and_order_alone_last() -> None:
    found = regress(panel_of())
    assert found["term"].tolist() == [*TERMS, "order"]
    assert found["model"].tolist() == ["order, size, BitOps"] * 3 + ["order alone"]
    assert found.index.tolist() == [0, 1, 2, 3]
    slope = np.polyfit(TABLE["order"], FIGURE.mean(axis=1), 1)[0]
    assert found.loc[3, "coefficient"] == pytest.approx(slope)
    assert (found.loc[3, "explained_by_others"], found.loc[3, "vif"], found.loc[3, "df"]) == (0.0, 1.0, N - 2)
    two = regress(panel_of(TABLE.iloc[:2], FIGURE[:2]))
    assert len(two) == 4
    assert two["df"].tolist() == [0, 0, 0, 0]
    assert two["std_error"].isna().all()


def test_without_a_degree_of_freedom_there_is_a_coefficient_and_no_interval() -> None:
    found = fit(panel_of(TABLE.iloc[:4], FIGURE[:4]), "m")
    assert found["df"].tolist() == [0, 0, 0]
    assert found["coefficient"].notna().all()
    assert found[["std_error", "low", "high", "p", "detectable"]].isna().all().all()
    one_more = fit(panel_of(TABLE.iloc[:5], FIGURE[:5]), "m")
    assert one_more["df"].tolist() == [1, 1, 1]
    assert one_more["std_error"].notna().all()


def test_a_plane_without_any_deviation_has_no_error_to_judge_by() -> None:
    figure = np.repeat(0.5 + 0.25 * TABLE["order"].to_numpy()[:, None], N_SEEDS, axis=1)
    order = fit(panel_of(TABLE, figure), "m").iloc[0]
    assert order["coefficient"] == pytest.approx(0.25)
    assert math.isnan(order["std_error"])
    assert math.isnan(order["p"])


def test_a_term_that_another_explains_has_no_coefficient_and_an_infinite_inflation() -> None:
    found = fit(panel_of(TABLE.assign(mean_weight_bits=2 * TABLE["order"] + 1)), "m").set_index("term")
    assert found.loc[["order", "mean_weight_bits"], "coefficient"].isna().all()
    assert found.loc[["order", "mean_weight_bits"], "vif"].tolist() == [math.inf, math.inf]
    assert found.loc["log2_bitops", "df"] == N - 2 - 1


def test_a_column_without_values_is_explained_and_one_that_stands_alone_is_not() -> None:
    x = np.array([1.0, -1.0, 2.0, -2.0])
    assert explained_by_others(np.column_stack([x, np.zeros(4)])).tolist() == [0.0, 1.0]
    assert explained_by_others(x[:, None]).tolist() == [0.0]
    assert explained_by_others(np.column_stack([x, 3 * x])).tolist() == pytest.approx([1.0, 1.0])
    assert explained_by_others(np.column_stack([x, np.abs(x)])).tolist() == pytest.approx([0.0, 0.0])


def test_values_within_blocks_sum_to_0_in_each_block() -> None:
    values = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0], [5.0, 7.0]])
    assert within_blocks(values, np.array([2, 2, 2, 0])).tolist() == [[-2, -10], [-1, 10], [3, 0], [0, 0]]
    assert within_blocks(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)).shape == (0, 2)
