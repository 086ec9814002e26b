"""Findings at the limits between one kind and another, from rows that are written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.controls.configurations import Configurations, order_score
from analysis.controls.findings import AdviceKind, OrderKind, PairKind, PairsKind, SizeKind, find_controls, find_in_pair
from analysis.controls.regression import ORDER_ALONE, SIZE_AND_ORDER
from analysis.findings import Finding

METRIC = "test_accuracy"
NAN = math.nan


def pair_row(**changes: Any) -> dict[str, Any]:
    return {
        "column": METRIC,
        "first_label": "one",
        "second_label": "two",
        "n_seeds": 3,
        "difference": 0.05,
        "t_low": 0.01,
        "t_high": 0.09,
        "detectable": 0.02,
        "p": 0.001,
        "p_holm": 0.01,
        "weight_bits_excess": 0.0,
        "bitops_excess": 0.0,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"n_seeds": 0}, PairKind.NO_SHARED_SEED),
        ({"n_seeds": 1}, PairKind.ONE_SHARED_SEED),
        ({"n_seeds": 2}, PairKind.FIRST_IS_HIGHER),
        ({"p": NAN, "p_holm": NAN}, PairKind.NO_SPREAD),
        ({"p_holm": 0.05}, PairKind.NO_DIFFERENCE),
        ({"p_holm": 0.0499}, PairKind.FIRST_IS_HIGHER),
        ({"p_holm": 1.0}, PairKind.NO_DIFFERENCE),
        ({"difference": -0.05}, PairKind.SECOND_IS_HIGHER),
    ],
)
def test_a_pair_is_of_the_kind_that_its_figures_say(changes: dict[str, Any], kind: PairKind) -> None:
    found = find_in_pair(pair_row(**changes), 0.02)
    assert found.kind is kind
    assert found.is_open == (kind not in (PairKind.FIRST_IS_HIGHER, PairKind.SECOND_IS_HIGHER))
    assert (found.column, found.subjects) == (METRIC, ("one", "two"))
    difference = found.estimates["difference"]
    expected = (changes.get("difference", 0.05), 0.01, 0.09, 0.02)
    assert (difference.value, difference.low, difference.high, difference.detectable) == expected


@pytest.mark.parametrize(
    ("excess", "difference", "expected"),
    [
        (0.02, 0.05, None),
        (0.021, 0.05, 0.021),
        (-0.5, 0.05, -0.5),
        (0.25, -0.05, -0.2),
        (-0.5, -0.05, 1.0),
        (1 / 1.02 - 1, 0.05, None),
        (1 / 1.03 - 1, 0.05, 1 / 1.03 - 1),
        (0.25, 0.0001, 0.25),
    ],
)
@pytest.mark.parametrize("measure", ["weight_bits", "bitops"])
def test_what_the_higher_one_costs_more_is_said_beyond_the_tolerance(
    measure: str, excess: float, difference: float, expected: float | None
) -> None:
    found = find_in_pair(pair_row(difference=difference, **{f"{measure}_excess": excess}), 0.02)
    assert set(found.estimates) == ({"difference"} if expected is None else {"difference", measure})
    if expected is not None:
        assert found.estimates[measure].value == pytest.approx(expected)
    same = find_in_pair(pair_row(p_holm=0.5, difference=difference, **{f"{measure}_excess": excess}), 0.02)
    assert set(same.estimates) == {"difference"}, "none is higher"


def pairs_of(*rows: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame["finding"] = pd.Series([find_in_pair(row, 0.02) for row in rows], dtype=object)
    return frame


def configurations_of(
    *schedules: tuple[int, ...], n_seeds: int = 3, quantized: list[bool] | None = None
) -> Configurations:
    table = pd.DataFrame(
        {
            "bit_widths": schedules,
            "order": [order_score(bits) for bits in schedules],
            "mean_weight_bits": [float(np.dot(bits, 4.0 ** np.arange(len(bits)))) for bits in schedules],
            "bitops": [sum(bit**2 for bit in bits) for bits in schedules],
            "is_quantized": quantized or [True] * len(schedules),
        }
    )
    return Configurations(table, {}, tuple(range(n_seeds)))


SCHEDULES = ((2, 3, 4), (4, 3, 2), (3, 3, 3), (2, 4, 3), (4, 2, 3))


def term(name: str, model: str = SIZE_AND_ORDER, **changes: Any) -> dict[str, Any]:
    return {
        "model": model,
        "term": name,
        "coefficient": 0.01,
        "std_error": 0.002,
        "low": 0.005,
        "high": 0.015,
        "p": 0.01,
        "detectable": 0.006,
        "explained_by_others": 0.5,
        "vif": 2.0,
        "n_configurations": 5,
        **changes,
    }


def regression_of(order: dict[str, Any], size: dict[str, Any] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        [
            term("order", **order),
            term("mean_weight_bits", **(size or {})),
            term("log2_bitops"),
            term("order", ORDER_ALONE, coefficient=0.03, low=0.02, high=0.04),
        ]
    )


def findings_of(
    regression: pd.DataFrame, configurations: Configurations | None = None, metric: str = METRIC
) -> list[Finding[Any]]:
    """Return what is found beside pairs."""
    found = configurations or configurations_of(*SCHEDULES)
    return find_controls(found, pairs_of(pair_row()), regression, metric, 0.02)[1:]


@pytest.mark.parametrize(
    ("rows", "kind", "counts"),
    [
        ([{"p": NAN, "p_holm": NAN}], PairsKind.NONE_TESTED, {"pairs": 1, "tested": 0, "different": 0}),
        ([{"p_holm": 0.05}], PairsKind.NONE_DIFFERS, {"pairs": 1, "tested": 1, "different": 0}),
        (
            [{}, {"p_holm": 0.05}, {"p": NAN, "p_holm": NAN}],
            PairsKind.SOME_DIFFER,
            {"pairs": 3, "tested": 2, "different": 1, "higher_with_more_weight_bits": 0, "equal_in_both": 1},
        ),
        (
            [
                {"weight_bits_excess": 0.5},
                {"weight_bits_excess": -0.5, "difference": -0.05},
                {"weight_bits_excess": -0.5},
                {"bitops_excess": 0.5},
                {"weight_bits_excess": 0.02},
                {},
            ],
            PairsKind.SOME_DIFFER,
            {"pairs": 6, "tested": 6, "different": 6, "higher_with_more_weight_bits": 2, "equal_in_both": 2},
        ),
    ],
)
def test_pairs_are_counted_by_what_they_say(
    rows: list[dict[str, Any]], kind: PairsKind, counts: dict[str, int]
) -> None:
    pairs = pairs_of(*(pair_row(**row) for row in rows))
    found = find_controls(configurations_of(*SCHEDULES), pairs, regression_of({}), METRIC, 0.02)[0]
    assert (found.kind, found.counts, found.column) == (kind, counts, METRIC)
    assert found.is_open == (kind is not PairsKind.SOME_DIFFER)
    assert found.estimates["tolerance"].value == 0.02
    assert ("difference" in found.estimates) == (kind is not PairsKind.NONE_TESTED)


def test_pairs_that_differ_are_parts_the_surest_first_and_the_median_is_over_those_that_were_tested() -> None:
    rows = [
        pair_row(p=0.004, detectable=0.1),
        pair_row(p=0.002, first_label="sure", detectable=0.3),
        pair_row(p=0.5, p_holm=0.5, detectable=0.5),
        pair_row(p=NAN, p_holm=NAN, detectable=9.0),
    ]
    found = find_controls(configurations_of(*SCHEDULES), pairs_of(*rows), regression_of({}), METRIC, 0.02)[0]
    assert [part.subjects[0] for part in found.parts] == ["sure", "one"]
    assert found.estimates["difference"].detectable == 0.3
    assert math.isnan(found.estimates["difference"].value)


def test_without_a_regression_nothing_is_compared() -> None:
    (found,) = findings_of(regression_of({}).iloc[:0])
    assert (found.kind, found.is_open, found.column) == (OrderKind.NOT_COMPARED, True, METRIC)


@pytest.mark.parametrize(("p", "kind"), [(0.0499, OrderKind.HAS_EFFECT), (0.05, OrderKind.NO_EFFECT)])
def test_order_has_an_effect_below_5_percent(p: float, kind: OrderKind) -> None:
    order, size = findings_of(regression_of({"p": p}))
    assert (order.kind, order.is_open, order.column) == (kind, kind is OrderKind.NO_EFFECT, METRIC)
    assert order.counts == {"configurations": 5, "terms": 3}
    estimate = order.estimates["order"]
    assert (estimate.value, estimate.low, estimate.high, estimate.detectable) == (0.01, 0.005, 0.015, 0.006)
    assert (order.estimates["explained_by_others"].value, order.estimates["vif"].value) == (0.5, 2.0)
    assert size.estimates["order_alone"].value == 0.03


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"p": 0.0499}, SizeKind.HAS_EFFECT),
        ({"p": 0.05}, SizeKind.NO_EFFECT),
        ({"std_error": NAN, "p": NAN}, SizeKind.NOT_SEPARABLE),
    ],
)
def test_size_has_an_effect_below_5_percent_where_it_can_be_told_from_the_rest(
    changes: dict[str, Any], kind: SizeKind
) -> None:
    size = findings_of(regression_of({}, changes))[1]
    assert (size.kind, size.is_open, size.column) == (kind, kind is not SizeKind.HAS_EFFECT, METRIC)
    assert size.estimates["mean_weight_bits"].value == 0.01


@pytest.mark.parametrize(("vif", "is_said"), [(5.0, False), (5.01, True)])
def test_that_other_terms_explain_most_of_order_is_said_above_a_variance_inflation_of_5(
    vif: float, is_said: bool
) -> None:
    found = findings_of(regression_of({"vif": vif}))
    kinds = [OrderKind.HAS_EFFECT, SizeKind.HAS_EFFECT] + [OrderKind.OVERLAPS_OTHER_TERMS] * is_said
    assert [each.kind for each in found] == kinds
    assert found[-1].is_open == is_said
    if is_said:
        assert found[-1].parts[0].kind is AdviceKind.ADD_SCHEDULES


def test_with_one_seed_more_are_advised() -> None:
    one = findings_of(regression_of({}), configurations_of(*SCHEDULES, n_seeds=1))
    assert (one[-1].kind, one[-1].is_open, one[-1].column) == (AdviceKind.MORE_SEEDS, True, METRIC)
    assert len(one) == 3
    assert len(findings_of(regression_of({}), configurations_of(*SCHEDULES, n_seeds=2))) == 2


NO_ERROR = {"std_error": NAN, "detectable": NAN, "p": NAN}


@pytest.mark.parametrize(
    ("order", "schedules", "kind"),
    [
        (NO_ERROR, ((3, 3, 3), (2, 2, 2)), OrderKind.SAME_ORDER),
        (NO_ERROR | {"n_configurations": 3}, SCHEDULES, OrderKind.TOO_FEW_SCHEDULES),
        (NO_ERROR | {"explained_by_others": 1 - 1e-6}, SCHEDULES, OrderKind.GOES_WITH_OTHER_TERMS),
        (NO_ERROR | {"n_configurations": 4}, SCHEDULES, OrderKind.NO_DEGREE_OF_FREEDOM),
        ({"detectable": 1.0}, SCHEDULES, OrderKind.INTERVAL_TOO_WIDE),
        ({"detectable": 0.999}, SCHEDULES, OrderKind.HAS_EFFECT),
    ],
)
def test_why_order_cannot_be_told_from_size(
    order: dict[str, Any], schedules: tuple[tuple[int, ...], ...], kind: OrderKind
) -> None:
    found = findings_of(regression_of(order), configurations_of(*schedules))
    assert found[0].kind is kind
    if kind is not OrderKind.HAS_EFFECT:
        assert len(found) == 1
        assert (found[0].is_open, found[0].column) == (True, METRIC)
        assert found[0].subjects == ("mean_weight_bits", "log2_bitops")
        assert found[0].parts[0].is_open


def test_an_interval_wider_than_1_says_something_on_a_loss() -> None:
    found = findings_of(regression_of({"detectable": 1.5}), metric="test_loss")
    assert found[0].kind is OrderKind.HAS_EFFECT


def test_correlations_are_those_over_quantized_configurations_and_left_out_where_one_is_constant() -> None:
    schedules = (*SCHEDULES, (32, 32, 32))
    found = findings_of(regression_of({}), configurations_of(*schedules, quantized=[True] * 5 + [False]))[0]
    order = [1.0, -1.0, 0.0, 0.5, -0.5]
    sizes, bitops = [2 + 12 + 64, 4 + 12 + 32, 63, 2 + 16 + 48, 4 + 8 + 48], [29, 29, 27, 29, 29]
    assert found.estimates["correlation_mean_weight_bits"].value == pytest.approx(np.corrcoef(order, sizes)[0, 1])
    assert found.estimates["correlation_bitops"].value == pytest.approx(np.corrcoef(order, bitops)[0, 1], abs=1e-12)
    constant = findings_of(regression_of({}), configurations_of((2, 3, 4), (4, 3, 2), (2, 4, 3)))[0]
    assert "correlation_bitops" not in constant.estimates
    assert "correlation_mean_weight_bits" in constant.estimates


def test_schedules_of_different_networks_are_advised_to_be_of_one() -> None:
    found = findings_of(regression_of(NO_ERROR), configurations_of((2, 3, 4), (4, 3, 2), (2, 3)))
    (advice,) = found[0].parts
    assert (advice.kind, advice.is_open) == (AdviceKind.ONE_NETWORK, True)
