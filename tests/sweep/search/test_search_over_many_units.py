"""Searches over more schedules than anyone could list: 14 and 20 units with three choices each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, get_args

import pytest

from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedule_set import ScheduleSet
from lwq_tune.quantization.schedules import BitWidths, Constraint
from lwq_tune.sweep.search.proposer import Method, Outcome, Pause, Proposer
from lwq_tune.sweep.space.candidates import CostLimits, SampledCandidates

methods = pytest.mark.parametrize("method", get_args(Method))


def mean_costs(bits: BitWidths) -> ModelCosts:
    return ModelCosts(0, 0.0, sum(bits) / len(bits), 0, 0, 0, 0.0)


def candidates_of(
    n_units: int, constraint: Constraint = "free", listed: tuple[BitWidths, ...] = (), **limits: float
) -> SampledCandidates:
    return SampledCandidates(ScheduleSet((2, 3, 4), n_units, constraint), CostLimits(limits, mean_costs), listed)


def outcome_of(bits: BitWidths) -> Outcome:
    """The first half of the units needs its bits, the second does not."""
    half = len(bits) // 2
    return Outcome(0.5 + 0.1 * sum(bits[:half]) / half, 1e-3 * sum(bits) / len(bits))


def play(proposer: Proposer, learn: Callable[[BitWidths], Outcome | None] = outcome_of) -> list[BitWidths]:
    outcomes: dict[BitWidths, Outcome | None] = {}
    proposals: list[BitWidths] = []
    while (proposal := proposer.next(outcomes)) is not Pause.EXHAUSTED:
        if isinstance(proposal, Pause):
            ended = next(bits for bits in proposals if bits not in outcomes)
            outcomes[ended] = learn(ended)
        else:
            proposals.append(proposal)
    return proposals


@methods
@pytest.mark.parametrize("constraint", ["free", "ascending", "descending"])
@pytest.mark.parametrize("limits", [{}, {"mean_weight_bits": 2.5}], ids=["no limits", "limits"])
def test_what_is_proposed_is_new_and_keeps_to_constraint_and_limits(
    method: Method, constraint: Constraint, limits: dict[str, float]
) -> None:
    proposals = play(Proposer(method, candidates_of(14, constraint, **limits), 20, seed=1, lag=2))
    assert len(set(proposals)) == len(proposals) == 20
    for bits in proposals:
        assert constraint == "free" or list(bits) == sorted(bits, reverse=constraint == "descending")
        assert sum(bits) / len(bits) <= limits.get("mean_weight_bits", 4)
    assert proposals[0] == (2,) * 14
    assert sum(proposals[1]) == (35 if limits else 56)


@methods
def test_a_search_over_twenty_units_is_replayed_from_its_outcomes_alone(method: Method) -> None:
    arguments: dict[str, Any] = {"n_trials": 16, "seed": 3, "lag": 3}
    limits = {"mean_weight_bits": 3.1}
    proposals = play(Proposer(method, candidates_of(20, **limits), **arguments))
    table = {bits: outcome_of(bits) for bits in proposals}
    replay = Proposer(method, candidates_of(20, **limits), **arguments)
    assert [replay.next(table) for _ in proposals] == proposals
    assert replay.next(table) is Pause.EXHAUSTED
    other = Proposer(method, candidates_of(20, **limits), **{**arguments, "seed": 4})
    assert play(other) != proposals


@methods
def test_forty_proposals_over_twenty_units_take_seconds_at_most(method: Method) -> None:
    begin_s = time.process_time()
    proposals = play(Proposer(method, candidates_of(20), 40, seed=0, lag=2))
    assert time.process_time() - begin_s < 5
    assert len(set(proposals)) == 40


@methods
def test_listed_schedules_are_told_and_their_place_at_the_end_is_taken_by_a_neighbour(method: Method) -> None:
    lowest, highest = (2,) * 20, (4,) * 20
    known = {lowest: outcome_of(lowest), highest: None}
    candidates = candidates_of(20, listed=(lowest, highest))
    proposals = play(Proposer(method, candidates, 8, seed=0, known=known))
    assert not {lowest, highest} & set(proposals)
    assert [sum(bits) for bits in proposals[:2]] == [41, 79]


@methods
def test_a_search_takes_all_that_a_tight_limit_leaves_and_no_more(method: Method) -> None:
    # One step up at most: the schedule of two bits everywhere and fourteen others.
    candidates = candidates_of(14, mean_weight_bits=29 / 14)
    proposals = play(Proposer(method, candidates, 40, seed=0))
    expected = {tuple(3 if unit == raised else 2 for unit in range(14)) for raised in range(-1, 14)}
    assert set(proposals) == expected
    assert len(proposals) == len(expected) == 15


def test_a_search_over_many_units_finds_where_bits_matter() -> None:
    """Of the bits that a search gives beyond the fewest, more go where they raise accuracy."""
    proposals = play(Proposer("tpe", candidates_of(14), 24, seed=0))[12:]
    first = sum(sum(bits[:7]) - 14 for bits in proposals)
    second = sum(sum(bits[7:]) - 14 for bits in proposals)
    assert first > 1.5 * second
