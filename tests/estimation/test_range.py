from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.estimation.range import Range, quantile, total

figures = st.floats(0, 1e9, allow_subnormal=False)
samples = st.lists(figures, min_size=1, max_size=30)
ranges = st.tuples(figures, figures, figures).map(lambda three: Range(*sorted(three)))


@given(samples)
def test_an_interval_of_samples_holds_their_mean_and_reaches_no_further_than_they_do(values: list[float]) -> None:
    span = Range.of_samples(values)
    assert span.point == pytest.approx(statistics.fmean(values))
    assert span.low <= span.point <= span.high
    rounding = 1e-9 * max(values)
    assert min(values) - rounding <= span.low
    assert span.high <= max(values) + rounding


def test_the_mean_is_an_end_where_an_outlier_draws_it_out() -> None:
    span = Range.of_samples([1.0] * 19 + [101.0])
    assert (span.low, span.point, span.high) == (1.0, 6.0, 6.0)


@given(samples, st.floats(0, 1))
def test_a_quantile_is_that_of_an_independent_implementation(values: list[float], share: float) -> None:
    numpy = pytest.importorskip("numpy")
    assert quantile(values, share) == pytest.approx(numpy.quantile(values, share), rel=1e-9, abs=1e-9)


@given(ranges, ranges)
def test_sums_and_products_hold_those_of_the_figures(one: Range, other: Range) -> None:
    assert one.plus(other).contains(one.point + other.point)
    assert one.times(other).contains(one.point * other.point)
    assert one.plus(other) == other.plus(one)


@given(st.lists(ranges, max_size=20))
def test_a_total_is_one_sum_after_the_other(listed: list[Range]) -> None:
    added = Range.exact(0.0)
    for span in listed:
        added = added.plus(span)
    whole = total(listed)
    assert (whole.low, whole.point, whole.high) == pytest.approx((added.low, added.point, added.high))


@given(ranges, st.floats(0, 1))
def test_a_widened_range_holds_the_first_and_has_its_figure(span: Range, share: float) -> None:
    wider = span.widened(share)
    assert wider.point == span.point
    assert 0 <= wider.low <= span.low
    assert span.high <= wider.high


@given(ranges)
def test_plain_values_give_the_range_back(span: Range) -> None:
    assert Range.from_dict(span.to_dict()) == span


@pytest.mark.parametrize("ends", [(2.0, 1.0, 3.0), (-1.0, 0.0, 1.0), (0.0, 1.0, math.inf), (0.0, math.nan, 1.0)])
def test_what_is_no_interval_is_refused(ends: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must rise from 0"):
        Range(*ends)


def test_nothing_measured_is_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one measurement"):
        Range.of_samples([])
