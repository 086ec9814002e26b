"""Statistics of paired differences over few seeds: intervals, effect size, Holm's correction, what can be detected."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.float64]
LEVEL = 0.05
POWER = 0.8
MOST_ENUMERATED_SEEDS = 5
N_RESAMPLES = 4000
CHUNK = 256


def two_sided_p(t: Array, df: int) -> Array:
    """Return the probability of a t at least as far from 0.

    >>> two_sided_p(np.array([0.0, -4.303, 4.303]), 2).round(3).tolist()
    [1.0, 0.05, 0.05]
    """
    p: Array = 2 * student_tail(np.abs(t), df)
    return p


def holm(p_values: Array) -> Array:
    """Return Holm's (1979) adjusted p-values; one that is NaN stays so and is not counted.

    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps * p_values[order]), 1.0)
    return adjusted


def hedges_correction(df: int) -> float:
    """Return the factor that takes the bias from a standardised difference (Hedges 1981, eq. 6e, exact); NaN below 2.

    >>> round(hedges_correction(2), 4), round(hedges_correction(10), 4)
    (0.5642, 0.9227)
    """
    if df < 2:
        return math.nan
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def detectable(std_error: Array, df: int, tail: float = LEVEL / 2) -> Array:
    """Return the true difference that a two-sided t-test finds with a probability of about 80 %.

    Args:
        std_error: Standard errors as estimated; the result is as uncertain as they are.
        df: Their degrees of freedom.
        tail: Level of the test, divided by 2 and by whatever it is corrected for.

    >>> detectable(np.array([1.0]), 10).round(2).tolist()
    [3.11]
    """
    return (student_quantile(tail, df) + student_quantile(1 - POWER, df)) * std_error


@functools.cache
def _resamples(n: int) -> Array:
    """Return the share of each of ``n`` seeds in each resample: all n^n resamples up to 5 seeds, else a fixed draw."""
    if n <= MOST_ENUMERATED_SEEDS:
        drawn = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        drawn = np.random.default_rng(0).integers(n, size=(N_RESAMPLES, n))
    counts: Array = np.stack([(drawn == seed).sum(axis=1) for seed in range(n)], axis=1) / n
    return counts


def percentile_bootstrap(differences: Array) -> tuple[Array, Array]:
    """Return the percentile bootstrap's 95 % interval of each mean: quantiles of the means of resampled seeds.

    With few seeds it is too narrow: no resample lies outside what was seen. It stands beside Student's t, not in its
    place.

    Args:
        differences: Shape (n_pairs, n_seeds), without NaN.

    Returns:
        Lower and upper ends, each of shape (n_pairs,).

    >>> [end.round(2).tolist() for end in percentile_bootstrap(np.array([[1.0, 2.0, 3.0]]))]
    [[1.0], [3.0]]
    """
    weights = _resamples(differences.shape[1]).T
    low, high = np.empty(len(differences)), np.empty(len(differences))
    for start in range(0, len(differences), CHUNK):
        chunk = slice(start, start + CHUNK)
        means = differences[chunk] @ weights
        low[chunk] = np.quantile(means, LEVEL / 2, axis=1, method="lower")
        high[chunk] = np.quantile(means, 1 - LEVEL / 2, axis=1, method="higher")
    return low, high


def student_tail(t: Array, df: int) -> Array:
    """Return P(T > t) for Student's t with ``df`` degrees of freedom.

    Of `scipy.special`, since importing `scipy.stats` takes half a second.

    >>> student_tail(np.array([0.0, 12.706, np.inf]), 1).round(4).tolist()
    [0.5, 0.025, 0.0]
    >>> student_tail(np.array([2.776, -2.776]), 4).round(4).tolist()
    [0.025, 0.975]

    Raises:
        ValueError: ``df`` is below 1.
    """
    if df < 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {df}")
    return np.asarray(stdtr(df, -np.asarray(t, dtype=float)))


def student_quantile(tail: float, df: int) -> float:
    """Return the t that Student's t with ``df`` degrees of freedom exceeds with probability ``tail``, 0 to 0.5.

    >>> round(student_quantile(0.025, 1), 3), round(student_quantile(0.025, 10), 3)
    (12.706, 2.228)

    Raises:
        ValueError: ``tail`` is not in (0, 0.5], or ``df`` below 1.
    """
    if not 0 < tail <= 0.5:
        raise ValueError(f"a tail must be in (0, 0.5], got {tail}")
    if df < 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {df}")
    return -float(stdtrit(df, tail))
