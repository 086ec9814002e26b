"""Pairs of equal cost on tables with round numbers, and their statistics against those of scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.controls.pairs import STATISTICS, excess, find_pairs, paired_statistics

LEVEL, POWER = 0.05, 0.8


def table_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return configurations that differ in everything but what is given."""
    defaults = [
        {
            "label": f"c{number}",
            "schedule": f"s{number}",
            "bit_widths": (3, 3, 3),
            "width": 1.0,
            "group": 0,
            "order": 0.0,
            "sum_of_bits": 100 + number,
            "weight_bits": 10.0**number,
            "bitops": 10.0**number,
            "is_quantized": True,
        }
        for number in range(len(rows))
    ]
    return pd.DataFrame([default | row for default, row in zip(defaults, rows, strict=True)])


def reasons_of(table: pd.DataFrame, tolerance: float = 0.02) -> dict[tuple[int, int], str]:
    pairs = find_pairs(table, tolerance)
    return {(i, j): reason for i, j, reason in zip(pairs["i"], pairs["j"], pairs["equal_in"], strict=True)}


@pytest.mark.parametrize(
    ("cost", "is_equal"), [(100.0, True), (102.0, True), (102.1, False), (98.1, True), (98.0, False)]
)
@pytest.mark.parametrize(("measure", "name"), [("weight_bits", "weight bits"), ("bitops", "BitOps")])
def test_costs_are_equal_up_to_the_tolerance_of_the_smaller_one(
    measure: str, name: str, cost: float, is_equal: bool
) -> None:
    table = table_of({measure: 100.0}, {measure: cost})
    found = find_pairs(table)
    assert found["equal_in"].tolist() == ([name] if is_equal else [])
    assert find_pairs(table, 0.0)["equal_in"].tolist() == ([name] if cost == 100 else [])
    if is_equal:
        first, second = table[measure].iloc[found["i"]].item(), table[measure].iloc[found["j"]].item()
        assert found[f"{measure}_excess"].item() == pytest.approx(first / second - 1)


@pytest.mark.parametrize(
    ("changes", "is_pair"),
    [
        ({}, True),
        ({"sum_of_bits": 10}, False),
        ({"width": 0.5}, False),
        ({"bit_widths": (3, 3, 2, 1)}, False),
        ({"group": 1}, False),
    ],
)
def test_the_same_sum_of_bits_counts_at_the_same_width_and_number_of_stages(
    changes: dict[str, Any], is_pair: bool
) -> None:
    table = table_of({"sum_of_bits": 9}, {"sum_of_bits": 9} | changes)
    assert list(reasons_of(table).values()) == (["sum of bits"] if is_pair else [])


def test_the_more_ascending_one_comes_first_then_the_one_with_more_weight_bits_then_the_first_in_the_table() -> None:
    same = {"sum_of_bits": 9, "weight_bits": 1000.0}
    assert list(reasons_of(table_of({**same, "order": -1.0}, {**same, "order": 1.0}))) == [(1, 0)]
    assert list(reasons_of(table_of({**same, "order": 1.0}, {**same, "order": -1.0}))) == [(0, 1)]
    assert list(reasons_of(table_of({**same, "weight_bits": 10.0}, same))) == [(1, 0)]
    assert list(reasons_of(table_of(same, {**same, "weight_bits": 10.0}))) == [(0, 1)]
    assert list(reasons_of(table_of(same, same, same))) == [(0, 1), (0, 2), (1, 2)]


FULL = {"schedule": "full_precision", "is_quantized": False, "bitops": 1e9}


def test_a_schedule_is_compared_with_the_full_precision_that_costs_next_more_up_to_half_more() -> None:
    table = table_of(
        {"weight_bits": 100.0}, FULL | {"weight_bits": 150.0}, FULL | {"weight_bits": 149.0, "bitops": 1e8}
    )
    found = reasons_of(table)
    assert [reason for pair, reason in found.items() if 0 in pair] == ["full precision above in weight bits"]
    assert (2, 0) in found or (0, 2) in found, "149 is next above"
    only_half_more = table_of({"weight_bits": 100.0}, FULL | {"weight_bits": 150.0})
    assert list(reasons_of(only_half_more).values()) == ["full precision above in weight bits"]
    assert not reasons_of(table_of({"weight_bits": 100.0}, FULL | {"weight_bits": 150.1}))
    assert not reasons_of(table_of({"weight_bits": 100.0}, FULL | {"weight_bits": 99.0 / 1.02}))
    assert not reasons_of(table_of({"weight_bits": 100.0, "is_quantized": False}, FULL | {"weight_bits": 150.0}))
    assert not reasons_of(table_of({"weight_bits": 100.0}, FULL | {"weight_bits": 150.0, "group": 1}))
    assert not reasons_of(table_of({"weight_bits": 100.0}, {"weight_bits": 150.0, "is_quantized": False}))


def test_where_a_full_precision_of_equal_cost_exists_none_above_is_compared() -> None:
    table = table_of(
        {"weight_bits": 100.0}, FULL | {"weight_bits": 101.0}, FULL | {"weight_bits": 120.0, "bitops": 1e8}
    )
    assert list(reasons_of(table).values()) == ["weight bits"]
    exactly = table.assign(weight_bits=[100.0, 100.0, 120.0])
    assert list(reasons_of(exactly, 0.0).values()) == ["weight bits"]
    in_bitops = table_of({"bitops": 100.0}, FULL | {"bitops": 120.0, "weight_bits": 1e6})
    assert list(reasons_of(in_bitops).values()) == ["full precision above in BitOps"]


def test_the_excess_is_that_of_the_larger_over_the_smaller_one() -> None:
    assert excess(np.array([150.0, 100.0]), np.array([100.0, 150.0])).tolist() == [0.5, 0.5]


VALUES = np.array(
    [
        [0.80, 0.83, 0.81, 0.86],
        [0.79, 0.80, 0.82, 0.80],
        [0.70, np.nan, 0.74, 0.71],
        [np.nan, 0.90, np.nan, np.nan],
        [0.60, np.nan, np.nan, np.nan],
    ]
)
FIRST, SECOND = np.array([0, 0, 1, 0, 3]), np.array([1, 2, 2, 3, 4])


def test_statistics_of_pairs_are_those_of_paired_t_tests_over_the_seeds_of_both() -> None:
    found = paired_statistics(VALUES, FIRST, SECOND)
    assert list(found) == STATISTICS
    assert found["n_seeds"].tolist() == [4, 3, 3, 1, 0]
    p_values = []
    for row in (0, 1, 2):
        both = VALUES[[FIRST[row], SECOND[row]]]
        first, second = both[:, ~np.isnan(both).any(axis=0)]
        test, df = stats.ttest_rel(first, second), len(first) - 1
        p_values.append(float(test.pvalue))
        own = found.loc[row]
        assert own["p"] == pytest.approx(test.pvalue)
        assert own[["t_low", "t_high"]].tolist() == pytest.approx(list(test.confidence_interval(1 - LEVEL)))
        together = test.confidence_interval(1 - LEVEL / 3)  # three pairs have two seeds or more
        assert own[["simultaneous_low", "simultaneous_high"]].tolist() == pytest.approx(list(together))
        difference = first - second
        assert own["std"] == pytest.approx(difference.std(ddof=1))
        assert own["cohens_dz"] == pytest.approx(difference.mean() / difference.std(ddof=1))
        error = difference.std(ddof=1) / len(first) ** 0.5
        reach = stats.t.isf(LEVEL / 2 / 3, df) + stats.t.ppf(POWER, df)
        assert own["detectable"] == pytest.approx(reach * error)
        assert own["bootstrap_low"] >= difference.min() - 1e-12
        assert own["bootstrap_high"] <= difference.max() + 1e-12
    in_order = sorted(p_values)
    steps = [
        min(1.0, max(factor * p for factor, p in zip((3, 2, 1), in_order[: n + 1], strict=False))) for n in range(3)
    ]
    assert found["p_holm"].iloc[:3].tolist() == pytest.approx([steps[in_order.index(p)] for p in p_values])


def test_with_one_shared_seed_there_is_a_difference_and_nothing_else_and_without_any_nothing() -> None:
    found = paired_statistics(VALUES, FIRST, SECOND)
    one, none = found.loc[3], found.loc[4]
    assert one["difference"] == pytest.approx(0.83 - 0.90)
    assert one.drop(["n_seeds", "difference"]).isna().all()
    assert none.drop("n_seeds").isna().all()


def test_a_spread_is_at_least_that_of_rounding_both_to_a_step_and_no_spread_at_all_has_no_interval() -> None:
    steps = np.array([[0.50, 0.75, 1.00], [0.25, 0.50, 0.75]])  # apart by one step in each seed
    found = paired_statistics(steps, np.array([0]), np.array([1])).loc[0]
    assert found["std"] == pytest.approx(0.25 / 6**0.5)
    assert found["t_high"] == pytest.approx(0.25 + stats.t.isf(0.025, 2) * 0.25 / 6**0.5 / 3**0.5)
    equal = paired_statistics(np.full((2, 3), 0.5), np.array([0]), np.array([1])).loc[0]
    assert (equal["difference"], equal["std"]) == (0.0, 0.0)
    assert equal[["t_low", "t_high", "p", "p_holm", "cohens_dz", "hedges_gz", "detectable"]].isna().all()


def test_a_full_precision_network_of_other_settings_takes_no_pair_away() -> None:
    other = FULL | {"weight_bits": 101.0, "group": 1}
    table = table_of({"weight_bits": 100.0}, FULL | {"weight_bits": 120.0, "bitops": 1e8}, other)
    assert list(reasons_of(table).values()) == ["full precision above in weight bits"]


def test_a_full_precision_network_that_costs_just_the_tolerance_more_is_equal_and_none_above_is_compared() -> None:
    table = table_of(
        {"weight_bits": 100.0}, FULL | {"weight_bits": 102.0}, FULL | {"weight_bits": 120.0, "bitops": 1e8}
    )
    assert list(reasons_of(table).values()) == ["weight bits"]
