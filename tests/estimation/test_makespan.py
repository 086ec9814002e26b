from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.estimation.makespan import makespan, makespan_range
from lwq_tune.estimation.range import Range

times = st.lists(st.integers(0, 1000), min_size=1, max_size=30)
slots = st.integers(1, 12)


def twin(lengths: list[int], n_slots: int) -> int:
    """Step through time a second at a time."""
    waiting, running, now = list(lengths), [], 0
    while True:
        running = [left for left in running if left > 0]
        while waiting and len(running) < n_slots:
            first = waiting.pop(0)
            if first:
                running.append(first)
        if not running:
            return now
        running = [left - 1 for left in running]
        now += 1


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 4))
def test_trials_end_when_a_clock_says_so(lengths: list[int], n_slots: int) -> None:
    assert makespan(lengths, n_slots) == twin(lengths, n_slots)


@given(times, slots)
def test_a_makespan_lies_between_its_bounds(lengths: list[int], n_slots: int) -> None:
    found = makespan(lengths, n_slots)
    assert max(*lengths, sum(lengths) / n_slots) <= found <= sum(lengths)
    # Graham 1966: list scheduling is at most 2 - 1/m times as long as any other schedule.
    assert found <= sum(lengths) / n_slots + (1 - 1 / n_slots) * max(lengths) + 1e-6


@given(times)
def test_one_slot_takes_the_sum_and_enough_slots_the_longest(lengths: list[int]) -> None:
    assert makespan(lengths, 1) == sum(lengths)
    assert makespan(lengths, len(lengths)) == max(lengths)


@given(times, slots, st.integers(0, 29), st.integers(0, 500))
def test_no_sweep_ends_earlier_because_a_trial_takes_longer(
    lengths: list[int], n_slots: int, which: int, more: int
) -> None:
    longer = list(lengths)
    longer[which % len(longer)] += more
    assert makespan(longer, n_slots) >= makespan(lengths, n_slots)


@given(st.lists(st.tuples(*[st.integers(0, 100)] * 3).map(sorted), min_size=1, max_size=12), slots)
def test_the_ends_of_an_interval_stay_in_order(ends: list[list[int]], n_slots: int) -> None:
    found = makespan_range([Range(*three) for three in ends], n_slots)
    assert found.low == makespan([low for low, _, _ in ends], n_slots)
    assert found.high == makespan([high for _, _, high in ends], n_slots)


def test_no_trial_takes_no_time() -> None:
    assert makespan([], 3) == 0.0


def test_no_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        makespan([1.0], 0)
