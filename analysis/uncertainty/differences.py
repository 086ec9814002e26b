"""Differences between configurations, how sure each is, and its degrees of freedom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.fronts.replicates import Replicates

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.int64]
SPREADS = ("separate", "pooled")
VALUES_AT_ONCE = 500_000


def statistics(
    replicates: Replicates, margins: Array, spread: str, wanted: Rows | None = None
) -> Iterator[tuple[Rows, Array, Counts]]:
    """Yield, a few configurations at a time, how far each is from being dominated by each of the others.

    Args:
        replicates: Measured ones.
        margins: What the others must be better by, shape (n_objectives,).
        spread: ``separate`` or ``pooled``, see `analysis.uncertainty.verdicts`.
        wanted: Which configurations, all without it; each is compared with all others.

    Returns:
        Rows of these configurations; t, shape (n_rows, n_configurations, n_objectives): the other's cost plus margin
        less the own, in standard errors; minus t says how far the other is from not dominating it. Infinite where
        nothing is estimated: for what no seed can change, and against itself. And the degrees of freedom, shape
        (n_rows, n_configurations).
    """
    n, _, n_objectives = replicates.costs.shape
    at_once = max(1, VALUES_AT_ONCE // (n * n_objectives))
    pooled = _pooled_variance(replicates) if spread == "pooled" else None
    every = np.arange(n) if wanted is None else wanted
    for begin in range(0, len(every), at_once):
        rows = every[begin : begin + at_once]
        if pooled is not None:
            difference, variance, df = _pooled_difference(replicates, rows, *pooled)
        elif replicates.is_complete:
            difference, variance, df = _paired_difference(replicates, rows)
        else:
            each = [_incomplete_difference(replicates, row) for row in rows]
            difference, variance, df = (np.stack(parts) for parts in zip(*each, strict=True))
        surplus = difference + margins
        t = surplus / np.sqrt(np.where(variance > 0, variance, np.inf))
        if replicates.is_exact.any():
            t = np.where(replicates.is_exact, np.where(surplus > 0, np.inf, -np.inf), t)
        t[np.arange(len(rows)), rows] = np.inf
        yield rows, t, df


def _paired_difference(replicates: Replicates, rows: Rows) -> tuple[Array, Array, Counts]:
    """Return others less these configurations (r, n, m), the variance of that and its degrees of freedom (r, n).

    All have all seeds: the variance of a difference is that of both less twice their covariance.
    """
    n, n_seeds, _ = replicates.costs.shape
    residuals, variances = replicates.residuals, replicates.variances
    by_objective = np.moveaxis(residuals, 2, 0)
    products = np.matmul(by_objective[:, rows], np.swapaxes(by_objective, 1, 2))
    covariance = np.moveaxis(products, 0, 2) / max(n_seeds - 1, 1)
    variance = np.maximum(variances + variances[rows, None] - 2 * covariance, replicates.least_variance * 2) / n_seeds
    if n_seeds < 2:
        variance[:] = np.inf
    difference = replicates.means - replicates.means[rows, None]
    return difference, variance, np.full((len(rows), n), max(n_seeds - 1, 1))


def _incomplete_difference(replicates: Replicates, row: int) -> tuple[Array, Array, Counts]:
    """Return the same for one configuration, (n, m) and (n,), where seeds are missing: paired over common seeds.

    Pairs without two common seeds are compared as independent samples, with the degrees of freedom of the smaller,
    which is on the safe side (Scheffe 1970, JASA 65, 1501). With one seed, the variance is infinite.
    """
    is_common = replicates.has_seed & replicates.has_seed[row]
    n_common = is_common.sum(axis=1)
    paired = np.where(is_common[..., None], replicates.costs - replicates.costs[row], 0.0)
    divisor = np.maximum(n_common, 1)[:, None]
    difference: Array = paired.sum(axis=1) / divisor
    squares = (np.where(is_common[..., None], paired - difference[:, None], 0.0) ** 2).sum(axis=1)
    variance = np.maximum(squares / np.maximum(n_common - 1, 1)[:, None], 2 * replicates.least_variance) / divisor
    is_apart = n_common < 2
    n_seeds = replicates.n_seeds
    own = np.maximum(replicates.variances, replicates.least_variance) / n_seeds[:, None]
    smaller = np.minimum(n_seeds, n_seeds[row])
    difference = np.where(is_apart[:, None], replicates.means - replicates.means[row], difference)
    variance = np.where(is_apart[:, None], own + own[row], variance)
    variance[is_apart & (smaller < 2)] = np.inf
    return difference, variance, np.maximum(np.where(is_apart, smaller, n_common) - 1, 1)


def _pooled_variance(replicates: Replicates) -> tuple[Array, int]:
    """Return the variance of one replicate (m,), infinite where unknown, and its degrees of freedom.

    Where all configurations have all seeds, the effect of a seed on all of them is taken out first.
    """
    residuals = replicates.residuals
    n, n_seeds = residuals.shape[:2]
    if replicates.is_complete:
        residuals = residuals - residuals.mean(axis=0)
        df = (n - 1) * (n_seeds - 1)
    else:
        df = int((replicates.n_seeds - 1).sum())
    if df < 1:
        return np.full(residuals.shape[2], np.inf), 1
    return np.maximum(np.nansum(residuals**2, axis=(0, 1)) / df, replicates.least_variance), df


def _pooled_difference(replicates: Replicates, rows: Rows, variance: Array, df: int) -> tuple[Array, Array, Counts]:
    shares = 1 / replicates.n_seeds
    difference = replicates.means - replicates.means[rows, None]
    return difference, (shares + shares[rows, None])[..., None] * variance, np.full((len(rows), len(shares)), df)
