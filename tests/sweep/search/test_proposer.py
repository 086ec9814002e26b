from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.quantization.schedules import BitWidths, enumerate_bit_widths
from lwq_tune.sweep.search.proposer import Method, Outcome, Pause, Proposer, default_population
from lwq_tune.sweep.space.candidates import ListedCandidates
from tests.conftest import run_python

METHODS: tuple[Method, ...] = ("tpe", "nsga2")
CHOICES = (2, 3, 4, 8, 32)
TRIPLES = enumerate_bit_widths([2, 3, 4], 3, "free")
FEW = settings(max_examples=12)  # each example is a whole search or several

methods = pytest.mark.parametrize("method", METHODS)


def outcome_of(bit_widths: BitWidths) -> Outcome:
    """Deeper stages forgive fewer bits; emissions rise with all of them."""
    error = sum(2.0 ** -(bits + stage) for stage, bits in enumerate(bit_widths))
    return Outcome(0.9 - error, 1e-3 * (1 + sum(bit_widths) / 100))


def reversed_outcome_of(bit_widths: BitWidths) -> Outcome:
    outcome = outcome_of(bit_widths)
    return Outcome(1 - outcome.val_accuracy, outcome.emissions_kg_co2eq)


TABLE = {bit_widths: outcome_of(bit_widths) for bit_widths in TRIPLES}


@st.composite
def searches(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `proposer_of`: any part of a grid of 1 to 4 stages."""
    n_stages = draw(st.integers(1, 4))
    choices = draw(st.lists(st.sampled_from(CHOICES), min_size=1, max_size=5 if n_stages < 4 else 3, unique=True))
    grid = enumerate_bit_widths(choices, n_stages, draw(st.sampled_from(["free", "ascending", "descending", "fixed"])))
    return {
        "method": draw(st.sampled_from(METHODS)),
        "candidates": draw(st.lists(st.sampled_from(grid), min_size=1, max_size=25, unique=True)),
        "n_trials": draw(st.integers(1, 14)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "lag": draw(st.integers(1, 4)),
    }


def proposer_of(arguments: dict[str, Any]) -> Proposer:
    return Proposer(**{**arguments, "candidates": ListedCandidates(arguments["candidates"])})


def play(
    arguments: dict[str, Any],
    learn: Callable[[BitWidths], Outcome | None] = outcome_of,
    finish: Callable[[Sequence[BitWidths]], BitWidths] = lambda running: running[0],
) -> list[BitWidths]:
    """Return the proposals of a search that runs as it would in a sweep; ``finish`` says which trial ends next."""
    proposer = proposer_of(arguments)
    outcomes: dict[BitWidths, Outcome | None] = {}
    proposals: list[BitWidths] = []
    while (proposal := proposer.next(outcomes)) is not Pause.EXHAUSTED:
        if isinstance(proposal, Pause):
            ended = finish([bit_widths for bit_widths in proposals if bit_widths not in outcomes])
            outcomes[ended] = learn(ended)
        else:
            proposals.append(proposal)
    return proposals


@FEW
@given(searches())
def test_every_proposal_is_a_candidate_and_new_until_the_trials_or_the_candidates_are_used_up(
    arguments: dict[str, Any],
) -> None:
    proposals = play(arguments)
    assert len(proposals) == min(arguments["n_trials"], len(arguments["candidates"]))
    assert len(set(proposals)) == len(proposals)
    assert set(proposals) <= set(arguments["candidates"])


@FEW
@given(searches(), st.randoms(use_true_random=False), st.integers(0, 2**16))
def test_a_search_is_replayed_from_its_outcomes_alone_whatever_the_order_in_which_trials_ended(
    arguments: dict[str, Any], chance: random.Random, order: int
) -> None:
    proposals = play(arguments, finish=chance.choice)
    shuffled = random.Random(order).sample(arguments["candidates"], len(arguments["candidates"]))
    # The table of a replay also holds what the search had not asked for yet.
    table = {bit_widths: outcome_of(bit_widths) for bit_widths in shuffled}
    replay = proposer_of({**arguments, "candidates": shuffled})
    assert [replay.next(table) for _ in proposals] == proposals
    assert replay.next(table) is replay.next(table) is Pause.EXHAUSTED


@FEW
@given(searches(), st.data())
def test_a_search_that_broke_off_anywhere_goes_on_as_if_it_had_not(
    arguments: dict[str, Any], data: st.DataObject
) -> None:
    proposals = play(arguments)
    n_done = data.draw(st.integers(0, len(proposals)))
    outcomes = {bit_widths: outcome_of(bit_widths) for bit_widths in proposals[:n_done]}
    resumed = proposer_of(arguments)
    until_waiting = list(
        itertools.takewhile(lambda p: not isinstance(p, Pause), iter(lambda: resumed.next(outcomes), 0))
    )
    assert until_waiting == proposals[: n_done + arguments["lag"]]
    outcomes |= {bit_widths: outcome_of(bit_widths) for bit_widths in proposals}
    assert [resumed.next(outcomes) for _ in proposals[len(until_waiting) :]] == proposals[len(until_waiting) :]


@methods
@pytest.mark.parametrize("lag", [1, 2, 4])
def test_as_many_trials_as_the_lag_are_proposed_at_a_time(method: Method, lag: int) -> None:
    proposer = Proposer(method, ListedCandidates(TRIPLES), 12, seed=0, lag=lag)
    outcomes: dict[BitWidths, Outcome | None] = {}
    begun = [proposer.next(outcomes) for _ in range(lag)]
    assert not any(isinstance(proposal, Pause) for proposal in begun)
    assert proposer.next(outcomes) is proposer.next(outcomes) is Pause.WAITING
    for proposal in begun[1:]:
        assert not isinstance(proposal, Pause)
        outcomes[proposal] = outcome_of(proposal)
    assert proposer.next(outcomes) is Pause.WAITING, "the first proposal's outcome is missing, whatever else is there"


@methods
@pytest.mark.parametrize(("lag", "changed"), [(1, 0), (1, 7), (3, 0), (3, 9)])
def test_a_proposal_rests_on_outcomes_of_the_lag_before_and_on_no_later_one(
    method: Method, lag: int, changed: int
) -> None:
    arguments = {"method": method, "candidates": TRIPLES, "n_trials": 16, "seed": 3, "lag": lag}
    proposals = play(arguments)
    told_late = set(proposals[changed:])
    other = play(arguments, lambda bits: reversed_outcome_of(bits) if bits in told_late else outcome_of(bits))
    assert other[: changed + lag] == proposals[: changed + lag]
    assert changed or other != proposals, "outcomes decide"


@methods
def test_the_sequence_is_the_same_in_another_process_and_nothing_is_logged(method: Method, tmp_path: Path) -> None:
    table = [(bit_widths, outcome.val_accuracy, outcome.emissions_kg_co2eq) for bit_widths, outcome in TABLE.items()]
    code = (
        "import json, sys\n"
        "from lwq_tune.sweep.search.proposer import Outcome, Proposer\n"
        "from lwq_tune.sweep.space.candidates import ListedCandidates\n"
        "table = {tuple(row[0]): Outcome(*row[1:]) for row in json.loads(sys.argv[1])}\n"
        f"proposer = Proposer({method!r}, ListedCandidates(list(table)[::-1]), 15, seed=11, lag=2)\n"
        "print(json.dumps([proposer.next(table) for _ in range(15)]))"
    )
    result = run_python("-W", "error", "-c", code, json.dumps(table), cwd=tmp_path, PYTHONHASHSEED="7")
    assert result.returncode == 0, result.stderr
    found = [tuple(bit_widths) for bit_widths in json.loads(result.stdout)]
    assert found == play({"method": method, "candidates": TRIPLES, "n_trials": 15, "seed": 11, "lag": 2})
    assert result.stderr == ""


@methods
def test_other_seeds_search_otherwise(method: Method) -> None:
    found = {tuple(play({"method": method, "candidates": TRIPLES, "n_trials": 6, "seed": seed})) for seed in range(4)}
    assert len(found) == 4


@methods
def test_the_ends_come_first_then_what_the_sampler_chooses(method: Method) -> None:
    candidates = enumerate_bit_widths(CHOICES, 3, "ascending")
    proposals = play({"method": method, "candidates": candidates, "n_trials": 3, "seed": 0})
    assert proposals[:2] == [(2, 2, 2), (32, 32, 32)]


@methods
def test_failed_trials_are_no_end_of_the_search_and_are_not_taken_for_results(method: Method) -> None:
    arguments = {"method": method, "candidates": TRIPLES[:18], "n_trials": 18, "seed": 1, "lag": 2}
    assert sorted(play(arguments, lambda _: None)) == TRIPLES[:18]
    mixed = play(arguments, lambda bit_widths: None if sum(bit_widths) % 2 else outcome_of(bit_widths))
    assert sorted(mixed) == TRIPLES[:18]
    assert mixed != play(arguments)


@methods
def test_what_was_trained_before_is_told_first_and_never_proposed(method: Method) -> None:
    known = {bit_widths: outcome_of(bit_widths) for bit_widths in TRIPLES[::3]}
    known[2, 2, 3] = None  # type: ignore[assignment]
    known[32, 32, 32] = Outcome(0.9, 2e-3)  # outside the candidates' bit-widths: nothing to tell
    arguments = {"method": method, "candidates": TRIPLES, "n_trials": 27, "seed": 5}
    proposals = play({**arguments, "known": known})
    assert sorted(proposals) == sorted(set(TRIPLES) - set(known))
    mirrored = {bit_widths: outcome and reversed_outcome_of(bit_widths) for bit_widths, outcome in known.items()}
    assert play({**arguments, "known": mirrored})[:6] != proposals[:6], "known outcomes decide"


@methods
def test_a_space_of_one_schedule_and_a_space_that_is_known_end_at_once(method: Method) -> None:
    assert play({"method": method, "candidates": [(4, 4)], "n_trials": 5, "seed": 0}) == [(4, 4)]
    assert Proposer(method, ListedCandidates(TRIPLES), 5, seed=0, known=TABLE).next({}) is Pause.EXHAUSTED


@methods
@pytest.mark.parametrize("constraint", ["ascending", "descending", "fixed"])
def test_a_constraint_holds_and_all_candidates_are_reached(method: Method, constraint: Any) -> None:
    candidates = enumerate_bit_widths([2, 3, 4, 8], 4, constraint)
    assert sorted(play({"method": method, "candidates": candidates, "n_trials": 99, "seed": 2})) == sorted(candidates)


@pytest.mark.parametrize(("method", "n_seeds", "most"), [("tpe", 2, 0.7), ("nsga2", 10, 0.9)])
def test_the_later_half_of_a_search_is_closer_to_the_best_schedule_than_a_random_draw(
    method: Method, n_seeds: int, most: float
) -> None:
    candidates = enumerate_bit_widths(CHOICES, 3, "free")

    def steps(bit_widths: BitWidths) -> int:
        return sum(abs(CHOICES.index(a) - CHOICES.index(b)) for a, b in zip(bit_widths, (8, 3, 4), strict=True))

    found = [
        bit_widths
        for seed in range(n_seeds)
        for bit_widths in play(
            {"method": method, "candidates": candidates, "n_trials": 30, "seed": seed},
            lambda bits: Outcome(1 - 0.1 * steps(bits), 1e-3 * (1 + steps(bits))),
        )[15:]
    ]
    assert fmean(map(steps, found)) < most * fmean(map(steps, candidates))


def test_a_search_has_several_generations() -> None:
    assert [default_population(n_trials) for n_trials in (1, 12, 20, 60, 100, 1000)] == [4, 4, 6, 8, 12, 50]
    of_two, of_many = (
        play({"method": "nsga2", "candidates": TRIPLES, "n_trials": 20, "seed": 0, "population": population})
        for population in (2, 50)
    )
    assert of_two != of_many


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_trials": 0}, "at least 1, got 0 and 1"),
        ({"lag": 0}, "at least 1, got 5 and 0"),
        ({"method": "cmaes"}, "method must be one of tpe, nsga2, got 'cmaes'"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        proposer_of({"method": "tpe", "candidates": TRIPLES, "n_trials": 5, "seed": 0, "lag": 1, **change})


@pytest.mark.parametrize("figures", [(float("nan"), 1.0), (0.5, float("inf"))])
def test_an_outcome_that_was_not_measured_is_refused(figures: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must hold finite figures"):
        Outcome(*figures)


# What version 0.1.0 proposed before candidates could be more than a list holds; every seventh sum of bits failed.
FREE = enumerate_bit_widths([2, 3, 4, 8], 4, "free")
EARLIER_CANDIDATES: dict[str, tuple[list[BitWidths], list[BitWidths]]] = {
    "whole grid": (TRIPLES, []),
    "within a limit": (
        [bits for bits in FREE if sum(unit * b for unit, b in enumerate(bits, 1)) <= 34],
        [(2, 2, 2, 2), (8, 8, 8, 8)],
    ),
    "in order": (enumerate_bit_widths([2, 3, 4, 8], 4, "ascending"), []),
    "six stages": (enumerate_bit_widths([2, 3, 4, 5, 8], 6, "free"), [(2,) * 6]),
}
EARLIER_PROPOSALS = """
whole grid, tpe, 1
222 444 233 322 324 424 442 432 443 422 332 423 344 433 343 334
whole grid, tpe, 3
222 444 233 322 324 424 344 343 432 224 434 442 422 433 443 342
whole grid, nsga2, 1
222 444 233 322 324 424 334 423 244 224 323 443 223 422 333 232
whole grid, nsga2, 3
222 444 233 322 324 424 344 343 434 223 423 224 323 422 334 232
within a limit, tpe, 1
2223 8342 2432 2232 8432 2822 2433 4822 3432 4432 8233 2442 4433 4333 2422 3322
within a limit, tpe, 3
2223 8342 2432 2232 2324 8233 8432 4342 2443 2822 4343 4432 4822 3242 3432 3433
within a limit, nsga2, 1
2223 8342 2432 2232 2332 8422 4232 2242 2442 4432 8432 2333 4342 4343 2342 4424
within a limit, nsga2, 3
2223 8342 2432 2232 2324 8233 2332 2244 2233 4324 8232 2242 2442 4424 4343 2334
in order, tpe, 1
2222 8888 2333 2233 2338 4444 4888 3888 4448 3444 2444 4488 2888 3448 3488 3388
in order, tpe, 3
2222 8888 2333 2233 2338 2244 4444 4888 3333 4488 3888 4448 3444 3334 2888 3488
in order, nsga2, 1
2222 8888 2333 2233 2338 2344 2234 4444 3344 2223 2444 4488 4448 4888 3888 2888
in order, nsga2, 3
2222 8888 2333 2233 2338 2244 4444 2334 2238 3888 2223 2234 2344 2444 2228 2224
six stages, tpe, 1
222223 888888 244223 432328 422858 884888 342348 534225 434435 884828 845535 234223 845434 835534 445435 848534
six stages, tpe, 3
222223 888888 244223 432328 825485 453584 323538 842345 353584 255243 443344 845238 243223 555884 548238 558355
six stages, nsga2, 1
222223 888888 244223 432328 224228 224254 282222 285452 222323 858888 424222 852388 882282 432828 842223 248858
six stages, nsga2, 3
222223 888888 244223 432328 825485 453584 224228 824282 242222 288582 222823 823888 828283 434228 228828 432828
""".strip().splitlines()


@pytest.mark.parametrize(("case", "expected"), [*zip(EARLIER_PROPOSALS[::2], EARLIER_PROPOSALS[1::2], strict=True)])
def test_a_list_is_searched_as_earlier_versions_did_so_that_their_runs_go_on(case: str, expected: str) -> None:
    candidates, method, lag = case.split(", ")
    schedules, known = EARLIER_CANDIDATES[candidates]
    proposals = play(
        {
            "method": method,
            "candidates": schedules,
            "n_trials": 16,
            "seed": 9,
            "lag": int(lag),
            "known": {bits: outcome_of(bits) for bits in known},
        },
        lambda bits: None if sum(bits) % 7 == 0 else outcome_of(bits),
    )
    assert " ".join("".join(map(str, bits)) for bits in proposals) == expected
