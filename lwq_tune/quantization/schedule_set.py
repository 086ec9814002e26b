"""Sets of schedules that may be too many to list: counted, drawn from, walked step by step. No torch.

Twenty units with three choices each have 3.5e9 schedules. Nothing here makes more of them than it returns.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from lwq_tune.quantization.schedules import BitWidths, Constraint, count_bit_widths, enumerate_bit_widths


@dataclass(frozen=True)
class ScheduleSet:
    """All schedules over some bit-widths that keep to a constraint, as `enumerate_bit_widths` would list them.

    Attributes:
        choices: The bit-widths, each once, rising.
        n_units: Units of the network.
        constraint: As for `enumerate_bit_widths`.
    """

    choices: tuple[int, ...]
    n_units: int
    constraint: Constraint

    @classmethod
    def over(cls, choices: Iterable[int], n_units: int, constraint: Constraint) -> ScheduleSet:
        """Return the set over choices in any order."""
        return cls(tuple(sorted(set(choices))), n_units, constraint)

    @property
    def size(self) -> int:
        """Number of its schedules."""
        return count_bit_widths(len(self.choices), self.n_units, self.constraint)

    @property
    def fewest(self) -> BitWidths:
        """The schedule of the fewest bits."""
        return (self.choices[0],) * self.n_units

    @property
    def most(self) -> BitWidths:
        """The schedule of the most bits."""
        return (self.choices[-1],) * self.n_units

    def all(self) -> list[BitWidths]:
        """Return all of them, in lexicographic order."""
        return enumerate_bit_widths(self.choices, self.n_units, self.constraint)

    def __contains__(self, bit_widths: object) -> bool:
        return (
            isinstance(bit_widths, tuple)
            and len(bit_widths) == self.n_units
            and all(bits in self.choices for bits in bit_widths)
            and bit_widths == self.nearest(bit_widths)
        )

    def schedule(self, index: int) -> BitWidths:
        """Return the schedule of a place in lexicographic order, from 0.

        >>> rising = ScheduleSet((2, 3, 4), 2, "ascending")
        >>> [rising.schedule(index) for index in range(rising.size)] == rising.all()
        True
        """
        if not 0 <= index < self.size:
            raise ValueError(f"index must be in [0, {self.size - 1}], got {index}")
        if self.constraint == "fixed":
            return (self.choices[index],) * self.n_units
        found: list[int] = []
        lowest, highest = 0, len(self.choices) - 1
        for n_after in reversed(range(self.n_units)):
            for choice in range(lowest, highest + 1):
                n_open = {"ascending": len(self.choices) - choice, "descending": choice + 1}
                n_with_it = count_bit_widths(n_open.get(self.constraint, len(self.choices)), n_after, self.constraint)
                if index < n_with_it:
                    break
                index -= n_with_it
            found.append(self.choices[choice])
            lowest = choice if self.constraint == "ascending" else lowest
            highest = choice if self.constraint == "descending" else highest
        return tuple(found)

    def draw(self, generator: random.Random) -> BitWidths:
        """Return one of them, each with the same probability."""
        return self.schedule(generator.randrange(self.size))

    def nearest(self, bit_widths: BitWidths) -> BitWidths:
        """Return the schedule of the set for any schedule over its choices: the same bits, put in order.

        A fixed schedule takes the median of the bits, the lower one of two.

        >>> ScheduleSet((2, 3, 4), 3, "ascending").nearest((4, 2, 3))
        (2, 3, 4)
        """
        if self.constraint == "free":
            return bit_widths
        in_order = sorted(bit_widths, reverse=self.constraint == "descending")
        return (in_order[(self.n_units - 1) // 2],) * self.n_units if self.constraint == "fixed" else tuple(in_order)

    def least_with(self, unit: int, bits: int) -> BitWidths:
        """Return the schedule of the fewest bits that gives a unit, counted from 0, some bits.

        >>> ScheduleSet((2, 3, 4), 4, "ascending").least_with(1, 3)
        (2, 3, 3, 3)
        """
        raised = {
            "free": range(unit, unit + 1),
            "ascending": range(unit, self.n_units),
            "descending": range(unit + 1),
            "fixed": range(self.n_units),
        }[self.constraint]
        return tuple(bits if other in raised else self.choices[0] for other in range(self.n_units))

    def steps(self, bit_widths: BitWidths, direction: int) -> dict[int, BitWidths]:
        """Return the schedules where one unit takes its next choice, by unit.

        Args:
            bit_widths: A schedule of the set.
            direction: 1 for more bits, -1 for fewer.

        >>> ScheduleSet((2, 3, 4), 3, "ascending").steps((2, 3, 3), -1)
        {1: (2, 2, 3)}
        """
        if self.constraint == "fixed":
            place = self.choices.index(bit_widths[0]) + direction
            return {0: (self.choices[place],) * self.n_units} if 0 <= place < len(self.choices) else {}
        found = {}
        for unit, bits in enumerate(bit_widths):
            place = self.choices.index(bits) + direction
            if 0 <= place < len(self.choices):
                step = (*bit_widths[:unit], self.choices[place], *bit_widths[unit + 1 :])
                if step == self.nearest(step):
                    found[unit] = step
        return found
