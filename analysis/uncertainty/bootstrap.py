"""How often each configuration is on the front when the seeds are drawn again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.fronts.pareto import Costs, is_nondominated
from analysis.fronts.replicates import Replicates

Array = NDArray[np.float64]
DRAWS_AT_ONCE_VALUES = 4_000_000


def on_front_probability(
    replicates: Replicates, generator: np.random.Generator, n_resamples: int = 2000, epsilon: Array | None = None
) -> Array:
    """Return the share of bootstrap resamples of the seeds in which each configuration is on the front of means.

    A seed is drawn with all its objectives, and for all configurations that were trained with the same set of seeds
    at once; configurations with other sets are drawn independently of them (Efron and Tibshirani 1993, chapter 8).
    The means of n drawn seeds spread less than those of n new ones, by (n - 1) / n in variance, so that their
    distance from the mean of all is stretched by sqrt(n / (n - 1)). With 2 to 5 seeds this describes the sample and
    is no test: there are only 3 (n = 2) to 126 (n = 5) different resamples. `analysis.uncertainty.verdicts` decides.

    Args:
        replicates: Measured ones, see `Replicates.measured`.
        generator: Source of the draws.
        n_resamples: Number of resamples.
        epsilon: Margins, shape (n_objectives,): counts as on the front what nothing beats by more in every objective.

    Returns:
        Shape (n_configurations,), NaN for a configuration with one seed; the others then meet it as it is.
    """
    means, counts = replicates.means, np.zeros(len(replicates.costs), dtype=np.int64)
    at_once = max(1, DRAWS_AT_ONCE_VALUES // max(1, means.size))
    for begin in range(0, n_resamples, at_once):
        for costs in means + _draw_deviations(replicates, generator, min(at_once, n_resamples - begin)):
            counts += is_on_front(costs, epsilon)
    return np.where(replicates.n_seeds > 1, counts / max(n_resamples, 1), np.nan)


def is_on_front(costs: Costs, epsilon: Array | None = None) -> NDArray[np.bool_]:
    """Return what nothing dominates, or with margins what nothing would once it were better by them.

    Additive epsilon-dominance (Laumanns et al. 2002): with margin 0 in every objective this is the front.

    >>> costs = np.array([[1.0, 2.0], [1.05, 2.1], [1.3, 2.3]])
    >>> is_on_front(costs).tolist(), is_on_front(costs, np.array([0.1, 0.2])).tolist()
    ([True, False, False], [True, True, False])
    """
    front = is_nondominated(costs)
    if epsilon is None or not np.any(epsilon):
        return front
    improved = costs - epsilon
    best = np.unique(costs[front], axis=0)
    kept = front.copy()
    for index in np.flatnonzero(~front):
        is_as_good = (best <= improved[index]).all(axis=1)
        kept[index] = not (is_as_good & (best < improved[index]).any(axis=1)).any()
    return kept


def _draw_deviations(replicates: Replicates, generator: np.random.Generator, n_draws: int) -> Array:
    """Return resampled less observed means, shape (n_draws, n_configurations, n_objectives)."""
    n, _, n_objectives = replicates.costs.shape
    deviations = np.zeros((n_draws, n, n_objectives))
    sets, members = np.unique(replicates.has_seed, axis=0, return_inverse=True)
    for number, has_seed in enumerate(sets):
        n_seeds = int(has_seed.sum())
        if n_seeds < 2:
            continue
        rows = np.flatnonzero(members.ravel() == number)
        residuals = replicates.costs[np.ix_(rows, np.flatnonzero(has_seed))] - replicates.means[rows, None]
        shares = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_draws) / n_seeds
        drawn = np.tensordot(shares, residuals, axes=(1, 1))
        deviations[:, rows] = drawn * math.sqrt(n_seeds / (n_seeds - 1))
    return deviations
