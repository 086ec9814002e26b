"""Resampled fronts, and the interval of the hypervolume, against sums over all resamples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.fronts.replicates import Replicates
from analysis.uncertainty import bootstrap
from analysis.uncertainty.bootstrap import is_on_front, on_front_probability
from analysis.uncertainty.hypervolume import hypervolume_interval


def replicates(costs: object) -> Replicates:
    array = np.array(costs, dtype=float)
    return Replicates(array, np.zeros(array.shape[2], dtype=bool), np.arange(len(array)))


COSTS = np.array([[[1.0, 5.0], [2.0, 4.0], [4.0, 6.0]], [[2.0, 4.5], [1.5, 6.0], [2.5, 5.0]], [[6.0, 7.0]] * 3])


def test_the_share_of_resamples_is_that_of_all_27_that_three_seeds_have() -> None:
    means = COSTS.mean(axis=1)
    counts = np.zeros(3)
    for drawn in itertools.product(range(3), repeat=3):
        deviations = COSTS[:, drawn].mean(axis=1) - means
        costs = means + math.sqrt(3 / 2) * deviations
        counts += is_on_front(costs)
    found = on_front_probability(replicates(COSTS), np.random.default_rng(0), 20_000)
    assert found == pytest.approx(counts / 27, abs=0.015)
    assert 0.1 < found[0] < 0.9


@pytest.mark.parametrize("n_resamples", [1, 7, 50])
def test_draws_in_parts_of_any_size_are_the_same_and_as_many_as_asked_for(
    n_resamples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = on_front_probability(replicates(COSTS), np.random.default_rng(0), n_resamples)
    assert (whole * n_resamples).tolist() == pytest.approx(np.round(whole * n_resamples).tolist())
    for values in (1, 3 * COSTS[:, 0].size):
        monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE_VALUES", values)
        assert on_front_probability(replicates(COSTS), np.random.default_rng(0), n_resamples).tolist() == whole.tolist()


def test_one_seed_has_no_share_and_the_others_meet_it_as_it_is() -> None:
    costs = COSTS.copy()
    costs[1, 1:] = np.nan
    found = on_front_probability(replicates(costs), np.random.default_rng(0), 200)
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[2] == 0.0
    assert on_front_probability(replicates(COSTS), np.random.default_rng(0), 0).tolist() == [0.0, 0.0, 0.0]


def test_margins_of_0_change_nothing_and_larger_ones_keep_what_is_equal_within_them() -> None:
    costs = np.array([[1.0, 2.0], [1.0, 2.0], [1.5, 2.5], [1.0, 2.5]])
    assert is_on_front(costs, np.zeros(2)).tolist() == is_on_front(costs).tolist() == [True, True, False, False]
    assert is_on_front(costs, np.array([0.5, 0.5])).tolist() == [True, True, True, True]
    assert is_on_front(costs, np.array([0.25, 0.5])).tolist() == [True, True, False, True]
    assert is_on_front(costs, np.array([0.0, 0.5])).tolist() == [True, True, False, True]


def test_the_interval_of_the_hypervolume_is_the_jackknife_over_seeds() -> None:
    reference = np.array([8.0, 8.0])

    def volume(costs: np.ndarray) -> float:
        """Add up the area below the reference, by hand for two points and one that is dominated."""
        (x, y), (u, v) = sorted(costs.mean(axis=1)[:2].tolist())
        if v >= y:
            return (8 - x) * (8 - y)
        return (8 - x) * (8 - y) + (8 - u) * (y - v)

    without = np.array([volume(np.delete(COSTS, seed, axis=1)) for seed in range(3)])
    error = math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    value, low, high = hypervolume_interval(replicates(COSTS), replicates(COSTS), reference)
    assert value == pytest.approx(volume(COSTS))
    assert (low, high) == pytest.approx(
        (max(0.0, value - stats.t.isf(0.025, 2) * error), value + stats.t.isf(0.025, 2) * error)
    )
    _, low, high = hypervolume_interval(replicates(COSTS), replicates(COSTS), reference, 0.5)
    assert (low, high) == pytest.approx((value - stats.t.isf(0.25, 2) * error, value + stats.t.isf(0.25, 2) * error))
    two = replicates(COSTS[:, :2])
    assert not np.isnan(hypervolume_interval(two, two, reference)).any()


def test_configurations_that_lack_a_seed_have_no_interval() -> None:
    lacking = COSTS.copy()
    lacking[1, 2] = np.nan
    for decided, reported in ((lacking, COSTS), (COSTS, lacking)):
        value, low, high = hypervolume_interval(replicates(decided), replicates(reported), np.array([8.0, 8.0]))
        assert value > 0
        assert math.isnan(low)
        assert math.isnan(high)
