"""Least squares with an intercept per block; configurations are the units of evidence, errors the jackknife over them.

The controls explain a figure by order and size with it, the sensitivity by the bits of each unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import LEVEL, detectable, student_quantile, two_sided_p

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
# Of a term that the others explain to this share, nothing is left to estimate.
INSEPARABLE = 1 - 1e-6


@dataclass(frozen=True)
class PanelData:
    """What a regression is over: a row per configuration and seed.

    Attributes:
        figure: Shape (n_rows,).
        terms: Regressors by name, one row per configuration, shape (n_configurations, n_terms).
        configuration: Number of each row's configuration, shape (n_rows,).
        block: Number of each row's block, a seed of a group of settings; blocks have intercepts of their own.
    """

    figure: Array
    terms: pd.DataFrame
    configuration: Indices
    block: Indices


def within_blocks(values: Array, block: Indices) -> Array:
    """Return values less the mean of their block, which is the same as an intercept for each block.

    >>> within_blocks(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1])).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    sums = np.zeros((int(block.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, block, values)
    means = sums / np.bincount(block, minlength=len(sums))[:, None].clip(1)
    centred: Array = values - means[block]
    return centred


def explained_by_others(design: Array) -> Array:
    """Return for each column the share of its squares that the other columns explain (R^2), 1 for an empty one.

    >>> explained_by_others(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).tolist()
    [0.0, 0.0]
    """
    shares = np.ones(design.shape[1])
    for column in range(design.shape[1]):
        own, others = design[:, column], np.delete(design, column, axis=1)
        total = float(own @ own)
        if total > 1e-12:
            rest = own - others @ np.linalg.lstsq(others, own)[0] if others.shape[1] else own
            shares[column] = 1 - float(rest @ rest) / total
    return shares


def _solve(panel: PanelData, kept: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the coefficients from some rows, and the share of each term that the others explain in them."""
    block = np.unique(panel.block[kept], return_inverse=True)[1]
    terms = panel.terms.to_numpy(dtype=float)[panel.configuration[kept]]
    design = within_blocks(terms, block)
    figure = within_blocks(panel.figure[kept, None], block)[:, 0]
    found: Array = np.asarray(np.linalg.lstsq(design, figure)[0], dtype=np.float64)
    return found, explained_by_others(design)


def _jackknife_error(panel: PanelData, coefficients: Array) -> Array:
    """Return the jackknife's standard errors over configurations, NaN for a term that rests on a single one.

    By the exact update of least squares, (X'X)^-1 X_c' (I - H_cc)^-1 e_c, instead of as many regressions.
    """
    n, n_terms = len(panel.terms), panel.terms.shape[1]
    terms = panel.terms.to_numpy(dtype=float)[panel.configuration]
    design = np.column_stack([terms, np.eye(int(panel.block.max()) + 1)[panel.block]])
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    rest = panel.figure - design @ (inverse @ (design.T @ panel.figure))
    changes, is_alone = np.zeros((n, n_terms)), np.zeros(n_terms, dtype=bool)
    for one in range(n):
        rows = np.flatnonzero(panel.configuration == one)
        gap = np.eye(len(rows)) - design[rows] @ inverse @ design[rows].T
        if np.linalg.eigvalsh(gap)[0] > 1e-8:
            changes[one] = (inverse @ design[rows].T @ np.linalg.solve(gap, rest[rows]))[:n_terms]
        else:
            found, explained = _solve(panel, panel.configuration != one)
            changes[one] = coefficients - found
            is_alone |= explained >= INSEPARABLE
    error: Array = np.sqrt((n - 1) / n * (changes**2).sum(axis=0))
    return np.where(is_alone | (error <= 1e-12 * np.abs(coefficients)), np.nan, error)


def estimate(panel: PanelData) -> pd.DataFrame:
    """Return the coefficients of a least-squares regression with an intercept per block.

    Replicates of one configuration are no independent evidence on its terms, so the unit is the configuration: standard
    errors are the jackknife over configurations (CR3; MacKinnon, Nielsen and Webb 2023), with Student's t of
    n_configurations - rank - n_groups degrees of freedom. They hold when configurations deviate from the plane by
    more than seeds explain, and when some schedules are noisier than others.

    Args:
        panel: Rows.

    Returns:
        One row per ``term``: ``coefficient`` (unit of the figure), ``std_error``, ``low``, ``high`` (95 %), ``p``,
        ``df``, ``explained_by_others`` (R^2 of the term on the others within blocks), ``vif`` (1 / (1 - R^2)),
        ``detectable`` (the coefficient that would be found in 80 % of cases), ``n_configurations``, ``n_rows``. A
        term that cannot be told from the others has no coefficient; where no degree of freedom is left, there is no
        interval.
    """
    n = len(panel.terms)
    coefficients, shares = _solve(panel, np.ones(len(panel.figure), dtype=bool))
    can_tell = shares < INSEPARABLE
    df = n - _rank(panel) - _n_groups(panel)
    has_error = can_tell & (df > 0)
    error = np.where(has_error, _jackknife_error(panel, coefficients) if has_error.any() else np.nan, np.nan)
    known_df = max(df, 1)  # with none left, every error is NaN
    reach = student_quantile(LEVEL / 2, known_df) * error
    return pd.DataFrame(
        {
            "term": [str(term) for term in panel.terms],
            "coefficient": np.where(can_tell, coefficients, np.nan),
            "std_error": error,
            "low": coefficients - reach,
            "high": coefficients + reach,
            "p": two_sided_p(coefficients / error, known_df),
            "df": df,
            "explained_by_others": shares,
            "vif": np.where(can_tell, 1 / np.maximum(1 - shares, 1e-300), math.inf),
            "detectable": detectable(error, known_df),
        }
    ).assign(n_configurations=n, n_rows=len(panel.figure))


def _rank(panel: PanelData) -> int:
    """Return the rank of the terms within blocks."""
    terms = panel.terms.to_numpy(dtype=float)[panel.configuration]
    return int(np.linalg.matrix_rank(within_blocks(terms, panel.block), tol=1e-6))


def _n_groups(panel: PanelData) -> int:
    """Return the number of parts of the design that share no block; each needs an intercept of its own."""
    parent = {int(block): int(block) for block in np.unique(panel.block)}

    def root(block: int) -> int:
        while parent[block] != block:
            block = parent[block]
        return block

    for one in range(len(panel.terms)):
        blocks = [int(block) for block in np.unique(panel.block[panel.configuration == one])]
        for block in blocks[1:]:
            parent[root(block)] = root(blocks[0])
    return sum(block == above for block, above in parent.items())
