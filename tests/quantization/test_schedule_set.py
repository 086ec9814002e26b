from __future__ import annotations

import itertools
import random
from collections import Counter
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.quantization.schedule_set import ScheduleSet
from lwq_tune.quantization.schedules import Constraint

CONSTRAINTS: tuple[Constraint, ...] = ("free", "ascending", "descending", "fixed")


@st.composite
def sets(draw: st.DrawFn) -> ScheduleSet:
    choices = draw(st.lists(st.sampled_from([2, 3, 4, 8, 32]), min_size=1, max_size=4, unique=True))
    return ScheduleSet.over(choices, draw(st.integers(1, 4)), draw(st.sampled_from(CONSTRAINTS)))


def all_of(schedules: ScheduleSet) -> list[tuple[int, ...]]:
    """Return its schedules by trying every one over its choices."""
    keeps = {
        "free": lambda bits: True,
        "ascending": lambda bits: all(a <= b for a, b in itertools.pairwise(bits)),
        "descending": lambda bits: all(a >= b for a, b in itertools.pairwise(bits)),
        "fixed": lambda bits: len(set(bits)) == 1,
    }[schedules.constraint]
    return [bits for bits in itertools.product(schedules.choices, repeat=schedules.n_units) if keeps(bits)]


@given(sets())
def test_the_schedule_of_each_place_is_the_one_of_the_list(schedules: ScheduleSet) -> None:
    expected = all_of(schedules)
    assert [schedules.schedule(index) for index in range(schedules.size)] == expected == schedules.all()
    assert (schedules.fewest, schedules.most) == (expected[0], expected[-1])
    for index in (-1, schedules.size):
        with pytest.raises(ValueError, match="index must be in"):
            schedules.schedule(index)


@given(sets())
def test_what_is_in_the_set_is_what_the_list_holds_and_is_nearest_to_itself(schedules: ScheduleSet) -> None:
    members = set(all_of(schedules))
    for bits in itertools.product((*schedules.choices, 5), repeat=schedules.n_units):
        assert (bits in schedules) == (bits in members)
    for bits in itertools.product(schedules.choices, repeat=schedules.n_units):
        nearest = schedules.nearest(bits)
        assert nearest in members
        assert schedules.constraint == "fixed" or sorted(nearest) == sorted(bits)
        assert bits not in members or nearest == bits
    assert (*schedules.fewest, schedules.choices[0]) not in schedules


@given(sets(), st.sampled_from([-1, 1]))
def test_a_step_changes_one_unit_to_its_next_choice_and_all_such_steps_are_found(
    schedules: ScheduleSet, direction: int
) -> None:
    places = {bits: [schedules.choices.index(one) for one in bits] for bits in all_of(schedules)}
    together = schedules.n_units if schedules.constraint == "fixed" else 1
    for bits, own in places.items():
        changes = {other: [b - a for a, b in zip(own, to, strict=True) if a != b] for other, to in places.items()}
        expected = {other for other, change in changes.items() if change == [direction] * together}
        found = schedules.steps(bits, direction)
        assert set(found.values()) == expected
        assert all(step[unit] != bits[unit] for unit, step in found.items())


@given(sets(), st.data())
def test_the_least_schedule_with_some_bits_in_a_unit_is_below_all_others_that_have_them(
    schedules: ScheduleSet, data: st.DataObject
) -> None:
    unit = data.draw(st.integers(0, schedules.n_units - 1))
    bits = data.draw(st.sampled_from(schedules.choices))
    least = schedules.least_with(unit, bits)
    having = [one for one in all_of(schedules) if one[unit] == bits]
    assert least in having
    assert all(a <= b for one in having for a, b in zip(least, one, strict=True))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_draws_have_equal_chances(constraint: Constraint) -> None:
    schedules = ScheduleSet((2, 3, 4), 3, constraint)
    generator, n_draws, n_all = random.Random(5), 4000, len(all_of(schedules))
    counts = Counter(schedules.draw(generator) for _ in range(n_draws))
    mean = n_draws / n_all
    assert set(counts) == set(all_of(schedules))
    assert all(abs(count - mean) < 5 * sqrt(mean) for count in counts.values())


def test_sets_of_many_units_are_counted_and_reached_without_being_made() -> None:
    free = ScheduleSet((2, 3, 4), 20, "free")
    assert free.size == 3_486_784_401
    # The digits of the place to base 3, each raised by 2: 3**19 + 2 is 1, eighteen zeros and 2.
    assert free.schedule(3**19 + 2) == (3, *(2,) * 18, 4)
    rising = ScheduleSet(tuple(range(1, 9)), 52, "ascending")
    assert rising.size == comb(59, 7)
    assert rising.schedule(0) == (1,) * 52
    assert rising.schedule(rising.size - 1) == (8,) * 52
    assert rising.schedule(7) == (*(1,) * 51, 8)
