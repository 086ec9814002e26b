"""Which models of a sweep a pre-flight estimate measures, and which measured one stands for each of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeVar

from lwq_tune.config.settings import names_where
from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS

T = TypeVar("T")
MAX_MEASURED = 12
# What decides the cost of a trial. Replicates have all of it in common.
COST_FIELDS = (*names_where(TrialConfig, lambda one: one.decides_cost), "starts_at_least_squares")


def cost_key(trial: TrialConfig) -> Hashable:
    """Return what trials have in common that cost the same."""
    return tuple(getattr(trial, name) for name in COST_FIELDS)


def kind(trial: TrialConfig) -> Hashable:
    """Return what trials have in common that cost nearly the same: all but the number of bits below full precision."""
    bits = (*trial.bit_widths, *trial.act_bit_widths)
    rest = (getattr(trial, name) for name in COST_FIELDS if name not in ("bit_widths", "act_bit_widths"))
    return (*(width == FULL_PRECISION_BITS for width in bits), *rest)


class Models:
    """The distinct models of some trials.

    Attributes:
        trials: A trial of each.
        n_trials: How many trials each has.

    Args:
        trials: All trials.
        bitops: BitOps of each.
    """

    def __init__(self, trials: Sequence[TrialConfig], bitops: Sequence[float]) -> None:
        keys = [cost_key(trial) for trial in trials]
        self._positions = {key: position for position, key in enumerate(dict.fromkeys(keys))}
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        self.trials = tuple(trials[first[key]] for key in self._positions)
        counts = Counter(keys)
        self.n_trials = tuple(counts[key] for key in self._positions)
        self._kinds = [kind(trial) for trial in self.trials]
        self._sizes = [bitops[first[key]] for key in self._positions]

    def position(self, trial: TrialConfig) -> int:
        """Return the position of a trial's model."""
        return self._positions[cost_key(trial)]

    def choose(self, limit: int) -> list[int]:
        """Return the positions of those to measure; see `choose_measured`."""
        return choose_measured(self._kinds, self._sizes, limit)

    def nearest(self, position: int, measured: Sequence[int]) -> int:
        """Return the measured model that stands for one; see `nearest`."""
        return nearest(position, measured, self._kinds, self._sizes)


def choose_measured(kinds: Sequence[Hashable], sizes: Sequence[float], limit: int) -> list[int]:
    """Return which of some models are measured: all, or some of each kind, spread over its sizes.

    Args:
        kinds: Kind of each model.
        sizes: Size of each, such as its BitOps.
        limit: At most so many, at least 1.

    Returns:
        Positions. One of every kind comes before the second of any, so that the first few stand for most models.

    >>> choose_measured(["float", "few", "few", "few"], [9, 1, 2, 3], 3)
    [0, 2]
    """
    members: dict[Hashable, list[int]] = {}
    for index in sorted(range(len(kinds)), key=lambda index: sizes[index]):
        members.setdefault(kinds[index], []).append(index)
    per_kind = len(kinds) if len(kinds) <= limit else max(1, limit // len(members))
    picks = [spread(members[own], min(per_kind, len(members[own]))) for own in dict.fromkeys(kinds)]
    rounds = range(max(map(len, picks), default=0))
    return [own[turn] for turn in rounds for own in picks if turn < len(own)][:limit]


def spread(members: Sequence[T], n_picks: int) -> list[T]:
    """Return evenly spaced members, those in the middle first.

    >>> spread("abcde", 3), spread("abcde", 1)
    (['c', 'a', 'e'], ['c'])
    """
    middle = (len(members) - 1) / 2
    places = [middle] if n_picks == 1 else [pick * 2 * middle / (n_picks - 1) for pick in range(n_picks)]
    return [members[math.floor(place)] for place in sorted(places, key=lambda place: abs(place - middle))]


def nearest(index: int, measured: Sequence[int], kinds: Sequence[Hashable], sizes: Sequence[float]) -> int:
    """Return the measured model that stands for one: itself, else of its kind and nearest in size.

    Args:
        index: Position of the model.
        measured: Positions of those that were measured, at least one.
        kinds: Kind of each model.
        sizes: Size of each, above 0; nearest is the ratio next to 1.

    >>> nearest(0, [1, 2], ["few", "few", "float"], [9.0, 1.0, 9.0])
    1
    """

    def distance(other: int) -> tuple[bool, bool, float]:
        return other != index, kinds[other] != kinds[index], abs(math.log(sizes[other] / sizes[index]))

    return min(measured, key=distance)
