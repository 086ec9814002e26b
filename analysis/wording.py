"""Parts of sentences that several topics use: lists, counts, shares, means with their spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def as_sentence(text: str) -> str:
    """Return text with a capital and a full stop.

    >>> as_sentence("one seed: no interval")
    'One seed: no interval.'
    """
    begun = f"{text[0].upper()}{text[1:]}"
    return begun if begun.endswith((".", "…")) else f"{begun}."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s for all numbers but 1.

    >>> counted(1, "seed"), counted(11, "seed")
    ('1 seed', '11 seeds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counted_range(numbers: Iterable[int], noun: str, between: str = "-") -> str:
    """Return the least and the greatest of some numbers with their noun, one number where they agree.

    >>> counted_range([3, 2, 2], "seed"), counted_range([1], "seed")
    ('2-3 seeds', '1 seed')
    """
    found = sorted(set(numbers))
    ends = dict.fromkeys((found[0], found[-1]))
    return f"{between.join(map(str, ends))} {noun}{'' if found[-1] == 1 else 's'}"


def join_words(words: Sequence[str], most: int = 6) -> str:
    """Return a list in words, of long ones the beginning and how many follow.

    >>> join_words(["a", "b", "c"]), join_words(["a", "b", "c"], most=2)
    ('a, b and c', 'a, b and 1 more')
    """
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def per_cent(share: float, digits: int = 0) -> str:
    """Return a share in per cent, ``unknown`` where it is not a number.

    >>> per_cent(0.123), per_cent(0.123, 1), per_cent(float("nan"))
    ('12 %', '12.3 %', 'unknown')
    """
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else "unknown"


def mean_and_spread(mean: float, spread: float, style: str) -> str:
    """Return ``mean ± std``; where there is no second value there is no spread, and none is shown.

    >>> mean_and_spread(2.0, 1.414, ".2f"), mean_and_spread(1.0, float("nan"), ".2f")
    ('2.00 ± 1.41', '1.00')
    >>> mean_and_spread(float("nan"), float("nan"), ".2f")
    'not measured'
    """
    if math.isnan(mean):
        return "not measured"
    return f"{mean:{style}}" if math.isnan(spread) else f"{mean:{style}} ± {spread:{style}}"
