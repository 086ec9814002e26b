"""Comparing figures that should agree: one rule, many places, and where it does not hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

RELATIVE = 1e-9
ABSOLUTE = 1e-15  # kWh or kg; 3.6 nJ is less than any counter resolves


@dataclass(frozen=True)
class Failure:
    """Two figures that should agree."""

    where: str
    expected: float
    got: float


@dataclass(frozen=True)
class Check:
    """One rule, checked in ``n_compared`` places; a place where a side is null is not counted."""

    name: str
    unit: str
    n_compared: int
    failures: tuple[Failure, ...]


def compare(
    name: str,
    places: pd.DataFrame,
    where: str,
    expected: pd.Series,
    got: pd.Series,
    *,
    unit: str = "kWh",
    absolute: float = ABSOLUTE,
    at_least: bool = False,
) -> Check:
    """Compare figures that should agree to 1e-9 of the expected.

    Args:
        name: The rule.
        places: What tells the compared figures apart, row by row.
        where: Format string over the columns of ``places``.
        expected: Right side of the rule, NaN where unknown; ``got`` is the left side.
        absolute: Tolerance in ``unit``, beside the relative one.
        at_least: Whether ``got`` may be more.

    >>> places = pd.DataFrame({"epoch": [1, 2]})
    >>> compare("a == b", places, "epoch {epoch}", pd.Series([1.0, 1.0]), pd.Series([1.0, 3.0])).failures
    (Failure(where='epoch 2', expected=1.0, got=3.0),)
    """
    right, left = expected.to_numpy(dtype=float), got.to_numpy(dtype=float)
    is_known = ~(np.isnan(right) | np.isnan(left))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        surplus = left - right
    distance = np.maximum(-surplus, 0.0) if at_least else np.abs(surplus)
    is_finite = np.isfinite(left) & np.isfinite(right)
    is_close = is_finite & (distance <= RELATIVE * np.abs(right) + absolute)
    wrong = np.flatnonzero(is_known & ~is_close)
    worst_first = wrong[np.argsort(-np.where(is_finite, distance, np.inf)[wrong], kind="stable")]
    failures = tuple(
        Failure(where.format_map(place).strip(), float(right[row]), float(left[row]))
        for row, place in zip(worst_first, places.iloc[worst_first].to_dict("records"), strict=True)
    )
    return Check(name, unit, int(is_known.sum()), failures)
