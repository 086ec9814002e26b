from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.stopping.dominance import accuracy_bound

FRACTIONS = st.floats(0, 1)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 1.0), (2, 0.6 + 0.01 + 0.25 * 0.75), (3, 0.6 + 0.01 + 0.25 * 0.5), (4, 0.6 + 0.01 + 0.25 * 0.25), (6, 0.61)],
)
def test_the_bound_is_the_stated_formula(epoch: int, expected: float) -> None:
    optimism = 1.0 if epoch == 0 else 0.25  # cos(pi/3) = 1/2, cos(pi/2) = 0, cos(2 pi/3) = -1/2
    assert accuracy_bound(0.6, epoch, 6, optimism=optimism, margin=0.01) == pytest.approx(expected)


@given(FRACTIONS, st.integers(1, 400), FRACTIONS, FRACTIONS)
def test_the_bound_falls_towards_the_best_and_margin_and_never_above_one(
    best: float, n_epochs: int, optimism: float, margin: float
) -> None:
    bounds = [accuracy_bound(best, epoch, n_epochs, optimism=optimism, margin=margin) for epoch in range(n_epochs + 1)]
    assert bounds == sorted(bounds, reverse=True)
    assert all(min(1.0, best + margin) <= bound <= 1 for bound in bounds)
    assert bounds[-1] == pytest.approx(min(1.0, best + margin))


@given(FRACTIONS, st.integers(1, 400), st.floats(0, 0.5))
def test_with_full_optimism_nothing_is_out_of_reach_when_a_trial_begins(
    best: float, n_epochs: int, margin: float
) -> None:
    assert accuracy_bound(best, 0, n_epochs, optimism=1.0, margin=margin) == 1.0
