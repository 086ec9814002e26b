"""Which schedules to add to a run that cannot separate order from size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.controls.configurations import order_over_depth, order_score
from analysis.runs.networks import FEW_UNITS

Array = NDArray[np.float64]
MOST_CANDIDATES = 4096
N_TERMS = 3
SPARE = 3


def terms_of(bit_widths: Sequence[Sequence[int]]) -> Array:
    """Return order, mean weight bits and log BitOps of schedules in a network of He et al. 2016, shape (n, 3).

    Approximate, for advice only: channels double from stage to stage, so each stage holds four times the weights of
    the one before, at the same number of multiplications. More units than stages lie evenly over six of them.

    >>> terms_of([(3, 3, 3), (2, 3, 4)]).round(2).tolist()
    [[0.0, 3.0, 3.17], [1.0, 3.71, 3.27]]
    """
    bits = np.array([list(widths) for widths in bit_widths], dtype=float)
    n_units = bits.shape[1]
    shares = 4.0 ** np.linspace(0, min(n_units, FEW_UNITS) - 1, n_units)
    order = [(order_score if n_units <= FEW_UNITS else order_over_depth)(widths) for widths in bit_widths]
    return np.column_stack([order, bits @ shares / shares.sum(), np.log2((bits**2).mean(axis=1))])


def schedules_to_add(present: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return schedules over the same bits that would make the estimate of order most precise, best first.

    Each of them lowers the variance of the coefficient of order most, given those before it. There are three, or
    more where the regression would have fewer than three degrees of freedom. Of more than six units, neighbours have
    equal bits, six groups of them: all schedules would be too many to try.

    Args:
        present: Quantized schedules that were trained, all with the same number of units.

    >>> schedules_to_add([(2, 3, 4), (4, 3, 2)])[:2]
    [(2, 4, 3), (4, 2, 3)]
    """
    chosen = list(dict.fromkeys(present))
    n_units = len(chosen[0])
    n_groups = min(n_units, FEW_UNITS)
    low, high = min(map(min, chosen)), max(map(max, chosen))
    n_wanted = max(SPARE, N_TERMS + 1 + SPARE - len(chosen))
    top = max(high, low + 2)
    if (top - low + 1) ** n_groups < len(chosen) + n_wanted:  # nearly all of them are there: one bit more
        top += 1
    if (top - low + 1) ** n_groups > MOST_CANDIDATES:
        top = low + 2
    group_of = [unit * n_groups // n_units for unit in range(n_units)]
    grouped = itertools.product(range(low, top + 1), repeat=n_groups)
    trained = set(chosen)
    schedules = (tuple(bits[group] for group in group_of) for bits in grouped)
    candidates = [widths for widths in schedules if widths not in trained]
    added: list[tuple[int, ...]] = []
    terms, offered = np.split(terms_of([*chosen, *candidates]), [len(chosen)])
    while candidates and len(added) < n_wanted:
        best = int(np.argmin(_variances_of_order(terms, offered)))
        terms, offered = np.vstack([terms, offered[best]]), np.delete(offered, best, axis=0)
        added.append(candidates.pop(best))
    return added


def _variances_of_order(terms: Array, offered: Array) -> Array:
    """Return the variance of the coefficient of order over the residual variance with each of some schedules added.

    Args:
        terms: Of the schedules that are there, shape (n, 3).
        offered: Of those of which one is added, shape (m, 3).

    Returns:
        Shape (m,), huge where there is no such variance.
    """
    centre = terms.mean(axis=0)
    own, new = terms - centre, offered - centre
    share = 1 - 1 / (len(terms) + 1)  # the mean moves with the new one
    squares = own.T @ own + share * new[:, :, None] * new[:, None, :]
    variances: Array = np.linalg.inv(squares + 1e-9 * np.eye(N_TERMS))[:, 0, 0]
    return variances
