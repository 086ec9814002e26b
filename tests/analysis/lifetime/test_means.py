from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from analysis.lifetime.means import Mean, difference, equal_cost_range, mean_of, ratio


def test_the_difference_of_two_means_is_that_of_welch() -> None:
    first, second = [3.1, 2.9, 3.4], [2.0, 2.6, 1.7, 2.2]
    found = difference(mean_of(first), mean_of(second))
    expected = stats.ttest_ind(first, second, equal_var=False)
    assert found.value / math.sqrt(found.variance) == pytest.approx(expected.statistic)
    assert found.df == pytest.approx(expected.df)


def test_one_value_has_no_interval() -> None:
    assert math.isnan(mean_of([2.0]).half_width())
    assert mean_of([2.0]).sign == 0


def test_the_range_of_a_known_slope_is_that_of_the_intercept() -> None:
    # Intercept 8 with standard error 1 and 4 degrees of freedom: t = 2.776, so from 5.224 to 10.776, over a slope of 2.
    low, high = equal_cost_range(Mean(8.0, 1.0, 4), Mean(-2.0, 0.0, 4))
    assert (low, high) == (pytest.approx(5.224 / 2, rel=1e-4), pytest.approx(10.776 / 2, rel=1e-4))


@settings(max_examples=50)
@given(
    intercept=st.floats(1.0, 100.0), slope=st.floats(1e-6, 1e6), error=st.floats(0.001, 0.9),
    slope_error=st.floats(0.001, 0.2),
)  # fmt: skip
def test_the_range_is_fiellers_where_the_degrees_of_freedom_are_many(
    intercept: float, slope: float, error: float, slope_error: float
) -> None:
    variance, slope_variance = (error * intercept) ** 2, (slope_error * slope) ** 2
    low, high = equal_cost_range(Mean(intercept, variance, 1e9), Mean(-slope, slope_variance, 1e9))
    t = 1.959964
    # (intercept - n slope)^2 = t^2 (variance + n^2 slope_variance), a quadratic in n
    roots = sorted(
        np.roots([
            slope**2 - t**2 * slope_variance, -2 * intercept * slope, intercept**2 - t**2 * variance,
        ]).real
    )  # fmt: skip
    assert low == pytest.approx(max(0.0, roots[0]), rel=1e-4, abs=1e-6 * roots[1])
    assert high == pytest.approx(roots[1], rel=1e-4)


def test_a_slope_that_is_not_shown_has_no_upper_end_and_one_that_rises_no_range() -> None:
    low, high = equal_cost_range(Mean(8.0, 0.25, 8), Mean(-1.0, 1.0, 8))
    assert low > 0
    assert math.isinf(high)
    assert all(map(math.isnan, equal_cost_range(Mean(8.0, 0.25, 8), Mean(1.0, 0.01, 8))))
    assert all(map(math.isnan, equal_cost_range(Mean(8.0), Mean(-1.0, 0.01, 8)))), "unknown error of the intercept"


def test_a_range_narrower_than_the_grid_is_found() -> None:
    low, high = equal_cost_range(Mean(8.0, 1e-14, 9), Mean(-2.0, 1e-14, 9))
    assert low <= 4.0 <= high
    assert high - low < 1e-5


def test_both_ends_are_where_the_t_test_is_just_significant() -> None:
    intercept, slope = Mean(8.0, 0.4, 3), Mean(-2.0, 0.01, 3)
    t = stats.t.ppf(0.975, 3)
    low, high = equal_cost_range(intercept, Mean(-2.0, 0.0, 3))
    assert low == pytest.approx((8 - t * math.sqrt(0.4)) / 2, rel=1e-6)

    def excess(n: float) -> float:
        parts = np.array([0.4, n**2 * 0.01])
        df = math.floor(parts.sum() ** 2 / (parts**2 / 3).sum())
        return float(abs(8 - 2 * n) - stats.t.ppf(0.975, df) * math.sqrt(parts.sum()))

    low, high = equal_cost_range(intercept, slope)
    assert optimize.brentq(excess, 1.0, 4.0, xtol=1e-9) == pytest.approx(low, rel=1e-3)
    assert excess(low * 0.999) > 0 > excess(low * 1.001)
    assert excess(high * 0.999) < 0 < excess(high * 1.001)


def test_a_ratio_has_the_interval_of_its_relative_error() -> None:
    found = ratio(Mean(5.0, 0.0, 4), Mean(10.0, 0.01, 4))  # relative standard error 0.01, t = 2.776
    assert found.value == 0.5
    assert (found.low, found.high) == (pytest.approx(0.48612, rel=1e-4), pytest.approx(0.51388, rel=1e-4))
