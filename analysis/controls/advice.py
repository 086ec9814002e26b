"""Which schedules to add to a run that cannot separate order from size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.controls.configurations import order_score

Array = NDArray[np.float64]
MOST_CANDIDATES = 4096
N_TERMS = 3
SPARE = 3


def terms_of(bit_widths: Sequence[Sequence[int]]) -> Array:
    """Return order, mean weight bits and log BitOps of schedules in a network of He et al. 2016, shape (n, 3).

    Approximate, for advice only: channels double from stage to stage, so each stage holds four times the weights of
    the one before, at the same number of multiplications.

    >>> terms_of([(3, 3, 3), (2, 3, 4)]).round(2).tolist()
    [[0.0, 3.0, 3.17], [1.0, 3.71, 3.27]]
    """
    bits = np.array([list(widths) for widths in bit_widths], dtype=float)
    shares = 4.0 ** np.arange(bits.shape[1])
    order = [order_score(widths) for widths in bit_widths]
    return np.column_stack([order, bits @ shares / shares.sum(), np.log2((bits**2).mean(axis=1))])


def schedules_to_add(present: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return schedules over the same bits that would make the estimate of order most precise, best first.

    Each of them lowers the variance of the coefficient of order most, given those before it. There are three, or
    more where the regression would have fewer than three degrees of freedom.

    Args:
        present: Quantized schedules that were trained, all with the same number of stages.

    >>> schedules_to_add([(2, 3, 4), (4, 3, 2)])[:2]
    [(2, 4, 3), (4, 2, 3)]
    """
    chosen = list(dict.fromkeys(present))
    low, high = min(map(min, chosen)), max(map(max, chosen))
    n_wanted = max(SPARE, N_TERMS + 1 + SPARE - len(chosen))
    top = max(high, low + 2)
    if (top - low + 1) ** len(chosen[0]) < len(chosen) + n_wanted:  # nearly all of them are there: one bit more
        top += 1
    if (top - low + 1) ** len(chosen[0]) > MOST_CANDIDATES:
        top = low + 2
    bits = range(low, top + 1)
    candidates = [widths for widths in itertools.product(bits, repeat=len(chosen[0])) if widths not in chosen]
    added: list[tuple[int, ...]] = []
    while candidates and len(added) < n_wanted:
        variances = [_variance_of_order([*chosen, *added, widths]) for widths in candidates]
        added.append(candidates.pop(int(np.argmin(variances))))
    return added


def _variance_of_order(schedules: Sequence[tuple[int, ...]]) -> float:
    """Return the variance of the coefficient of order over the residual variance, huge where there is none."""
    terms = terms_of(schedules)
    centred = terms - terms.mean(axis=0)
    return float(np.linalg.inv(centred.T @ centred + 1e-9 * np.eye(N_TERMS))[0, 0])
