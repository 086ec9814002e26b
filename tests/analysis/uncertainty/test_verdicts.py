"""Claims against a slow twin: t tests of scipy, one after the other, and Holm's weighted method claim by claim."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.fronts.replicates import Replicates
from analysis.uncertainty.verdicts import Claims, find_claims

Array = np.ndarray


def replicates(costs: Array, *, exact: bool = False) -> Replicates:
    return Replicates(costs, np.full(costs.shape[2], exact), np.arange(len(costs)))


def surplus_t(costs: Array, i: int, j: int, k: int, margin: float) -> float:
    """Return t of the paired difference; its variance is at least that of rounding both to the smallest step."""
    differences = costs[j, :, k] + margin - costs[i, :, k]
    step = min(np.diff(np.unique(costs[..., k])), default=0.0)
    return float(differences.mean() / np.sqrt(max(differences.var(ddof=1), step**2 / 6) / len(differences)))


def twin(costs: Array, margins: Array, error: float) -> tuple[list[bool], list[set[int]]]:
    n, _, n_objectives = costs.shape
    claims: list[tuple[float, float, int, int | None]] = []  # p over weight, weight, of whom, dominated by whom
    for i in range(n):
        p_not_dominated = []
        for j in [other for other in range(n) if other != i]:
            t = [surplus_t(costs, i, j, k, margins[k]) for k in range(n_objectives)]
            df = costs.shape[1] - 1
            p_not_dominated.append(min(float(stats.t.sf(each, df)) for each in t))
            weight = 1 / (2 * n * (n - 1))
            claims.append((max(float(stats.t.sf(-each, df)) for each in t) / weight, weight, i, j))
        weight = 1 / (2 * n)
        claims.append((min(1.0, n_objectives * max(p_not_dominated)) / weight, weight, i, None))
    on_front, dominators, left = [False] * n, [set() for _ in range(n)], 1.0  # type: ignore[var-annotated]
    for ratio, weight, i, j in sorted(claims, key=lambda claim: claim[0]):
        if ratio > error / left:
            break
        left -= weight
        if j is None:
            on_front[i] = True
        else:
            dominators[i].add(j)
    return on_front, dominators


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.integers(2, 5),
    st.integers(2, 6),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.05, 0.2, 0.5]),
    st.sampled_from([0.5, 2.0, 8.0]),
)
def test_claims_are_those_of_the_slow_twin(
    seed: int, n: int, n_seeds: int, n_objectives: int, margin: float, error: float, distance: float
) -> None:
    generator = np.random.default_rng(seed)
    centres = distance * generator.integers(0, 4, size=(n, 1, n_objectives))
    costs = centres + generator.normal(size=(n, n_seeds, n_objectives))
    margins = np.full(n_objectives, margin)
    claims = find_claims(replicates(costs), epsilon=margins, error=error)
    on_front, dominators = twin(costs, margins, error)
    assert claims.on_front.tolist() == on_front
    assert [set(found) for found in claims.dominators] == dominators


def test_of_several_dominators_the_surest_comes_first() -> None:
    noise = np.random.default_rng(0).normal(size=(4, 4, 2)) * 0.01
    costs = np.array([5.0, 1.0, 0.0, 3.0])[:, None, None] + noise
    claims = find_claims(replicates(costs), spread="pooled")
    assert claims.dominators == ((2, 1, 3), (2,), (), (2, 1))
    assert claims.on_front.tolist() == [False, False, True, False]


def test_one_configuration_is_the_front_and_none_has_none() -> None:
    one = np.ones((1, 3, 2))
    assert find_claims(replicates(one)) == Claims(np.array([True]), ((),))
    nobody = find_claims(replicates(one[:0]))
    assert (nobody.on_front.tolist(), nobody.dominators) == ([], ())


@pytest.mark.parametrize(("spread", "error"), [("both", 0.05), ("separate", 0.0), ("pooled", 0.51)])
def test_a_spread_or_an_error_that_is_none_is_refused(spread: str, error: float) -> None:
    with pytest.raises(ValueError, match=r"error in \(0, 0.5\]"):
        find_claims(replicates(np.ones((2, 2, 1))), spread=spread, error=error)


def test_where_all_is_exact_a_tie_dominates_nothing_and_the_margin_is_one() -> None:
    costs = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 1.0], [2.5, 1.5]])[:, None]
    claims = find_claims(replicates(costs, exact=True))
    assert claims.on_front.tolist() == [False, False, False, False], "of equal ones none is shown to be"
    assert [set(found) for found in claims.dominators] == [set(), set(), {0, 1}, {0, 1, 2}]
    within = find_claims(replicates(costs, exact=True), epsilon=np.array([0.5, 0.5]))
    assert within.on_front.tolist() == [True, True, True, False]
    assert [set(found) for found in within.dominators] == [set(), set(), set(), {0, 1}]


def test_dominated_and_on_the_front_hold_for_every_pair_of_exact_costs() -> None:
    points = list(itertools.product(range(3), repeat=2))
    costs = np.array(points, dtype=float)[:, None]
    claims = find_claims(replicates(costs, exact=True))
    for i, point in enumerate(points):
        others = [j for j, other in enumerate(points) if other != point]
        better = {j for j in others if all(a <= b for a, b in zip(points[j], point, strict=True))}
        assert set(claims.dominators[i]) == better
        assert claims.on_front[i] == (not better)
