"""Differences between configurations against paired and independent t tests of scipy and of arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from analysis.fronts.replicates import Replicates
from analysis.uncertainty import differences
from analysis.uncertainty.differences import statistics

Array = np.ndarray
N, N_SEEDS, N_OBJECTIVES = 4, 5, 2
COSTS = np.random.default_rng(3).normal(size=(N, N_SEEDS, N_OBJECTIVES))
MARGINS = np.array([0.125, 0.0])


def all_of(costs: Array, spread: str = "separate", margins: Array = MARGINS, **changes: object) -> tuple[Array, Array]:
    """Return t (n, n, m) and the degrees of freedom (n, n) of all configurations."""
    replicates = Replicates(costs, np.zeros(costs.shape[2], dtype=bool), np.arange(len(costs)))
    rows, t, df = zip(*statistics(replicates, margins, spread, **changes), strict=True)  # type: ignore[arg-type]
    assert np.concatenate(rows).tolist() == list(range(len(costs)))
    return np.concatenate(t), np.concatenate(df)


def pairs() -> list[tuple[int, int, int]]:
    return [(i, j, k) for i, j in itertools.permutations(range(N), 2) for k in range(N_OBJECTIVES)]


def test_with_all_seeds_each_pair_has_a_paired_t_test_and_nothing_is_dominated_by_itself() -> None:
    t, df = all_of(COSTS)
    for i, j, k in pairs():
        expected = stats.ttest_rel(COSTS[j, :, k] + MARGINS[k], COSTS[i, :, k])
        assert t[i, j, k] == pytest.approx(expected.statistic)
    assert (df == N_SEEDS - 1).all()
    assert (t[np.arange(N), np.arange(N)] == np.inf).all()


@pytest.mark.parametrize("values_at_once", [1, 2 * N * N_OBJECTIVES, 3 * N * N_OBJECTIVES])
@pytest.mark.parametrize("spread", differences.SPREADS)
def test_parts_of_any_size_give_the_same(spread: str, values_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_of(COSTS, spread)
    monkeypatch.setattr(differences, "VALUES_AT_ONCE", values_at_once)
    for one, other in zip(whole, all_of(COSTS, spread), strict=True):
        assert np.array_equal(one, other)


def test_where_seeds_are_lacking_a_pair_is_compared_over_those_of_both_or_else_as_independent_samples() -> None:
    costs = COSTS.copy()
    costs[1, :2] = np.nan  # shares three seeds with the first
    costs[2, 1:] = np.nan  # one seed
    costs[3, 2:] = np.nan  # two seeds, of which it shares one with the third, none with the second
    t, df = all_of(costs)
    paired = stats.ttest_rel(costs[1, 2:, 0] + MARGINS[0], costs[0, 2:, 0])
    assert (t[0, 1, 0], df[0, 1]) == (pytest.approx(paired.statistic), 2)
    assert df[0, 3] == df[3, 0] == 1
    # Three seeds against two others: the variances of both means, and the degrees of freedom of the smaller sample.
    first, second = costs[1, 2:, 1], costs[3, :2, 1]
    error = (first.var(ddof=1) / 3 + second.var(ddof=1) / 2) ** 0.5
    assert (t[1, 3, 1], df[1, 3]) == (pytest.approx((second.mean() - first.mean()) / error), 1)
    assert t[3, 1, 1] == pytest.approx((first.mean() - second.mean()) / error)
    assert t[2, [0, 1, 3]].tolist() == np.zeros((3, 2)).tolist(), "nothing is known of the spread of one seed"
    assert df[2].tolist() == [1, 1, 1, 1]


def test_with_one_seed_nothing_is_known_of_any_difference() -> None:
    for spread in differences.SPREADS:
        t, df = all_of(COSTS[:, :1], spread)
        assert (t[~np.eye(N, dtype=bool)] == 0).all()
        assert (df == 1).all()


def test_a_pooled_spread_is_the_residual_beside_configurations_and_seeds() -> None:
    t, df = all_of(COSTS, "pooled")
    residuals = COSTS - COSTS.mean(axis=1, keepdims=True) - COSTS.mean(axis=0) + COSTS.mean(axis=(0, 1))
    variance = (residuals**2).sum(axis=(0, 1)) / 12  # (4 - 1) x (5 - 1)
    for i, j, k in pairs():
        difference = COSTS[j, :, k].mean() - COSTS[i, :, k].mean() + MARGINS[k]
        assert t[i, j, k] == pytest.approx(difference / (variance[k] * 2 / N_SEEDS) ** 0.5)
    assert (df == 12).all()


def test_where_seeds_are_lacking_a_pooled_spread_is_that_within_configurations() -> None:
    costs = COSTS.copy()
    costs[1, :2] = np.nan
    t, df = all_of(costs, "pooled")
    variance = sum(np.nansum((own - np.nanmean(own, axis=0)) ** 2, axis=0) for own in costs) / 14  # 4 + 2 + 4 + 4
    difference = costs[1, 2:].mean(axis=0) - costs[0].mean(axis=0) + MARGINS
    assert t[0, 1] == pytest.approx(difference / np.sqrt(variance * (1 / 3 + 1 / 5)))
    assert (df == 14).all()


@pytest.mark.parametrize(("spread", "variance"), [("separate", 2 / 12 / 3), ("pooled", 2 / 12 / 3)])
def test_replicates_without_a_spread_have_that_of_rounding_to_a_step(spread: str, variance: float) -> None:
    costs = np.array([[[0.0], [1.0], [2.0]], [[3.0], [4.0], [5.0]]])  # apart by 3 in each seed, in steps of 1
    t, _ = all_of(costs, spread, np.zeros(1))
    assert t[0, 1, 0] == pytest.approx(3 / variance**0.5)
    costs = np.concatenate([costs, np.full((2, 1, 1), np.nan)], axis=1)
    costs[0, 3] = 1.0  # the first has a seed more
    t, _ = all_of(costs, "separate", np.zeros(1))
    assert t[0, 1, 0] == pytest.approx(3 / variance**0.5)


def test_what_no_seed_can_change_is_better_or_not() -> None:
    costs = np.array([[[1.0], [1.0]], [[2.0], [2.0]], [[1.0], [1.0]]])
    replicates = Replicates(costs, np.array([True]), np.arange(3))
    ((_, t, _),) = statistics(replicates, np.zeros(1), "separate")
    assert t[..., 0].tolist() == [
        [np.inf, np.inf, -np.inf],
        [-np.inf, np.inf, -np.inf],
        [-np.inf, np.inf, np.inf],
    ]
    ((_, t, _),) = statistics(replicates, np.array([0.5]), "separate")
    assert t[0, :, 0].tolist() == [np.inf, np.inf, np.inf], "half a unit dearer is no worse"


def test_only_those_that_are_wanted_are_compared_with_all() -> None:
    whole, _ = all_of(COSTS)
    replicates = Replicates(COSTS, np.zeros(2, dtype=bool), np.arange(N))
    ((rows, t, df),) = statistics(replicates, MARGINS, "separate", np.array([2, 0]))
    assert rows.tolist() == [2, 0]
    assert np.array_equal(t, whole[[2, 0]])
    assert df.shape == (2, N)
