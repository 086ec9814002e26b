"""Which configurations are shown to be on the front, and which to be dominated, with a family-wise error.

Two kinds of claims are made about the means mu over infinitely many seeds, epsilon being 0 unless asked for:

- *on the front*: no other configuration is better by epsilon or more in every objective. Shown where, for each other
  configuration, one objective shows that it is not. Per objective this is a t test of a difference; over the
  objectives Bonferroni, as one is enough; over the other configurations the largest p value, as all are needed
  (intersection-union test, Berger 1982, Technometrics 24, 295). Of equal configurations none is shown to be.
- *dominated by j*: j is better by more than epsilon in every objective. All objectives are needed, so the largest p.

All claims together, one of the first kind per configuration and one of the second per ordered pair, are tested by
Holm's method (1979, Scand. J. Statist. 6, 65; weighted: half the error goes to each kind), which holds under any
dependence between them. So the chance of one or more false claims is at most the error, 5 % by default, whichever
configurations are truly equal. It rests on means of seeds being normal, and on the spread:

- ``separate``: t tests of the differences seed by seed, each pair of configurations with a spread of its own and n - 1
  degrees of freedom. Configurations may differ in spread (2 bits are noisier than 32) and share what a seed brings.
- ``pooled``: one spread for all configurations, from the residuals beside configurations and seeds. Far more degrees
  of freedom, so far more is shown with 2 or 3 seeds, but false where one configuration is noisier than the others.

In simulated sweeps of six configurations with 2 to 10 seeds (`tests/analysis/uncertainty/test_error.py`, and 1,000
sweeps by hand), ``separate`` was false in at most 2 % where noise is normal, spreads 25-fold apart included, and in at
most 1 % with lognormal noise of one spread. Lognormal noise (sigma 1) with spreads 25-fold apart reached 8 %.

Replicates are rounded (an accuracy moves by one image), so a variance below that of a rounded value, step^2 / 12, is
taken for that. What follows from the configuration alone (weights, BitOps) has no spread and is compared as it is;
there, no worse is enough for dominance, as long as something is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analysis.fronts.replicates import Replicates
from analysis.statistics import student_quantile, student_tail
from analysis.uncertainty.differences import SPREADS, statistics

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
FAMILY_WISE_ERROR = 0.05


class Verdict(StrEnum):
    """What is shown of a configuration, as the tables have it."""

    ON_FRONT = "on the front"
    DOMINATED = "dominated"
    UNDECIDED = "undecided"
    ONE_SEED = "undecided (one seed)"
    NOT_TESTED = "not tested"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Claims:
    """What is shown of each configuration.

    Attributes:
        on_front: Shape (n_configurations,).
        dominators: Of each configuration those shown to dominate it, the surest first.
    """

    on_front: NDArray[np.bool_]
    dominators: tuple[tuple[int, ...], ...]


def find_claims(
    replicates: Replicates,
    *,
    epsilon: Array | None = None,
    spread: str = "separate",
    error: float = FAMILY_WISE_ERROR,
    wanted: Indices | None = None,
) -> Claims:
    """Return what is shown of each configuration.

    Args:
        replicates: Measured ones, see `Replicates.measured`.
        epsilon: Margin of each objective in its unit, none negative, shape (n_objectives,); none without it.
        spread: ``separate`` or ``pooled``, see above.
        error: Largest chance of one or more false claims.
        wanted: Configurations to test, all without it; levels remain those of all, whatever chose them.

    Raises:
        ValueError: ``spread`` is neither, or ``error`` not in (0, 0.5].
    """
    if spread not in SPREADS or not 0 < error <= 0.5:
        raise ValueError(f"spread must be one of {SPREADS} and error in (0, 0.5], got {spread!r} and {error}")
    n = len(replicates.costs)
    if n < 2 or (wanted is not None and not len(wanted)):
        return Claims(np.full(n, n < 2), ((),) * n)
    margins = np.zeros(replicates.costs.shape[2]) if epsilon is None else np.asarray(epsilon, dtype=float)
    n_tests = max(1, int((~replicates.is_exact).sum()))
    p_front, pairs = np.ones(n), []
    # Of n (n - 1) pairs at most half can be claimed, and of the fronts all: Holm's levels end four times higher.
    most_p = min(0.5, 4 * error / (2 * n * (n - 1)))
    for rows, t, df in statistics(replicates, margins, spread, wanted):
        farthest = t.max(axis=2)
        p_front[rows] = np.minimum(1.0, n_tests * _largest_p(farthest, df))
        is_equal = _is_exactly_equal(replicates, rows, margins)
        of_rows, found, p = _small_p(np.where(is_equal, -np.inf, -farthest), df, most_p)
        pairs.append((found, rows[of_rows], p))
    winners, losers, all_p = (np.concatenate(part) for part in zip(*pairs, strict=True))
    is_shown, are_shown = _holm(p_front, all_p, error)
    return Claims(is_shown, _by_loser(n, winners, losers, all_p, are_shown))


def _is_exactly_equal(replicates: Replicates, rows: Indices, margins: Array) -> NDArray[np.bool_]:
    """Return which others are at the margin exactly, in objectives that are all exact: they dominate nothing."""
    if not replicates.is_exact.all():
        return np.zeros((len(rows), len(replicates.costs)), dtype=bool)
    return np.asarray((replicates.means - replicates.means[rows, None] + margins >= 0).all(axis=2))


def _largest_p(t: Array, df: Indices) -> Array:
    """Return of each row the largest P(T > t)."""
    each = [student_tail(np.where(df == value, t, np.inf).min(axis=1), value) for value in _distinct(df)]
    return np.asarray(np.max(each, axis=0))


def _small_p(t: Array, df: Indices, most_p: float) -> tuple[Indices, Indices, Array]:
    """Return the rows and columns where P(T > t) is at most ``most_p``, and these p."""
    found = []
    for value in _distinct(df):
        rows, columns = np.nonzero((df == value) & (t >= student_quantile(most_p, value)))
        found.append((rows, columns, student_tail(t[rows, columns], value)))
    rows, columns, p = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns, p


def _distinct(df: Indices) -> list[int]:
    return [int(df[0, 0])] if df.min() == df.max() else [int(value) for value in np.unique(df)]


def _holm(p_front: Array, p_dominance: Array, error: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which claims hold by Holm's method; the weight of those that hold goes to the remaining ones."""
    n = len(p_front)
    weight_front, weight_dominance = 1 / (2 * n), 1 / (2 * n * (n - 1))
    left = 1.0
    while True:
        is_shown = p_front <= error * weight_front / left
        is_pair_shown = p_dominance <= error * weight_dominance / left
        still_left = 1 - is_shown.sum() * weight_front - is_pair_shown.sum() * weight_dominance
        if still_left >= left:
            return is_shown, is_pair_shown
        left = still_left


def _by_loser(
    n: int, winners: Indices, losers: Indices, p: Array, is_shown: NDArray[np.bool_]
) -> tuple[tuple[int, ...], ...]:
    """Return of each configuration its dominators, smallest p first."""
    dominators: list[list[int]] = [[] for _ in range(n)]
    for pair in np.flatnonzero(is_shown)[np.argsort(p[is_shown], kind="stable")]:
        dominators[losers[pair]].append(int(winners[pair]))
    return tuple(map(tuple, dominators))
