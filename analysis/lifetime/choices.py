"""The best variant for a number of images and a floor of accuracy, and where over the images it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.lifetime.break_even import BreakEven, find_break_even
from analysis.lifetime.variants import Variant, is_as_cheap

# Floors that are shown without --floors: points of accuracy below the best full precision.
POINTS_BELOW = (0.005, 0.01, 0.02, 0.05, 0.1)
MOST_FLOORS = 3


@dataclass(frozen=True)
class Segment:
    """Numbers of images for which one variant is the best above a floor of accuracy.

    Attributes:
        floor: Least test accuracy of the deployed network.
        variant: The best one.
        begin: First number of images.
        end: Number of images from which on another is the best; the last one that was looked at where none is.
        since: Break-even with the one before; None for the first.
    """

    floor: float
    variant: Variant
    begin: float
    end: float
    since: BreakEven | None


def best_variant(variants: Sequence[Variant], n_images: float, floor: float) -> Variant | None:
    """Return what emits least over its lifetime among those above a floor; None where nothing is.

    Of each group of costs per image, the most accurate of those that count as cheap as the cheapest stands for it. So
    noise ranks no two of a group, neither by their costs per image nor by their training.
    """
    by_group: dict[int, list[Variant]] = {}
    for variant in variants:
        if variant.accuracy.value >= floor:
            by_group.setdefault(variant.group, []).append(variant)

    def cost(variant: Variant) -> tuple[float, int]:
        return variant.lifetime_kg(n_images), variant.key

    standing = []
    for members in by_group.values():
        cheapest = min(members, key=cost)
        equal = [variant for variant in members if is_as_cheap(variant, cheapest, n_images)]
        standing.append(max(equal, key=lambda variant: (variant.accuracy.value, -variant.key)))
    return min(standing, key=cost, default=None)


def default_floors(variants: Sequence[Variant]) -> list[float]:
    """Return floors of accuracy at which another set of variants is allowed, the highest first, at most three.

    They lie some points below the best full precision, or where there is none below the most accurate variant.
    """
    full = [variant for variant in variants if variant.is_full_precision] or list(variants)
    top = max(variant.accuracy.value for variant in full)
    floors: dict[frozenset[int], float] = {}
    for below in POINTS_BELOW:
        allowed = frozenset(variant.key for variant in variants if variant.accuracy.value >= top - below)
        if allowed - {variant.key for variant in full}:
            floors.setdefault(allowed, top - below)
    found = list(floors.values()) or [top - POINTS_BELOW[-1]]
    return found[:MOST_FLOORS]


def segments(variants: Sequence[Variant], floor: float, numbers: NDArray[np.float64]) -> list[Segment]:
    """Return which variant is the best above a floor, over numbers of images in ascending order."""
    found: list[Segment] = []
    begin = float(numbers[0])
    best = [best_variant(variants, float(number), floor) for number in numbers]
    for place, variant in enumerate(best):
        if variant is None:
            return []
        following = best[place + 1] if place + 1 < len(best) else None
        if following is not None and following.key == variant.key:
            continue
        end = float(numbers[-1])
        if following is not None:
            end = _change(variants, floor, float(numbers[place]), float(numbers[place + 1]))
        since = find_break_even(variant, found[-1].variant) if found else None
        found.append(Segment(floor, variant, begin, end, since))
        begin = end
    return found


def _change(variants: Sequence[Variant], floor: float, low: float, high: float) -> float:
    """Return the number of images between two at which another variant becomes the best."""
    first = best_variant(variants, low, floor)
    for _ in range(50):
        middle = float(np.sqrt(low * high))
        is_before = best_variant(variants, middle, floor) == first
        low, high = (middle, high) if is_before else (low, middle)
    return high
