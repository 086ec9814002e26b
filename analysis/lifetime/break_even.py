"""Break-even: from how many images on a variant has emitted less than another, training included."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.lifetime.means import equal_cost_range
from analysis.lifetime.variants import Variant, training_difference, use_difference


class BreakEvenKind(StrEnum):
    """How two variants compare over the number of images."""

    FROM = "cheaper from"
    ALWAYS = "always cheaper"
    NEVER = "never"
    UNTIL = "cheaper until"


@dataclass(frozen=True)
class BreakEven:
    """When a variant has emitted less than another.

    Attributes:
        variant: The one.
        other: The other.
        outcome: By what is shown of the cost per image: only where it is shown to be lower is it cheaper *from* a
            number of images on, only where it is shown to be higher *until* one; else one of them is always cheaper.
        is_certain: Whether no other outcome lies within the 95 % interval.
        n_images: Where both have emitted the same, by the means; NaN where one is always cheaper.
        low: Least number of images at which they may be equal, 95 %; NaN where there is none or it is unknown.
        high: Greatest one; infinite where they may be equal for ever.
    """

    variant: Variant
    other: Variant
    outcome: BreakEvenKind
    is_certain: bool
    n_images: float
    low: float
    high: float


def find_break_even(variant: Variant, other: Variant) -> BreakEven:
    """Return when a variant has emitted less than another; its interval is over seeds and repetitions.

    Training differs by seeds, cost per image by repetitions, or by those of a pooled class. Within a group the costs
    per image count as equal, so that noise in them makes no break-even.
    """
    before, per_image = training_difference(variant, other), use_difference(variant, other)
    low, high = equal_cost_range(before, per_image)
    crossing = -before.value / per_image.value if per_image.value else math.nan
    outcome = _outcome(before.value, per_image.value, per_image.sign)
    n_images = crossing if outcome in (BreakEvenKind.FROM, BreakEvenKind.UNTIL) else math.nan
    return BreakEven(variant, other, outcome, _is_certain(outcome, variant, other, low, high), n_images, low, high)


def _outcome(before: float, per_image: float, shown: int) -> BreakEvenKind:
    if shown < 0:
        return BreakEvenKind.FROM if before > 0 else BreakEvenKind.ALWAYS
    if before < 0 or (before == 0 and per_image <= 0 and not shown):
        return BreakEvenKind.UNTIL if shown > 0 else BreakEvenKind.ALWAYS
    return BreakEvenKind.NEVER


def _is_certain(outcome: BreakEvenKind, variant: Variant, other: Variant, low: float, high: float) -> bool:
    before, per_image = training_difference(variant, other), use_difference(variant, other)
    if math.isnan(before.variance) or math.isnan(per_image.variance):
        return False
    if outcome in (BreakEvenKind.FROM, BreakEvenKind.UNTIL):
        return low > 0 and math.isfinite(high)
    # Always or never: nothing within reach is equal, but for the first image where the training is the same.
    return math.isnan(low) or (low == high == 0)


def break_evens_with_full_precision(variants: Sequence[Variant]) -> list[BreakEven]:
    """Return the break-even of each variant with each one of full precision but itself."""
    return [
        find_break_even(variant, base)
        for base in variants if base.is_full_precision
        for variant in variants if variant.key != base.key
    ]  # fmt: skip


def break_evens_of_neighbours(variants: Sequence[Variant]) -> list[BreakEven]:
    """Return the break-even of each variant with the next more accurate one.

    Args:
        variants: Those that are on a front for some number of images.
    """
    ordered = sorted(variants, key=lambda variant: (-variant.accuracy.value, variant.key))
    return [find_break_even(lower, higher) for higher, lower in itertools.pairwise(ordered)]
