from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.carbon.intensity import IntensitySeries, for_host, parse_host_values
from lwq_tune.errors import ConfigError

# Three hours and a longer fourth: 40 g/kWh at first, then 100, 70 and 20.
DAY = IntensitySeries((0.0, 3600.0, 7200.0, 10800.0), (40.0, 100.0, 70.0, 20.0), "user")
MOMENTS = st.floats(-1e9, 4e9)


@st.composite
def series(draw: st.DrawFn) -> IntensitySeries:
    times_s = sorted(draw(st.sets(st.floats(0, 4e9), min_size=1, max_size=12)))
    values = draw(st.lists(st.floats(0, 2000), min_size=len(times_s), max_size=len(times_s)))
    return IntensitySeries(tuple(times_s), tuple(values), "user")


@settings(max_examples=50)
@given(series(), MOMENTS, MOMENTS)
def test_a_mean_is_never_outside_the_values(intensity: IntensitySeries, one_s: float, other_s: float) -> None:
    mean = intensity.mean(min(one_s, other_s), max(one_s, other_s))
    assert min(intensity.values_g_per_kwh) <= mean <= max(intensity.values_g_per_kwh)


@settings(max_examples=50)
@given(series(), st.tuples(MOMENTS, MOMENTS, MOMENTS))
def test_the_mean_of_a_split_span_is_the_time_weighted_sum(
    intensity: IntensitySeries, moments_s: tuple[float, float, float]
) -> None:
    begin_s, _, end_s = sorted(moments_s)
    whole = intensity.mean(begin_s, end_s) * (end_s - begin_s)
    parts = [(right_s - left_s) * intensity.mean(left_s, right_s) for left_s, right_s in pairwise(sorted(moments_s))]
    assert sum(parts) == pytest.approx(whole, rel=1e-9, abs=1e-9)


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.integers(0, 900), min_size=8, max_size=8),
    st.tuples(st.integers(-5, 50), st.integers(1, 30)),
)
def test_a_mean_equals_the_average_over_whole_seconds(
    times_s: list[int], values: list[int], span: tuple[int, int]
) -> None:
    begin_s, length_s = span
    by_second = []
    for second in range(begin_s, begin_s + length_s):
        earlier = [value for time_s, value in zip(times_s, values, strict=False) if time_s <= second]
        by_second.append(earlier[-1] if earlier else values[0])
    intensity = IntensitySeries(tuple(map(float, times_s)), tuple(map(float, values[: len(times_s)])), "user")
    assert intensity.mean(begin_s, begin_s + length_s) == pytest.approx(sum(by_second) / length_s, rel=1e-12)


@settings(max_examples=50)
@given(series())
def test_a_value_holds_from_its_time_to_just_before_the_next(intensity: IntensitySeries) -> None:
    pieces = zip(intensity.times_s, intensity.values_g_per_kwh, strict=True)
    for (time_s, value), (next_s, next_value) in pairwise(pieces):
        assert intensity.at(time_s) == value
        assert intensity.at((time_s + next_s) / 2) in {value, next_value}  # neighbours in float have no middle
        assert intensity.at(next_s) == next_value


@settings(max_examples=50)
@given(series())
def test_the_end_values_hold_outside(intensity: IntensitySeries) -> None:
    assert intensity.at(intensity.times_s[0] - 1e9) == intensity.values_g_per_kwh[0]
    assert intensity.at(intensity.times_s[-1] + 1e9) == intensity.values_g_per_kwh[-1]


@settings(max_examples=50)
@given(series(), MOMENTS)
def test_the_mean_of_no_time_is_the_value_there(intensity: IntensitySeries, moment_s: float) -> None:
    assert intensity.mean(moment_s, moment_s) == intensity.at(moment_s)


@settings(max_examples=50)
@given(series())
def test_a_series_passes_through_json_unchanged(intensity: IntensitySeries) -> None:
    assert IntensitySeries.from_dict(json.loads(json.dumps(intensity.to_dict()))) == intensity


def test_a_series_is_written_as_plain_values() -> None:
    assert IntensitySeries((0.0, 60.0), (40.0, 50.0), "file:a.csv:0123456789ab").to_dict() == {
        "times_s": [0.0, 60.0],
        "values_g_per_kwh": [40.0, 50.0],
        "source": "file:a.csv:0123456789ab",
    }


@pytest.mark.parametrize(
    ("begin_s", "end_s", "mean"),
    [
        (0, 3600, 40.0),
        (0, 7200, 70.0),  # (40 + 100) / 2
        (2700, 8100, 85.0),  # (900 * 40 + 3600 * 100 + 900 * 70) / 5400 = 459000 / 5400
        (-3600, 3600, 40.0),
        (10800, 20000, 20.0),
        (9000, 12600, 45.0),  # (1800 * 70 + 1800 * 20) / 3600
    ],
)
def test_means_by_hand(begin_s: float, end_s: float, mean: float) -> None:
    assert DAY.mean(begin_s, end_s) == pytest.approx(mean, rel=1e-15)


@settings(max_examples=50)
@given(st.floats(0, 2000), MOMENTS, st.floats(0, 1e7))
def test_a_constant_is_exactly_itself_over_any_span(value: float, begin_s: float, length_s: float) -> None:
    constant = IntensitySeries.constant(value, "world-average")
    assert constant.mean(begin_s, begin_s + length_s) == constant.at(begin_s) == value
    assert constant.covers(begin_s, begin_s + length_s)


@pytest.mark.parametrize(
    ("begin_s", "end_s", "is_covered"),
    [
        (0, 10800, True),
        (0, 14400, True),  # the last value holds for the median step, 3600 s
        (0, 14401, False),
        (-1, 3600, False),
        (20000, 20001, False),
    ],
)
def test_a_span_is_covered_from_the_first_time_to_a_step_after_the_last(
    begin_s: float, end_s: float, is_covered: bool
) -> None:
    assert DAY.covers(begin_s, end_s) is is_covered


def test_the_step_of_uneven_times_is_their_median() -> None:
    uneven = IntensitySeries((0.0, 10.0, 20.0, 320.0), (1.0, 2.0, 3.0, 4.0), "user")  # steps 10, 10, 300
    assert uneven.covers(0, 330)
    assert not uneven.covers(0, 331)


def test_a_single_value_holds_from_its_time_on() -> None:
    single = IntensitySeries((100.0,), (56.0,), "user")
    assert single.covers(100, 1e10)
    assert not single.covers(99, 200)


def test_a_span_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match=r"end_s must not be before begin_s, 2.0, got 1.0"):
        DAY.mean(2.0, 1.0)


@pytest.mark.parametrize(
    ("times_s", "values", "message"),
    [
        ((), (), "one value per time, or one without a time, got 0 for 0"),
        ((), (1.0, 2.0), "got 2 for 0"),
        ((0.0, 1.0), (1.0,), "got 1 for 2"),
        ((), (-1.0,), "must be finite numbers, 0 or more, got -1.0"),
        ((), (float("nan"),), "0 or more, got nan"),
        ((0.0, float("inf")), (1.0, 2.0), "times_s must be finite, got inf"),
        ((1.0, 1.0), (1.0, 2.0), "must rise strictly, got 1.0 after 1.0"),
        ((2.0, 1.0), (1.0, 2.0), "must rise strictly, got 1.0 after 2.0"),
    ],
)
def test_what_is_no_series_is_refused(times_s: tuple[float, ...], values: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IntensitySeries(times_s, values, "user")


@pytest.mark.parametrize(
    ("entries", "values"),
    [
        ([], {}),
        (["56"], {"": "56"}),
        (["475", "node-a=56", "node-b = FRA"], {"": "475", "node-a": "56", "node-b": "FRA"}),
        (["node-a=/data/region=fr/day.csv"], {"node-a": "/data/region=fr/day.csv"}),
    ],
)
def test_values_are_sorted_by_host(entries: list[str], values: dict[str, str]) -> None:
    assert parse_host_values(entries) == values


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([""], r"--country takes VALUE or HOST=VALUE, neither side empty, got ''; leave the '=' out"),
        (["=56"], r"neither side empty, got '=56'"),
        (["node-a="], r"neither side empty, got 'node-a='"),
        (["/data/region=fr/day.csv"], r"a host name has no '/', got '/data/region=fr/day.csv'; write HOST= before"),
        (["56", "57"], r"one value per host, got '56' and '57' for all hosts; leave one out"),
        (["a=1", "b=2", "a=1"], r"one value per host, got '1' and '1' for host a; leave one out"),
    ],
)
def test_unclear_host_values_are_refused(entries: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_host_values(entries, "--country")


@pytest.mark.parametrize(
    ("hostname", "value"),
    [("node-a.example", 1), ("node-a.other", 2), ("node-a", 2), ("node-b", 3), ("node", 3), ("", 3)],
)
def test_a_host_goes_by_full_name_then_short_name_then_all(hostname: str, value: int) -> None:
    assert for_host({"node-a.example": 1, "node-a": 2, "": 3}, hostname) == value


def test_a_host_that_nobody_named_has_no_value() -> None:
    assert for_host({"node-a": 1}, "node-b.example") is None
