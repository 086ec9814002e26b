"""The front of finished configurations during a sweep: validation accuracy up, training emissions down."""

from __future__ import annotations

import bisect
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A finished configuration: means over its seeds.

    Attributes:
        configuration: Its name.
        val_accuracy: After the last epoch.
        emissions_kg: Emissions of the whole training, kg CO2eq.
    """

    configuration: Hashable
    val_accuracy: float
    emissions_kg: float


class Front:
    """Finished configurations that no other dominates, in order of rising emissions and accuracy.

    Of configurations that are equal in both, the first stays. Adding one costs O(front), a query O(log front).

    >>> front = Front()
    >>> for point in (Point("a", 0.9, 2.0), Point("b", 0.8, 1.0), Point("c", 0.85, 3.0)):
    ...     front.add(point)
    >>> [point.configuration for point in front.points], front.best_below(2.0).configuration
    (['b', 'a'], 'b')
    """

    def __init__(self) -> None:
        self._emissions_kg: list[float] = []
        self._points: list[Point] = []

    @property
    def points(self) -> tuple[Point, ...]:
        """The front in order of emissions, which is the order of accuracy too."""
        return tuple(self._points)

    def add(self, point: Point) -> None:
        """Add a configuration and drop what it dominates."""
        cheaper = bisect.bisect_right(self._emissions_kg, point.emissions_kg)
        if cheaper and self._points[cheaper - 1].val_accuracy >= point.val_accuracy:
            return
        begin = end = bisect.bisect_left(self._emissions_kg, point.emissions_kg)
        while end < len(self._points) and self._points[end].val_accuracy <= point.val_accuracy:
            end += 1
        self._points[begin:end] = [point]
        self._emissions_kg[begin:end] = [point.emissions_kg]

    def best_below(self, emissions_kg: float) -> Point | None:
        """Return the most accurate configuration with less than ``emissions_kg``, None where there is none."""
        cheaper = bisect.bisect_left(self._emissions_kg, emissions_kg)
        return self._points[cheaper - 1] if cheaper else None
