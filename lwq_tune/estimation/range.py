"""A figure with the range in which it is expected, and what can be computed with such figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9


@dataclass(frozen=True)
class Range:
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
            raise ValueError(f"a range must rise from 0 or more, got {self.low}, {self.point}, {self.high}")

    @classmethod
    def exact(cls, value: float) -> Range:
        """Return the range of a figure that is known."""
        return cls(value, value, value)

    @classmethod
    def of_samples(cls, samples: Sequence[float]) -> Range:
        """Return the mean of measurements, between their quantiles at 10 and 90 %.

        The mean is an end itself where it lies outside: a sum of many steps is their number times the mean.

        Args:
            samples: At least one, none negative.

        Raises:
            ValueError: There is none.

        >>> Range.of_samples([1.0, 2.0, 3.0])
        Range(low=1.2, point=2.0, high=2.8)
        """
        if not samples:
            raise ValueError("a range needs at least one measurement, got none")
        mean = math.fsum(samples) / len(samples)
        low, high = quantile(samples, LOW_QUANTILE), quantile(samples, HIGH_QUANTILE)
        return cls(min(mean, low), mean, max(mean, high))

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Range:
        """Return the range that `to_dict` wrote."""
        return cls(values["low"], values["point"], values["high"])

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return {"low": self.low, "point": self.point, "high": self.high}

    def plus(self, other: Range) -> Range:
        """Return the sum."""
        return total([self, other])

    def times(self, factor: float | Range) -> Range:
        """Return the product with a number that is 0 or more, or with another range.

        >>> Range(1, 2, 3).times(2), Range(1, 2, 3).times(Range(0, 1, 5))
        (Range(low=2, point=4, high=6), Range(low=0, point=2, high=15))
        """
        other = factor if isinstance(factor, Range) else Range.exact(factor)
        return Range(self.low * other.low, self.point * other.point, self.high * other.high)

    def widened(self, share: float) -> Range:
        """Return the range with ends that are so much further out, as a share in [0, 1] of each.

        >>> Range(90, 100, 120).widened(0.25)
        Range(low=67.5, point=100, high=150.0)
        """
        return Range(self.low * (1 - share), self.point, self.high * (1 + share))

    def contains(self, value: float) -> bool:
        """Return whether a figure lies in the range, its ends included."""
        return self.low <= value <= self.high

    def show(self, display: Callable[[float], str], unit: str = "") -> str:
        """Return the range for display, each figure as ``display`` gives it.

        >>> Range(1, 2, 3).show(str, " Wh")
        '2 Wh (1 to 3)'
        """
        return f"{display(self.point)}{unit} ({display(self.low)} to {display(self.high)})"


NOTHING = Range.exact(0.0)


def total(ranges: Iterable[Range]) -> Range:
    """Return the sum of ranges: of their lower ends, of their figures, of their upper ends.

    Ends are added as if all were low, or all high, at once: a step is slow mostly because of other programs on the
    host, for a long time, so these errors are not independent and do not average out.
    """
    listed = list(ranges)
    return Range(
        math.fsum(span.low for span in listed),
        math.fsum(span.point for span in listed),
        math.fsum(span.high for span in listed),
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
