from __future__ import annotations

from random import Random

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.fronts.pareto import (
    _front_by_sorting,
    hypervolume,
    is_nondominated,
    knee_point,
    pareto_front,
    pareto_rank,
    reference_point,
    to_costs,
)
from analysis.runs.load import AnalysisError, Objective

ACCURACY = Objective("test_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
# Few distinct values, so that ties and duplicates are common.
CLOUDS = st.integers(2, 3).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 4).map(float), min_size=n, max_size=n), min_size=1, max_size=15)
)

# Ties, duplicates, infinities, both zeros, and plain numbers, one point or more.
COST = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1.0, 2.0, np.inf]) | st.floats(allow_nan=False, width=16)
PAIRS = st.lists(st.tuples(COST, COST), min_size=1, max_size=30)


def dominates(a: list[float], b: list[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@given(CLOUDS)
def test_the_front_is_what_nothing_dominates(points: list[list[float]]) -> None:
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert is_nondominated(np.array(points)).tolist() == expected


@given(CLOUDS)
def test_ranks_are_fronts_peeled_off_one_by_one(points: list[list[float]]) -> None:
    left, expected, rank = set(range(len(points))), [0] * len(points), 1
    while left:
        front = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        for index in front:
            expected[index] = rank
        left -= front
        rank += 1
    assert pareto_rank(np.array(points)).tolist() == expected


@given(CLOUDS, st.randoms(use_true_random=False))
def test_order_does_not_matter(points: list[list[float]], random: Random) -> None:
    order = random.sample(range(len(points)), len(points))
    costs = np.array(points)
    assert is_nondominated(costs)[order].tolist() == is_nondominated(costs[order]).tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_hypervolume_counts_the_dominated_unit_squares(points: list[tuple[int, int]]) -> None:
    covered = sum(any(x <= column and y <= row for x, y in points) for column in range(6) for row in range(6))
    assert hypervolume(np.array(points, dtype=float), np.array([6.0, 6.0])) == pytest.approx(covered)


def test_the_reference_point_lies_beyond_the_worst() -> None:
    costs = np.array([[-0.9, 1.0], [-0.5, 3.0]])
    assert reference_point(costs) == pytest.approx([-0.46, 3.2])


def test_the_front_of_a_known_table() -> None:
    frame = pd.DataFrame(
        {
            "schedule": ["a", "b", "c", "d"],
            "test_accuracy": [0.9, 0.8, 0.8, 0.7],
            "emissions_kg_co2eq": [3.0, 1.0, 1.0, 2.0],
        }
    )
    front = pareto_front(frame, [ACCURACY, EMISSIONS]).set_index("schedule")
    assert front["on_front"].to_dict() == {"a": True, "b": True, "c": True, "d": False}
    assert front["rank"].to_dict() == {"a": 1, "b": 1, "c": 1, "d": 2}


def test_what_was_not_measured_has_no_rank() -> None:
    frame = pd.DataFrame({"test_accuracy": [0.9, 0.99], "emissions_kg_co2eq": [1.0, np.nan]})
    front = pareto_front(frame, [ACCURACY, EMISSIONS])
    unmeasured = front[front["emissions_kg_co2eq"].isna()].iloc[0]
    assert not unmeasured["on_front"]
    assert pd.isna(unmeasured["rank"])
    with pytest.raises(AnalysisError, match="none has them measured in every seed"):
        pareto_front(frame.iloc[[1]], [ACCURACY, EMISSIONS])


@pytest.mark.parametrize("lacking", ["test_accuracy", "val_accuracy"])
def test_a_configuration_needs_the_figures_that_decide_and_those_that_are_reported(lacking: str) -> None:
    frame = pd.DataFrame({"test_accuracy": [0.9, 0.99], "val_accuracy": [0.9, 0.99], "emissions_kg_co2eq": [1.0, 1.0]})
    frame.loc[1, lacking] = np.nan
    front = pareto_front(frame, [ACCURACY, EMISSIONS], [Objective("val_accuracy", "maximize"), EMISSIONS])
    assert front["on_front"].tolist() == [True, False]
    assert front["rank"].isna().tolist() == [False, True]


def test_signs_are_flipped_once() -> None:
    frame = pd.DataFrame({"test_accuracy": [0.9], "emissions_kg_co2eq": [2.0]})
    assert to_costs(frame, [ACCURACY, EMISSIONS]).tolist() == [[-0.9, 2.0]]


@given(PAIRS)
def test_the_sort_based_front_is_that_of_moocore_and_of_comparing_all_pairs(points: list[tuple[float, float]]) -> None:
    costs = np.array(points)
    expected = [not any(dominates(list(other), list(point)) for other in points) for point in points]
    assert _front_by_sorting(costs[:, 0], costs[:, 1]).tolist() == expected
    assert is_nondominated(costs).tolist() == expected
    assert moocore.is_nondominated(costs, keep_weakly=True).tolist() == expected


@pytest.mark.parametrize("kind", ["uniform", "all on the front", "few values", "one value"])
def test_large_fronts_are_those_of_moocore(kind: str) -> None:
    generator = np.random.default_rng(0)
    costs = generator.random((5000, 2))
    if kind == "all on the front":
        costs[:, 1] = 1 - costs[:, 0]
    elif kind == "few values":
        costs = np.round(costs, 1)
    elif kind == "one value":
        costs[:] = 1.0
    assert (is_nondominated(costs) == moocore.is_nondominated(costs, keep_weakly=True)).all()


def test_what_is_no_number_is_refused_and_no_points_have_no_front() -> None:
    with pytest.raises(ValueError, match="got NaN in 1 points"):
        is_nondominated(np.array([[0.0, np.nan], [1.0, 1.0]]))
    assert is_nondominated(np.zeros((0, 2))).tolist() == []
    assert pareto_rank(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize("n", [1, 3000])
def test_with_one_objective_the_front_is_the_least_cost(n: int) -> None:
    costs = np.arange(float(n))[::-1, None] // 2
    assert is_nondominated(costs).tolist() == (costs[:, 0] == 0).tolist()


@pytest.mark.parametrize("n_objectives", [2, 3])
@pytest.mark.parametrize("n", [3, 300, 3000])
def test_infinities_are_costs_and_nan_is_none_whatever_the_number_of_points(n: int, n_objectives: int) -> None:
    costs = np.random.default_rng(0).random((n, n_objectives))
    costs[0], costs[1, 0], costs[2] = np.inf, -np.inf, 1.7e308  # finite, but two of them overflow in a sum
    assert is_nondominated(costs)[:3].tolist() == [False, True, False]
    costs[n // 2, -1] = np.nan
    with pytest.raises(ValueError, match="got NaN in 1 points"):
        is_nondominated(costs)


def test_the_knee_is_farthest_from_the_line_between_the_extremes() -> None:
    # Scaled: (0, 1), (0.2, 0.5), (0.5, 0.1), (1, 0); 1 - sum is 0, 0.3, 0.4, 0.
    front = np.array([[0.0, 100.0], [2.0, 50.0], [5.0, 10.0], [10.0, 0.0]])
    assert knee_point(front) == 2
    assert knee_point(front[::-1] * [3.0, 0.5] - 7.0) == 1, "units and order do not matter"
    bulging_away = np.array([[0.0, 1.0], [0.9, 0.9], [1.0, 0.0]])
    assert knee_point(bulging_away) is None
    assert knee_point(front[:2]) is None
    level = np.column_stack([front, np.full(4, 7.0)])  # nothing lies between ideal and nadir on the third axis
    assert knee_point(level) == 2
    cube = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.2, 0.2, 0.2]])
    assert knee_point(cube) == 3


def test_other_figures_may_decide_than_are_reported() -> None:
    frame = pd.DataFrame(
        {
            "schedule": ["lucky", "good"],
            "family": ["fixed", "ascending"],
            "test_accuracy": [0.9, 0.8],
            "val_accuracy": [0.7, 0.85],
            "emissions_kg_co2eq": [1.0, 1.0],
        }
    )
    by_validation = [Objective("val_accuracy", "maximize"), EMISSIONS]
    front = pareto_front(frame, [ACCURACY, EMISSIONS], by_validation).set_index("schedule")
    assert front["on_front"].to_dict() == {"good": True, "lucky": False}
    assert front["rank"].to_dict() == {"good": 1, "lucky": 2}
    assert front["on_family_front"].all(), "each is alone in its family"
    assert not front["is_knee"].any()


def test_rows_are_ordered_by_rank_then_by_the_first_reported_cost_and_keep_their_index_and_columns() -> None:
    frame = pd.DataFrame(
        {
            "note": list("abcdefg"),
            "emissions_kg_co2eq": [9.0, 5.0, 1.0, 2.0, np.nan, 6.0, 7.0],
            "family": ["x", "x", "x", "y", "y", "y", "x"],
            "test_accuracy": [0.9, 0.8, 0.5, 0.5, 0.99, 0.9, np.nan],
            "schedule": list("ABCDEFG"),
        },
        index=range(10, 17),
    )
    front = pareto_front(frame, [ACCURACY, EMISSIONS])
    leading = ["schedule", "family", "on_front", "rank"]
    assert list(front) == [*leading, "note", "emissions_kg_co2eq", "test_accuracy", "on_family_front", "is_knee"]
    assert front["schedule"].tolist() == ["F", "B", "C", "A", "D", "E", "G"]
    assert front.index.tolist() == [15, 11, 12, 10, 13, 14, 16]
    assert front["rank"].tolist()[:5] == [1, 1, 1, 2, 2]
    assert front["rank"].isna().tolist() == [False] * 5 + [True, True]
    assert front["on_front"].tolist() == [True, True, True, False, False, False, False]
    assert front["on_family_front"].tolist() == [True, True, True, True, True, False, False]
    # Scaled to the front: F (0, 1), B (0.25, 0.8), C (1, 0): none lies below the line by more than rounding.
    assert not front["is_knee"].any()
    bulging = pareto_front(frame.assign(test_accuracy=[0.9, 0.85, 0.5, 0.5, 0.99, 0.9, np.nan]), [ACCURACY, EMISSIONS])
    assert bulging.loc[bulging["is_knee"], "schedule"].tolist() == ["B"]
