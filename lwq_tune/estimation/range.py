"""A figure with the range in which it is expected, and what can be computed with such figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9


@dataclass(frozen=True)
class Interval:
    """A figure and the range in which it is expected.

    Attributes:
        low: Lower end, 0 or more.
        point: The figure itself.
        high: Upper end.

    Raises:
        ValueError: They are not finite, or not in this order.
    """

    low: float
    point: float
    high: float

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.point <= self.high < math.inf):
            raise ValueError(f"an interval must rise from 0 or more, got {self.low}, {self.point}, {self.high}")

    @classmethod
    def exact(cls, value: float) -> Interval:
        """Return the interval of a figure that is known."""
        return cls(value, value, value)

    @classmethod
    def of_samples(cls, samples: Sequence[float]) -> Interval:
        """Return the mean of measurements, between their quantiles at 10 and 90 %.

        The mean is an end itself where it lies outside: a sum of many steps is their number times the mean.

        Args:
            samples: At least one, none negative.

        Raises:
            ValueError: There is none.

        >>> Interval.of_samples([1.0, 2.0, 3.0])
        Interval(low=1.2, point=2.0, high=2.8)
        """
        if not samples:
            raise ValueError("an interval needs at least one measurement, got none")
        mean = math.fsum(samples) / len(samples)
        low, high = quantile(samples, LOW_QUANTILE), quantile(samples, HIGH_QUANTILE)
        return cls(min(mean, low), mean, max(mean, high))

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Interval:
        """Return the interval that `to_dict` wrote."""
        return cls(values["low"], values["point"], values["high"])

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return {"low": self.low, "point": self.point, "high": self.high}

    def plus(self, other: Interval) -> Interval:
        """Return the sum."""
        return total([self, other])

    def times(self, factor: float | Interval) -> Interval:
        """Return the product with a number that is 0 or more, or with another interval.

        >>> Interval(1, 2, 3).times(2), Interval(1, 2, 3).times(Interval(0, 1, 5))
        (Interval(low=2, point=4, high=6), Interval(low=0, point=2, high=15))
        """
        other = factor if isinstance(factor, Interval) else Interval.exact(factor)
        return Interval(self.low * other.low, self.point * other.point, self.high * other.high)

    def widened(self, share: float) -> Interval:
        """Return the interval with ends that are so much further out, as a share in [0, 1] of each.

        >>> Interval(90, 100, 120).widened(0.25)
        Interval(low=67.5, point=100, high=150.0)
        """
        return Interval(self.low * (1 - share), self.point, self.high * (1 + share))

    def contains(self, value: float) -> bool:
        """Return whether a figure lies in the range, its ends included."""
        return self.low <= value <= self.high

    def show(self, display: Callable[[float], str], unit: str = "") -> str:
        """Return the interval for display, each figure as ``display`` gives it.

        >>> Interval(1, 2, 3).show(str, " Wh")
        '2 Wh (1 to 3)'
        """
        return f"{display(self.point)}{unit} ({display(self.low)} to {display(self.high)})"


NOTHING = Interval.exact(0.0)


def total(intervals: Iterable[Interval]) -> Interval:
    """Return the sum of intervals: of their lower ends, of their figures, of their upper ends.

    Ends are added as if all were low, or all high, at once. What makes a step slow is mostly what else runs on the
    host, which holds on; it does not average out as errors would that are independent.
    """
    listed = list(intervals)
    return Interval(
        math.fsum(interval.low for interval in listed),
        math.fsum(interval.point for interval in listed),
        math.fsum(interval.high for interval in listed),
    )


def quantile(samples: Sequence[float], share: float) -> float:
    """Return a quantile, linear between the two measurements beside it (Hyndman and Fan 1996, type 7).

    >>> quantile([1.0, 3.0], 0.25), quantile([5.0], 0.9)
    (1.5, 5.0)
    """
    ordered = sorted(samples)
    whole, part = divmod(share * (len(ordered) - 1), 1)
    below, above = ordered[int(whole)], ordered[min(int(whole) + 1, len(ordered) - 1)]
    return below + part * (above - below)
