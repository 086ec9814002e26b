"""Schedules that a search may train: listed where they are few, else drawn and walked to. No torch, no Ray.

Both kinds answer the same questions. A list is exact in all of them, and what earlier versions proposed from lists is
proposed from lists again. A set is never listed: it is drawn from, and a schedule beyond the limits is brought within
them by fewer bits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from lwq_tune.errors import ConfigError
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedule_set import ScheduleSet
from lwq_tune.quantization.schedules import BitWidths

# Draws of a whole search that may miss (beyond the limits, or drawn before) before what is drawn is repaired: a second
# where the costs of a network of 50 units take half a millisecond.
MAX_MISSES = 2_000


class Candidates(Protocol):
    """The schedules that a search may train. ``taken`` are those that it does not train, or no more."""

    @property
    def choices(self) -> Sequence[Sequence[int]]:
        """Bit-widths that each unit can have, rising."""

    @property
    def example(self) -> BitWidths:
        """Return one of them, always the same."""

    def __contains__(self, bit_widths: BitWidths) -> bool:
        """Return whether a schedule is one of them."""

    def count_left(self, taken: Collection[BitWidths], at_most: int) -> int:
        """Return how many are left, counted up to ``at_most``."""

    def ends(self, taken: Collection[BitWidths]) -> list[BitWidths]:
        """Return those of the fewest and of the most bits that are left, one where they are the same."""

    def closest(
        self, bit_widths: BitWidths, taken: Collection[BitWidths], generator: random.Random
    ) -> BitWidths | None:
        """Return one that is left, few steps of bit-width away, drawn among equals; None where none is left.

        Args:
            bit_widths: Any schedule over `choices`.
            taken: Those that are not left.
            generator: Of the draw.
        """

    def draw(self, n_schedules: int, seed: int) -> list[BitWidths]:
        """Return so many different ones, drawn with equal chances; fewer where there are fewer."""

    def spread(self, n_schedules: int) -> list[BitWidths]:
        """Return schedules that stand for all: all of them, or so many that are drawn."""

    def describe(self) -> str:
        """Return how many they are, for display."""


class ListedCandidates:
    """Candidates that are listed.

    Args:
        schedules: The candidates, in any order, all of one length.

    Raises:
        ValueError: There is none, or they differ in length.
    """

    def __init__(self, schedules: Collection[BitWidths]) -> None:
        lengths = sorted({len(bit_widths) for bit_widths in schedules})
        if len(lengths) != 1 or lengths == [0]:
            raise ValueError(f"candidates must be schedules of one length, got {len(schedules)} of lengths {lengths}")
        self._schedules = dict.fromkeys(sorted(schedules))
        self.choices = [sorted({bits[unit] for bits in self._schedules}) for unit in range(lengths[0])]
        self.example = next(iter(self._schedules))

    def __contains__(self, bit_widths: BitWidths) -> bool:
        return bit_widths in self._schedules

    def count_left(self, taken: Collection[BitWidths], at_most: int) -> int:
        """Return how many are left, counted up to ``at_most``."""
        return min(at_most, len(self._left(taken)))

    def ends(self, taken: Collection[BitWidths]) -> list[BitWidths]:
        """Return those of the fewest and of the most bits that are left, one where they are the same.

        >>> ListedCandidates([(2, 3), (2, 4), (4, 3), (4, 4)]).ends({(4, 4)})
        [(2, 3), (4, 3)]
        """
        left = self._left(taken)
        return list(dict.fromkeys([min(left, key=sum), max(left, key=sum)])) if left else []

    def closest(
        self, bit_widths: BitWidths, taken: Collection[BitWidths], generator: random.Random
    ) -> BitWidths | None:
        """Return one that is left and the fewest steps of bit-width away, drawn among equals; None where none is."""
        steps = {
            left: sum(
                abs(choices.index(a) - choices.index(b))
                for choices, a, b in zip(self.choices, left, bit_widths, strict=True)
            )
            for left in self._left(taken)
        }
        fewest = min(steps.values(), default=0)
        closest = [left for left, n_steps in steps.items() if n_steps == fewest]
        return generator.choice(closest) if closest else None

    def draw(self, n_schedules: int, seed: int) -> list[BitWidths]:
        """Return so many different ones, drawn with equal chances; fewer where there are fewer."""
        generator = random.Random(seed)  # noqa: S311 (a draw, no secret)
        return generator.sample(list(self._schedules), min(n_schedules, len(self._schedules)))

    def spread(self, n_schedules: int) -> list[BitWidths]:
        """Return all of them."""
        return list(self._schedules)

    def describe(self) -> str:
        """Return how many they are, for display."""
        return str(len(self._schedules))

    def _left(self, taken: Collection[BitWidths]) -> list[BitWidths]:
        return [bit_widths for bit_widths in self._schedules if bit_widths not in taken]


class CostLimits:
    """Limits on what schedules cost; all of them rise with the bits of each unit.

    Args:
        limits: Limit by name of a field of `ModelCosts`.
        costs_of: Costs of a schedule.
    """

    def __init__(self, limits: Mapping[str, float], costs_of: Callable[[BitWidths], ModelCosts]) -> None:
        self._limits = dict(limits)
        self._costs_of = costs_of
        self._shares: dict[BitWidths, tuple[float, ...]] = {}
        self._is_within: dict[BitWidths, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    def allow(self, bit_widths: BitWidths) -> bool:
        """Return whether a schedule is within all limits."""
        if not self._limits:
            return True
        self._evaluate(bit_widths)
        return self._is_within[bit_widths]

    def shares(self, bit_widths: BitWidths) -> tuple[float, ...]:
        """Return what a schedule takes of each limit, 1 for all of it."""
        if not self._limits:
            return ()
        self._evaluate(bit_widths)
        return self._shares[bit_widths]

    def nothing_within(self, schedules: Iterable[BitWidths]) -> ConfigError:
        """Return the error that none of some schedules is within the limits: it says the least that they cost."""
        costs = [self._costs_of(bit_widths) for bit_widths in schedules]
        least = ", ".join(
            f"max_{name}: {limit:g} (the least is {min(getattr(cost, name) for cost in costs):g})"
            for name, limit in self._limits.items()
        )
        return ConfigError(f"limits must leave a schedule of bit_widths, none is within {least}")

    def _evaluate(self, bit_widths: BitWidths) -> None:
        if bit_widths not in self._shares:
            costs = self._costs_of(bit_widths)
            figures = [(getattr(costs, name), limit) for name, limit in self._limits.items()]
            self._shares[bit_widths] = tuple(figure / limit for figure, limit in figures)
            self._is_within[bit_widths] = all(figure <= limit for figure, limit in figures)


class SampledCandidates:
    """Candidates that are too many to list.

    A schedule beyond the limits is brought within them by fewer bits: unit by unit, a choice at a time, first where a
    bit relieves the limits most. From there the closest one that is left is found a step at a time: what is within the
    limits hangs together by such steps, since costs rise with bits.

    Args:
        schedules: The set.
        limits: What they may cost.
        excluded: Schedules that are no candidates.

    Raises:
        ConfigError: The schedule of the fewest bits is beyond the limits, and with it all others.
    """

    def __init__(self, schedules: ScheduleSet, limits: CostLimits, excluded: Collection[BitWidths] = ()) -> None:
        self._schedules, self._limits = schedules, limits
        self._excluded = frozenset(one for one in excluded if one in schedules)
        if not limits.allow(schedules.fewest):
            raise limits.nothing_within([schedules.fewest])
        self.choices = [
            [bits for bits in schedules.choices if limits.allow(schedules.least_with(unit, bits))]
            for unit in range(schedules.n_units)
        ]
        self._shares: dict[tuple[int, int], tuple[float, ...]] = {}
        self.example = next(iter(self._closest_left(schedules.fewest, ())), schedules.fewest)

    def __contains__(self, bit_widths: BitWidths) -> bool:
        return bit_widths not in self._excluded and bit_widths in self._schedules and self._limits.allow(bit_widths)

    def count_left(self, taken: Collection[BitWidths], at_most: int) -> int:
        """Return how many are left, counted up to ``at_most``."""
        if not self._limits:
            gone = self._excluded.union(one for one in taken if one in self._schedules)
            return min(at_most, self._schedules.size - len(gone))
        n_left = 0
        for layer in self._layers(self._schedules.fewest):
            n_left += len(self._left(layer, taken))
            if n_left >= at_most:
                return at_most
        return n_left

    def ends(self, taken: Collection[BitWidths]) -> list[BitWidths]:
        """Return those of the fewest and of the most bits that are left, one where they are the same.

        Where limits leave out the schedule of the most bits, that of the most is found by the repair and then raised
        again, cheapest bits first; where it is taken, a closest one stands for it.
        """
        fewest = self._closest_left(self._schedules.fewest, taken)
        most = self._closest_left(self._raised(self._lowered(self._schedules.most)), taken)
        return list(dict.fromkeys([min(fewest, key=sum), max(most, key=sum)])) if fewest and most else []

    def closest(
        self, bit_widths: BitWidths, taken: Collection[BitWidths], generator: random.Random
    ) -> BitWidths | None:
        """Return one that is left, after repair the fewest steps away, drawn among equals; None where none is left."""
        closest = self._closest_left(self._lowered(self._schedules.nearest(bit_widths)), taken)
        return generator.choice(closest) if closest else None

    def draw(self, n_schedules: int, seed: int) -> list[BitWidths]:
        """Return so many different ones, drawn with equal chances; fewer where there are fewer.

        After `MAX_MISSES` draws that missed, the closest one that is left is taken for each that is drawn, with chances
        that are no longer equal.
        """
        generator = random.Random(seed)  # noqa: S311 (a draw, no secret)
        drawn: dict[BitWidths, None] = {}
        n_misses = 0
        while len(drawn) < n_schedules:
            found = self._schedules.draw(generator)
            if found in self and found not in drawn:
                drawn[found] = None
                continue
            n_misses += 1
            if n_misses > MAX_MISSES:
                closest = self.closest(found, drawn, generator)
                if closest is None:
                    break
                drawn[closest] = None
        return list(drawn)

    def spread(self, n_schedules: int) -> list[BitWidths]:
        """Return the ends, and others that are drawn."""
        return list(dict.fromkeys([*self.ends(()), *self.draw(n_schedules, seed=0)]))[: max(2, n_schedules)]

    def describe(self) -> str:
        """Return how many they are, for display; at most how many, where limits leave out some."""
        n_schedules = show_count(self._schedules.size - len(self._excluded))
        return f"up to {n_schedules}" if self._limits else n_schedules

    def _left(self, schedules: Sequence[BitWidths], taken: Collection[BitWidths]) -> list[BitWidths]:
        return [one for one in schedules if one not in taken and one not in self._excluded]

    def _closest_left(self, bit_widths: BitWidths, taken: Collection[BitWidths]) -> list[BitWidths]:
        """Return those that are left and the fewest steps away from one within the limits, in order."""
        layers = (self._left(layer, taken) for layer in self._layers(bit_widths))
        return next((layer for layer in layers if layer), [])

    def _layers(self, bit_widths: BitWidths) -> Iterator[list[BitWidths]]:
        """Yield all schedules within the limits by their steps from one of them, each layer in order."""
        seen, layer = {bit_widths}, [bit_widths]
        while layer:
            yield layer
            around = {
                step
                for one in layer
                for direction in (-1, 1)
                for step in self._schedules.steps(one, direction).values()
                if step not in seen
            }
            layer = sorted(step for step in around if self._limits.allow(step))
            seen.update(layer)

    def _lowered(self, bit_widths: BitWidths) -> BitWidths:
        """Return a schedule of the set with fewer bits until it is within the limits."""
        while not self._limits.allow(bit_widths):
            exceeded = [share > 1 for share in self._limits.shares(bit_widths)]
            steps = self._schedules.steps(bit_widths, -1)
            unit = max(steps, key=lambda unit: self._freed_per_bit(unit, bit_widths, steps[unit], exceeded))
            bit_widths = steps[unit]
        return bit_widths

    def _raised(self, bit_widths: BitWidths) -> BitWidths:
        """Return a schedule within the limits with more bits until every step would leave them."""
        every = [True] * len(self._limits.shares(bit_widths))
        while True:
            steps = self._schedules.steps(bit_widths, 1)
            allowed = [unit for unit, step in steps.items() if self._limits.allow(step)]
            if not allowed:
                return bit_widths
            bit_widths = steps[min(allowed, key=lambda unit: self._freed_per_bit(unit, steps[unit], bit_widths, every))]

    def _freed_per_bit(self, unit: int, more: BitWidths, fewer: BitWidths, counts: Sequence[bool]) -> float:
        """Return the shares of the limits that count which fewer bits of a unit free, for each bit."""
        shares = zip(self._share(unit, more[unit]), self._share(unit, fewer[unit]), counts, strict=True)
        return sum(before - after for before, after, does_count in shares if does_count) / (more[unit] - fewer[unit])

    def _share(self, unit: int, bits: int) -> tuple[float, ...]:
        """Return the shares of the limits where one unit alone has more than the fewest bits."""
        if (unit, bits) not in self._shares:
            fewest = self._schedules.fewest
            self._shares[unit, bits] = self._limits.shares((*fewest[:unit], bits, *fewest[unit + 1 :]))
        return self._shares[unit, bits]


def show_count(n: int) -> str:
    """Return a number of schedules for display.

    >>> show_count(4096), show_count(3**20), show_count(8**400)
    ('4096', '3.5e9', '1.7e361')
    """
    if n < 10**6:
        return str(n)
    digits = str(n)  # a float ends at 1.8e308
    tenths = round(int(digits[:4]) / 100)
    exponent = len(digits) - 1
    return f"{tenths / 10:.1f}e{exponent}" if tenths < 100 else f"1.0e{exponent + 1}"
