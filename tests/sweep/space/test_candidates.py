"""What a search relies on of its candidates, listed or not: compared with every schedule tried one by one."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.errors import ConfigError
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedule_set import ScheduleSet
from lwq_tune.quantization.schedules import BitWidths, Constraint
from lwq_tune.sweep import space
from lwq_tune.sweep.space.candidates import (
    MAX_MISSES,
    Candidates,
    CostLimits,
    ListedCandidates,
    SampledCandidates,
    show_count,
)
from tests.support.implementations import implementations

CHANCE = random.Random


def costs_of(bit_widths: BitWidths) -> ModelCosts:
    """Deeper units have more weights and fewer operations, as in a residual network."""
    weights = [unit + 1 for unit in range(len(bit_widths))]
    weight_bits = sum(weight * bits for weight, bits in zip(weights, bit_widths, strict=True))
    bitops = sum(weight * bits**2 for weight, bits in zip(weights[::-1], bit_widths, strict=True))
    return ModelCosts(weight_bits, weight_bits / 8 / 2**20, weight_bits / sum(weights), sum(weights), bitops, bitops, 0)


def limited(**limits: float) -> CostLimits:
    return CostLimits(limits, costs_of)


@st.composite
def cases(draw: st.DrawFn, max_excluded: int = 3) -> tuple[SampledCandidates, list[BitWidths], ScheduleSet]:
    """Candidates that are not listed, and the list of them."""
    choices = draw(st.lists(st.sampled_from([2, 3, 4, 8, 32]), min_size=1, max_size=4, unique=True))
    constraint: Constraint = draw(st.sampled_from(["free", "ascending", "descending", "fixed"]))
    schedules = ScheduleSet.over(choices, draw(st.integers(1, 4)), constraint)
    costs = {bits: costs_of(bits) for bits in schedules.all()}
    limits = {}
    for name in draw(st.lists(st.sampled_from(["mean_weight_bits", "bitops"]), unique=True)):
        limits[name] = draw(st.sampled_from(sorted(float(getattr(cost, name)) for cost in costs.values())))
    within = [bits for bits, cost in costs.items() if all(getattr(cost, name) <= limits[name] for name in limits)]
    excluded = draw(st.lists(st.sampled_from(within), max_size=max_excluded))
    candidates = SampledCandidates(schedules, CostLimits(limits, costs_of), excluded)
    return candidates, [bits for bits in within if bits not in excluded], schedules


def taken_of(data: st.DataObject, members: list[BitWidths]) -> set[BitWidths]:
    return set(data.draw(st.lists(st.sampled_from(members), max_size=len(members)))) if members else set()


def steps_between(a: BitWidths, b: BitWidths, choices: tuple[int, ...]) -> int:
    return sum(abs(choices.index(x) - choices.index(y)) for x, y in zip(a, b, strict=True))


@given(cases())
def test_members_are_those_within_constraint_and_limits(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet],
) -> None:
    candidates, members, schedules = case
    for bits in itertools.product(schedules.choices, repeat=schedules.n_units):
        assert (bits in candidates) == (bits in members)
    assert not members or candidates.example in members
    for unit, choices in enumerate(candidates.choices):
        assert choices == sorted(choices)
        assert set(choices) >= {bits[unit] for bits in members}


@given(cases(), st.data())
def test_those_that_are_left_are_counted_up_to_what_is_asked_for(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet], data: st.DataObject
) -> None:
    candidates, members, _ = case
    taken = taken_of(data, members)
    at_most = data.draw(st.integers(0, len(members) + 2))
    assert candidates.count_left(taken, at_most) == min(at_most, len(set(members) - taken))


@given(cases(), st.data())
def test_the_closest_one_is_left_and_no_other_is_fewer_steps_away_from_one_within_the_limits(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet], data: st.DataObject
) -> None:
    candidates, members, schedules = case
    taken = taken_of(data, members)
    left = set(members) - taken
    bits = tuple(data.draw(st.sampled_from(schedules.choices)) for _ in range(schedules.n_units))
    closest = candidates.closest(bits, taken, CHANCE(0))
    assert closest == candidates.closest(bits, taken, CHANCE(0))
    if not left:
        assert closest is None
        return
    assert closest in left
    if bits in members and schedules.constraint != "fixed":
        fewest = min(steps_between(bits, other, schedules.choices) for other in left)
        assert steps_between(bits, closest, schedules.choices) == fewest  # type: ignore[arg-type]


@given(cases(max_excluded=0))
def test_the_ends_have_the_fewest_bits_and_so_many_that_no_unit_can_have_more_within_the_limits(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet],
) -> None:
    candidates, members, schedules = case
    ends = candidates.ends(())
    assert set(ends) <= set(members)
    assert ends[0] == schedules.fewest
    assert not set(schedules.steps(ends[-1], 1).values()) & set(members)
    assert candidates.ends(members) == []
    if members == schedules.all():
        assert ends == ListedCandidates(members).ends(())


@given(cases(), st.data())
def test_ends_that_are_taken_or_excluded_have_others_in_their_place(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet], data: st.DataObject
) -> None:
    candidates, members, _ = case
    taken = taken_of(data, members)
    ends = candidates.ends(taken)
    assert set(ends) <= set(members) - taken
    assert bool(ends) == bool(set(members) - taken)
    assert len(set(ends)) == len(ends) <= 2


@given(cases(), st.integers(0, 2**32 - 1))
def test_draws_are_different_members_as_many_as_are_asked_for_and_the_same_again(
    case: tuple[SampledCandidates, list[BitWidths], ScheduleSet], seed: int
) -> None:
    candidates, members, _ = case
    n_drawn = (len(members) + 1) // 2
    drawn = candidates.draw(n_drawn, seed)
    assert len(set(drawn)) == len(drawn) == n_drawn
    assert set(drawn) <= set(members)
    assert drawn == candidates.draw(n_drawn, seed)


def test_when_draws_keep_missing_every_candidate_is_found_all_the_same() -> None:
    schedules = ScheduleSet((2, 3, 4), 3, "free")
    limits = limited(mean_weight_bits=2.5)
    members = {bits for bits in schedules.all() if costs_of(bits).mean_weight_bits <= 2.5}
    assert 3 < len(members) < 27
    assert set(SampledCandidates(schedules, limits).draw(99, seed=0)) == members


def test_draws_within_limits_have_equal_chances() -> None:
    schedules = ScheduleSet((2, 3, 4), 3, "free")
    candidates = SampledCandidates(schedules, limited(mean_weight_bits=2.7))
    members = [bits for bits in schedules.all() if costs_of(bits).mean_weight_bits <= 2.7]
    n_draws = 3000
    counts = Counter(candidates.draw(1, seed)[0] for seed in range(n_draws))
    mean = n_draws / len(members)
    assert set(counts) == set(members)
    assert all(abs(count - mean) < 5 * sqrt(mean) for count in counts.values())


MANY = ScheduleSet((2, 3, 4), 20, "free")


def test_twenty_units_are_counted_drawn_from_and_walked_in_well_under_a_second() -> None:
    begin_s = time.process_time()
    candidates = SampledCandidates(MANY, limited())
    assert candidates.describe() == "3.5e9"
    assert candidates.count_left(set(), 1000) == 1000
    assert candidates.ends(()) == [(2,) * 20, (4,) * 20]
    drawn = candidates.draw(40, seed=1)
    assert len(set(drawn)) == 40
    assert time.process_time() - begin_s < 0.5


def test_a_limit_that_three_draws_in_a_million_keep_is_met_by_repair() -> None:
    # At equal weights the mean is at most 2.2 where at most four of the forty steps up are taken: 10,206 of 3.5e9.
    limits = CostLimits(
        {"mean_weight_bits": 2.2},
        lambda bits: ModelCosts(0, 0.0, sum(bits) / len(bits), 0, 0, 0, 0.0),
    )
    candidates = SampledCandidates(MANY, limits)
    assert candidates.describe() == "up to 3.5e9"
    begin_s = time.process_time()
    drawn = candidates.draw(40, seed=0)
    assert time.process_time() - begin_s < 3, f"{MAX_MISSES} misses are allowed for"
    assert len(set(drawn)) == 40
    assert all(sum(bits) <= 44 for bits in drawn)
    assert [sum(bits) for bits in candidates.ends(())] == [40, 44]
    assert candidates.choices == [[2, 3, 4]] * 20
    assert candidates.count_left((), 500) == 500


def test_the_repair_takes_bits_first_where_a_bit_costs_most() -> None:
    candidates = SampledCandidates(ScheduleSet((2, 3, 4), 4, "free"), limited(mean_weight_bits=3.2))
    # Weights are 1, 2, 3 and 4 of 10: the last unit at 2 bits leaves 3.2.
    assert candidates.closest((4, 4, 4, 4), (), CHANCE(0)) == (4, 4, 4, 2)
    rising = SampledCandidates(ScheduleSet((2, 3, 4), 4, "ascending"), limited(mean_weight_bits=3.2))
    # No unit can have fewer bits than those before it: 3444, 3344, 3334, 3333, each time the heaviest that can.
    assert rising.closest((4, 4, 4, 4), (), CHANCE(0)) == (3, 3, 3, 3)


def test_where_nothing_is_within_the_limits_the_least_is_said() -> None:
    with pytest.raises(ConfigError, match=r"none is within max_mean_weight_bits: 1\.5 \(the least is 2\)"):
        SampledCandidates(MANY, limited(mean_weight_bits=1.5))


def test_bits_that_a_unit_cannot_have_within_the_limits_are_no_choices_of_it() -> None:
    candidates = SampledCandidates(ScheduleSet((2, 4, 8), 3, "free"), limited(mean_weight_bits=4))
    # Weights are 1, 2 and 3 of 6, so 8 bits add 1, 2 and 3 to the mean of 2.
    assert candidates.choices == [[2, 4, 8], [2, 4, 8], [2, 4]]


@pytest.mark.parametrize("n_units", [7, 14])
@pytest.mark.parametrize("constraint", ["ascending", "descending"])
def test_bits_are_put_in_order_where_a_constraint_asks_for_it(constraint: Constraint, n_units: int) -> None:
    candidates = SampledCandidates(ScheduleSet((2, 3, 4, 8), n_units, constraint), limited())
    bits = tuple((2, 8, 3, 4)[unit % 4] for unit in range(n_units))
    found = candidates.closest(bits, (), CHANCE(0))
    assert list(found or ()) == sorted(bits, reverse=constraint == "descending")


def test_every_kind_of_candidates_is_tested_here() -> None:
    assert {ListedCandidates, SampledCandidates} == implementations(Candidates, space)


@settings(max_examples=30)
@given(st.sets(st.tuples(*[st.sampled_from([2, 3, 4, 8])] * 3), min_size=1), st.data())
def test_a_list_answers_from_what_it_holds(members: set[BitWidths], data: st.DataObject) -> None:
    candidates = ListedCandidates(sorted(members)[::-1])
    taken = taken_of(data, sorted(members))
    left = sorted(members - taken)
    bits = tuple(data.draw(st.sampled_from(choices)) for choices in candidates.choices)
    assert candidates.count_left(taken, 99) == len(left)
    assert candidates.count_left(taken, 1) == min(1, len(left))
    assert [sum(end) for end in candidates.ends(taken)[:1]] == ([min(map(sum, left))] if left else [])
    assert (bits in candidates) == (bits in members)
    assert sorted(candidates.draw(99, seed=0)) == candidates.spread(1) == sorted(members)
    assert candidates.describe() == str(len(members))
    assert candidates.example in members
    closest = candidates.closest(bits, taken, CHANCE(0))
    assert (closest is None) == (not left)
    assert closest is None or closest in left


@pytest.mark.parametrize(
    ("schedules", "message"),
    [([], "candidates must be schedules of one length, got 0"), ([(2, 2), (2, 2, 2)], r"got 2 of lengths \[2, 3\]")],
)
def test_a_list_of_no_schedules_or_of_several_lengths_is_refused(schedules: list[BitWidths], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ListedCandidates(schedules)


@pytest.mark.parametrize(
    ("n", "shown"),
    [(0, "0"), (999_999, "999999"), (10**6, "1.0e6"), (9_949_999, "9.9e6"), (9_960_000, "1.0e7"), (3**20, "3.5e9")],
)
def test_a_number_of_schedules_is_shown_with_two_digits_where_it_is_long(n: int, shown: str) -> None:
    assert show_count(n) == shown
