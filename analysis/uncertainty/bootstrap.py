"""How often each configuration is on the front when the seeds are drawn again, and the hypervolume's interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.fronts.pareto import Costs, hypervolume, is_nondominated
from analysis.statistics import student_quantile
from analysis.uncertainty.replicates import Replicates

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
    is no test: there are but 2 (n = 2) to 126 (n = 5) different resamples. `analysis.uncertainty.verdicts` decides.

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


def hypervolume_interval(
    decided: Replicates, reported: Replicates, reference: Costs, error: float = 0.05
) -> tuple[float, float, float]:
    """Return the hypervolume of the front of means, and both ends of its interval.

    Jackknife over the seeds with Student's t on n - 1 degrees of freedom (Miller 1974, Biometrika 61, 1): without one
    seed after the other, the front is found again. The reference point stays where it is. Where configurations tie,
    noise puts more of them on the front of means than belong there, which no interval over seeds repairs: then it
    covers less often.

    Args:
        decided: Measured replicates of the objectives that decide on the front.
        reported: The same configurations and seeds, objectives that are reported.
        reference: Shape (n_objectives,).
        error: Chance that the interval does not cover, where the means are normal and the front does not change.

    Returns:
        Value, low, high; NaN for the ends where the configurations do not share two seeds or more.
    """
    value = _front_hypervolume(decided.means, reported.means, reference)
    n = decided.costs.shape[1]
    if n < 2 or not (decided.is_complete and reported.is_complete):
        return value, math.nan, math.nan
    without = [
        _front_hypervolume(
            np.delete(decided.costs, seed, axis=1).mean(axis=1),
            np.delete(reported.costs, seed, axis=1).mean(axis=1),
            reference,
        )
        for seed in range(n)
    ]
    standard_error = math.sqrt((n - 1) / n * float(np.sum((np.array(without) - np.mean(without)) ** 2)))
    half = student_quantile(error / 2, n - 1) * standard_error
    return value, max(0.0, value - half), value + half


def _front_hypervolume(decided: Costs, reported: Costs, reference: Costs) -> float:
    return hypervolume(reported[is_nondominated(decided)], reference)
