"""Means with their error, differences of them, and the interval of a number of images at which two costs are equal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analysis.findings import Estimate
from analysis.statistics import LEVEL, student_quantile

Array = NDArray[np.float64]
# Numbers of images are looked at as shares u = n / (n + scale), from 0 to infinity, and refined around the ends.
N_SHARES = 201
N_REFINEMENTS, N_REFINED = 8, 17


@dataclass(frozen=True)
class Mean:
    """A mean, or a difference of means.

    Attributes:
        value: In the unit of what it is a mean of.
        variance: Square of its standard error; NaN where nothing was repeated, 0 where it is exact.
        df: Degrees of freedom of the variance.
    """

    value: float
    variance: float = math.nan
    df: float = math.nan

    def estimate(self, tail: float = LEVEL / 2) -> Estimate:
        """Return the mean with its interval, 95 % without ``tail``."""
        half = self.half_width(tail)
        return Estimate(self.value, self.value - half, self.value + half)

    def half_width(self, tail: float = LEVEL / 2) -> float:
        """Return half of the interval; NaN where the error is unknown."""
        if self.variance == 0:
            return 0.0
        if not math.isfinite(self.variance):
            return math.nan
        return float(student_quantiles(tail, np.array([self.df]))[0]) * math.sqrt(self.variance)

    @property
    def sign(self) -> int:
        """1 or -1 where the mean is shown to be above or below 0, else 0."""
        half = self.half_width()
        return 0 if math.isnan(half) or abs(self.value) <= half else int(math.copysign(1, self.value))

    def scaled(self, factor: float) -> Mean:
        """Return the mean in another unit."""
        return Mean(self.value * factor, self.variance * factor**2, self.df)


def mean_of(values: Iterable[float]) -> Mean:
    """Return the mean of independent values.

    >>> mean_of([1.0, 2.0, 3.0])
    Mean(value=2.0, variance=0.3333333333333333, df=2)
    """
    found = np.array(list(values), dtype=float)
    if len(found) < 2:
        return Mean(float(found.mean()))
    return Mean(float(found.mean()), float(found.var(ddof=1) / len(found)), len(found) - 1)


def difference(first: Mean, second: Mean) -> Mean:
    """Return the first less the second, independent of each other (Welch 1947, with Satterthwaite's df).

    >>> difference(Mean(3.0, 1.0, 4), Mean(1.0, 1.0, 4))
    Mean(value=2.0, variance=2.0, df=8.0)
    """
    return _sum(first, second, -1.0)


def _sum(first: Mean, second: Mean, factor: float) -> Mean:
    variance = first.variance + factor**2 * second.variance
    df = satterthwaite(np.array([first.variance, factor**2 * second.variance]), np.array([first.df, second.df]))
    return Mean(first.value + factor * second.value, variance, df)


def satterthwaite(variances: Array, dfs: Array) -> float:
    """Return the degrees of freedom of a sum of independent variances; NaN where one is unknown or all are 0."""
    is_part = ~(variances == 0)
    if not is_part.any():
        return math.nan
    return float(variances[is_part].sum() ** 2 / (variances[is_part] ** 2 / dfs[is_part]).sum())


def student_quantiles(tail: float, dfs: Array) -> Array:
    """Return the t that Student's t exceeds with probability ``tail``; degrees of freedom are rounded down.

    Satterthwaite's are estimates, and intervals with them cover a little too seldom where they are few.
    """
    found: Array = -stdtrit(np.maximum(np.floor(np.asarray(dfs, dtype=float) + 1e-9), 1.0), tail)
    return found


def equal_cost_range(intercept: Mean, slope: Mean, tail: float = LEVEL / 2) -> tuple[float, float]:
    """Return the least and greatest number n >= 0 at which ``intercept + n * slope`` is not shown to differ from 0.

    Fieller's set (1954, J. R. Stat. Soc. B 16, 175) for a ratio of independent means, with Satterthwaite's degrees of
    freedom at each n. The true n at which the sum is 0 lies in it with 95 % confidence.

    Args:
        intercept: Difference of what was spent before the first image.
        slope: Difference per image.
        tail: Of each side.

    Returns:
        Both ends; the upper one is infinite where the slope is not shown to differ from 0, both are NaN where the
        sum is shown to differ from 0 for every n, or where an error is unknown.

    >>> equal_cost_range(Mean(4.0, 0.0, 1), Mean(-2.0, 0.0, 1))
    (2.0, 2.0)
    >>> equal_cost_range(Mean(4.0, 0.0, 1), Mean(2.0, 0.0, 1))
    (nan, nan)
    """
    if math.isnan(intercept.variance) or math.isnan(slope.variance):
        return math.nan, math.nan
    if intercept.variance == 0 and slope.variance == 0:
        return _exact(intercept.value, slope.value)
    scale = _scale(intercept, slope)
    shares = np.linspace(0.0, 1.0, N_SHARES)
    is_open = _excess(shares, intercept, slope, scale, tail) <= 0
    estimate = -intercept.value / slope.value if slope.value else math.nan
    if estimate >= 0 and not is_open.any():  # narrower than the grid
        at = estimate / (estimate + scale)
        index = int(np.searchsorted(shares, at))
        shares, is_open = np.insert(shares, index, at), np.insert(is_open, index, True)
    if not is_open.any():
        return math.nan, math.nan
    places = np.flatnonzero(is_open)
    low, high = shares[places[0]], shares[places[-1]]

    def refine(inside: float, outside: float) -> float:
        for _ in range(N_REFINEMENTS):
            between = np.linspace(inside, outside, N_REFINED)
            first = int(np.argmax(_excess(between, intercept, slope, scale, tail) > 0))  # the first is inside
            inside, outside = between[max(first - 1, 0)], between[first]
        return float(inside)

    if places[0] > 0:
        low = refine(low, shares[places[0] - 1])
    if places[-1] < len(shares) - 1:
        high = refine(high, shares[places[-1] + 1])
    return _number(low, scale), _number(high, scale)


def _exact(intercept: float, slope: float) -> tuple[float, float]:
    if slope == 0:
        return (0.0, math.inf) if intercept == 0 else (math.nan, math.nan)
    n = -intercept / slope
    return (n, n) if n >= 0 else (math.nan, math.nan)


def _scale(intercept: Mean, slope: Mean) -> float:
    """Return a number of images about which the sum changes."""
    before = abs(intercept.value) + math.sqrt(intercept.variance)
    per_image = abs(slope.value) + math.sqrt(slope.variance)
    return before / per_image if before > 0 and per_image > 0 else 1.0


def _number(share: float, scale: float) -> float:
    return math.inf if share >= 1 else float(scale * share / (1 - share))


def _excess(shares: Array, intercept: Mean, slope: Mean, scale: float, tail: float) -> Array:
    """Return how much farther the sum is from 0 than half of its interval, both shrunk by 1 - u.

    With u = n / (n + scale), the sum times (1 - u) is (1 - u) * intercept + u * scale * slope, finite for u = 1.
    """
    first, second = 1 - shares, shares * scale
    value = first * intercept.value + second * slope.value
    parts: Any = np.stack([first**2 * intercept.variance, second**2 * slope.variance])
    dfs = np.array([[intercept.df], [slope.df]])
    is_part = parts > 0
    squares = np.where(is_part, parts**2 / np.where(is_part, dfs, 1.0), 0.0).sum(axis=0)
    variance = parts.sum(axis=0)
    df = np.where(squares > 0, variance**2 / np.where(squares > 0, squares, 1.0), 1.0)
    excess: Array = np.abs(value) - student_quantiles(tail, df) * np.sqrt(variance)
    return excess


def ratio(first: Mean, second: Mean) -> Estimate:
    """Return the first over the second, both above 0, with its 95 % interval (delta method)."""
    value = first.value / second.value
    relative = [mean.scaled(1 / mean.value) for mean in (first, second)]
    half = difference(*relative).half_width()
    return Estimate(value, value * (1 - half), value * (1 + half))


def pooled_quantile(n_comparisons: int, df: int) -> float:
    """Return Student's quantile of two-sided 5 %, corrected for the number of comparisons (Bonferroni)."""
    return student_quantile(LEVEL / 2 / max(1, n_comparisons), df)
