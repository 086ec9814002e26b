from __future__ import annotations

import pytest

from benchmarks.attribution import ProcessSampler, compare

PID = 7


def interval(begin_s: float, time_s: float, **active_j: float) -> dict[str, object]:
    names = {"a": "trial|a|here-7-0a", "b": "trial|b|here-8-0b", "other": "other"}
    parts = {names[name]: [joules, 5.0] for name, joules in active_j.items()}
    return {"begin_s": begin_s, "time_s": time_s, "parts": {"cpu": parts}}


def test_a_trial_should_be_charged_with_its_part_of_the_busy_time_of_each_interval_that_was_sampled() -> None:
    # The host is busy for 2 s in each second; the process for 1 s in each second up to 104, then for 0.5 s.
    times_s = [100.0, 104.0, 110.0]
    sampler = ProcessSampler([PID], times_s, [10.0, 18.0, 30.0], {PID: [0.0, 4.0, 7.0]})
    intervals = [
        interval(99.5, 2.0, a=1e9),  # began before the sampler
        interval(101.0, 2.0, a=9.0, b=1.0, other=10.0),  # should be 1/2 of 20 J
        interval(104.0, 2.0, a=6.0, other=14.0),  # 1/4 of 20 J
        interval(106.0, 4.0, b=40.0),  # 1/4 of 40 J, of which it has nothing
        interval(109.0, 2.0, a=1e9),  # ends after the sampler
    ]
    assert compare(intervals, "a", PID, sampler) == pytest.approx(
        {
            "charged_j": 9.0 + 6.0 + 0.0,
            "expected_j": 10.0 + 5.0 + 10.0,
            "intervals": 3,
            "median_difference": 0.2,  # of 0.1, 0.2 and 1
        }
    )
