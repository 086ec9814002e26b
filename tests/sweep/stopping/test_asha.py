from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.stopping.asha import Rungs

ACCURACIES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=60)


def brute_force(seen: list[float], accuracy: float, reduction_factor: int) -> bool:
    """Sort everything that has come, ``accuracy`` included, and look whether it is in the first 1/eta."""
    n_kept = len(seen) // reduction_factor
    return n_kept == 0 or accuracy in sorted(seen, reverse=True)[:n_kept]


@given(ACCURACIES, st.integers(2, 5))
def test_a_rung_decides_as_sorting_all_that_came_would(accuracies: list[float], reduction_factor: int) -> None:
    rungs = Rungs(1, reduction_factor)
    for n, accuracy in enumerate(accuracies, start=1):
        standing = rungs.enter(1, accuracy)
        assert standing.goes_on == brute_force(accuracies[:n], accuracy, reduction_factor)
        assert (standing.n_arrived, standing.n_kept) == (n, n // reduction_factor)


@given(ACCURACIES, st.integers(2, 5), st.randoms(use_true_random=False))
def test_who_has_come_to_a_rung_counts_not_in_which_order(accuracies: list[float], factor: int, random: object) -> None:
    shuffled = list(accuracies)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = Rungs(1, factor), Rungs(1, factor)
    for accuracy in accuracies:
        first.enter(1, accuracy)
    for accuracy in shuffled:
        second.enter(1, accuracy)
    assert first.enter(1, 0.5) == second.enter(1, 0.5)


@pytest.mark.parametrize(
    ("grace_epochs", "factor", "expected"), [(1, 3, [1, 3, 9, 27, 81]), (4, 2, [4, 8, 16, 32, 64])]
)
def test_rungs_stand_at_the_grace_times_powers_of_the_factor(
    grace_epochs: int, factor: int, expected: list[int]
) -> None:
    rungs = Rungs(grace_epochs, factor)
    assert list(itertools.filterfalse(lambda epoch: not rungs.is_rung(epoch), range(1, 100))) == expected


def test_rungs_do_not_mix() -> None:
    rungs = Rungs(1, 2)
    for accuracy in (0.9, 0.8, 0.7):
        rungs.enter(1, accuracy)
    standing = rungs.enter(2, 0.1)
    assert standing.goes_on
    assert standing.n_arrived == 1
