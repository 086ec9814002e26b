"""Verdicts on planted truths: how often any is false, and how often the interval of the hypervolume covers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.fronts.pareto import hypervolume, is_nondominated
from analysis.fronts.replicates import Replicates
from analysis.uncertainty.hypervolume import hypervolume_interval
from analysis.uncertainty.verdicts import Claims, find_claims

Array = NDArray[np.float64]
N_SIMULATIONS = 400
STEPS = np.arange(6.0)
# Two costs of six configurations; a spread of 1 over seeds.
TRUTHS = {
    "all equal": np.zeros((6, 2)),
    "clear dominators": np.array([[0, 0], [1, 1], [0, 0], [2, 2], [1, 1], [-50, 60.0]]),
    "ties": np.array([[0, 0], [0, 50], [50, 0], [0, 0], [50, 50], [0, 25.0]]),
    "all on the front": np.column_stack([20 * STEPS, 100 - 20 * STEPS]),
}
UNEVEN = np.array([0.2, 0.2, 0.2, 0.2, 1.0, 5.0])


def draw(truth: Array, spread: Array, n_seeds: int, generator: np.random.Generator) -> Replicates:
    """Return normal replicates whose objectives go together, with an effect of each seed on all configurations."""
    noise = generator.standard_normal((len(truth), n_seeds, 2))
    noise[..., 1] = 0.6 * noise[..., 0] + 0.8 * noise[..., 1]
    seeds = generator.standard_normal((1, n_seeds, 2))
    return Replicates(
        truth[:, None] + spread[:, None, None] * noise + seeds, np.zeros(2, dtype=bool), np.arange(len(truth))
    )


def is_false(claims: Claims, truth: Array) -> bool:
    """Return whether any claim is false; a tie counts as dominating in one kind, and as not in the other."""
    others = ~np.eye(len(truth), dtype=bool)
    is_as_good = (truth[:, None] <= truth).all(axis=2) & others
    is_better = (truth[:, None] < truth).all(axis=2)
    false_fronts = claims.on_front & is_as_good.any(axis=0)
    return bool(false_fronts.any()) or any(
        not is_better[winner, loser] for loser, winners in enumerate(claims.dominators) for winner in winners
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("name", TRUTHS)
def test_verdicts_are_all_right_in_95_of_100_sweeps(name: str, n_seeds: int) -> None:
    generator = np.random.default_rng(n_seeds)
    truth = TRUTHS[name]
    for spread, method in ((np.ones(6), "separate"), (UNEVEN, "separate"), (np.ones(6), "pooled")):
        n_false = sum(
            is_false(find_claims(draw(truth, spread, n_seeds, generator), spread=method), truth)
            for _ in range(N_SIMULATIONS)
        )
        assert n_false <= 0.05 * N_SIMULATIONS, (method, spread.tolist())


@pytest.mark.slow
def test_verdicts_find_what_is_clear() -> None:
    generator = np.random.default_rng(0)
    truth = TRUTHS["all on the front"]

    def share_shown(n_seeds: int, method: str) -> float:
        shown = [find_claims(draw(truth, np.ones(6), n_seeds, generator), spread=method).on_front for _ in range(100)]
        return float(np.mean(shown))

    assert share_shown(5, "separate") > 0.99
    assert share_shown(2, "pooled") > 0.99
    assert share_shown(2, "separate") < 0.1, "two seeds and no assumption show next to nothing"


@pytest.mark.slow
def test_one_spread_for_all_is_false_where_one_is_noisier() -> None:
    generator = np.random.default_rng(0)
    n_false = sum(
        is_false(find_claims(draw(np.zeros((6, 2)), UNEVEN, 3, generator), spread="pooled"), np.zeros((6, 2)))
        for _ in range(N_SIMULATIONS)
    )
    assert n_false > 0.06 * N_SIMULATIONS, "why it is not the default"


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10])
def test_the_hypervolumes_interval_covers_where_the_front_is_clear(n_seeds: int) -> None:
    generator = np.random.default_rng(n_seeds)
    truth = np.array(TRUTHS["all on the front"])
    truth[[1, 3]] += 15  # dominated
    reference = np.full(2, 140.0)
    value = hypervolume(truth[is_nondominated(truth)], reference)
    n_covered = 0
    for _ in range(1000):
        costs = draw(truth, np.ones(6), n_seeds, generator)
        _, low, high = hypervolume_interval(costs, costs, reference)
        n_covered += low <= value <= high
    assert 0.92 <= n_covered / 1000 <= 0.98
