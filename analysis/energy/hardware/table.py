"""Costs of hardware as values: a multiply-accumulate by weight and activation bits, and a moved byte."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.runs.load import AnalysisError

Cells = Mapping[tuple[int, int], float]  # by (weight bits, activation bits)


class BetweenBits(StrEnum):
    """What a table says of bits that lie between those it gives; beyond them nothing is ever said."""

    REFUSED = "refused"
    NEXT_HIGHER = "next_higher"  # the hardware computes them as the next higher bits that it has
    LINEAR = "linear"  # by line, between the neighbours in either direction


class Figures(StrEnum):
    """How the figures of a table were found by those who published them."""

    MEASURED = "measured"
    SIMULATED = "simulated"
    ESTIMATED = "estimated"


class NotCoveredError(AnalysisError):
    """A table says nothing of some bits."""


@dataclass(frozen=True)
class Source:
    """Where the figures of a table come from.

    Attributes:
        short: Authors and year, as an axis names them.
        citation: Authors, title, where and when it was published.
        table: Which table, figure or file of it.
        link: Address of it.
        verified: What of the figures was checked against which source, and what was not.
    """

    short: str
    citation: str
    table: str
    link: str
    verified: str


@dataclass(frozen=True)
class Memory:
    """Energy of a byte that is moved, in picojoules; None where the table does not give it.

    Attributes:
        weights_on_chip: A weight's byte from memory on the chip.
        weights_off_chip: The same from memory off the chip.
        activations: A byte of an input or output of a layer.
    """

    weights_on_chip: float | None = None
    weights_off_chip: float | None = None
    activations: float | None = None


# Identity is enough to compare tables, and lets functions of a table be cached.
@dataclass(frozen=True, eq=False)
class HardwareTable:
    """Costs of some hardware.

    Attributes:
        name: What ``--hardware`` and files call it.
        title: What axes and sentences call it.
        source: Where the figures come from.
        technology: Process, voltage, or that it is not stated.
        clock_mhz: Clock of the figures; None where they have none.
        figures: How they were found.
        leaves_out: What they do not count.
        between_bits: What holds between the given bits.
        energies_pj: Energy of a multiply-accumulate.
        latencies_ns: Mean time of a multiply-accumulate, all parallel units at work; empty where it is not given.
        memory: Energy of moved bytes.
        first_last_bits: Bits at which stem and classifier of a quantized network are costed where they were trained in
            full precision; an assumption of the one who asks and no part of a file, None without it.
    """

    name: str
    title: str
    source: Source
    technology: str
    clock_mhz: float | None
    figures: Figures
    leaves_out: tuple[str, ...]
    between_bits: BetweenBits
    energies_pj: Cells
    latencies_ns: Cells = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    first_last_bits: int | None = None

    @property
    def label(self) -> str:
        """What a table of results calls figures that follow from this one."""
        ending = "" if self.first_last_bits is None else f":first-last-{self.first_last_bits}"
        return f"modelled:{self.name}{ending}"

    @property
    def assumption(self) -> str:
        """What was assumed beside the table, to be added to a sentence; empty where nothing was."""
        if self.first_last_bits is None:
            return ""
        return f", stem and classifier that were trained in full precision taken at {self.first_last_bits} bits"

    @property
    def modelled_for(self) -> str:
        """What an axis calls figures that follow from this table."""
        return f"modelled for {self.title} ({self.source.short})"

    def counted(self, *, with_off_chip: bool = True) -> str:
        """Return what modelled energies count by this table, as text.

        Args:
            with_off_chip: Whether weights from memory off the chip are counted, as one of two cases.
        """
        memory = self.memory
        places = [("SRAM", memory.weights_on_chip), ("DRAM", memory.weights_off_chip if with_off_chip else None)]
        weights = " or ".join(place for place, cost in places if cost is not None)
        added = [f"weights (read once from {weights})"] if weights else []
        added += ["activations (written and read once in SRAM)"] if memory.activations is not None else []
        return f"added here are {' and '.join(added)}" if added else "multiply-accumulates alone, no memory"

    @property
    def given_bits(self) -> tuple[list[int], list[int]]:
        """Weight bits and activation bits that the table gives, in order."""
        return tuple(sorted({pair[operand] for pair in self.energies_pj}) for operand in (0, 1))  # type: ignore[return-value]

    def mac_energy_pj(self, weight_bits: int, activation_bits: int) -> float:
        """Return the energy of a multiply-accumulate in picojoules.

        Raises:
            NotCoveredError: The table says nothing of these bits.
        """
        return self._look_up(self.energies_pj, weight_bits, activation_bits)

    def mac_latency_ns(self, weight_bits: int, activation_bits: int) -> float:
        """Return the mean time of a multiply-accumulate in nanoseconds.

        Raises:
            NotCoveredError: The table says nothing of these bits, or gives no times.
        """
        return self._look_up(self.latencies_ns, weight_bits, activation_bits)

    def covers(self, weight_bits: int, activation_bits: int) -> bool:
        """Whether the table says what a multiply-accumulate of these bits costs."""
        weights, activations = self.given_bits
        return bool(self._span(weights, weight_bits) and self._span(activations, activation_bits))

    def coverage_text(self) -> str:
        """Return which bits the table covers, for messages."""
        weights, activations = (", ".join(map(str, bits)) for bits in self.given_bits)
        between = {
            BetweenBits.REFUSED: "and none between them",
            BetweenBits.NEXT_HIGHER: "and takes bits below or between them as the next higher ones",
            BetweenBits.LINEAR: "and a line between them",
        }[self.between_bits]
        return f"{self.name} gives weights of {weights} bits and activations of {activations} bits, {between}"

    def _look_up(self, cells: Cells, weight_bits: int, activation_bits: int) -> float:
        weights, activations = self.given_bits
        rows, columns = self._span(weights, weight_bits), self._span(activations, activation_bits)
        if not rows or not columns or not cells:
            raise NotCoveredError(
                f"a cost follows from bits that the table covers, got weights of {weight_bits} and activations of "
                f"{activation_bits} bits; {self.coverage_text()}"
            )
        return sum(
            row_share * column_share * cells[row, column] for row, row_share in rows for column, column_share in columns
        )

    def _span(self, given: Sequence[int], bits: int) -> list[tuple[int, float]]:
        """Return the given bits that stand for some bits, with their shares; none where they are not covered.

        >>> table = HardwareTable("", "", None, "", None, "", (), BetweenBits.LINEAR, {})
        >>> table._span([2, 4, 8], 5), table._span([2, 4, 8], 4), table._span([2, 4, 8], 9)
        ([(4, 0.75), (8, 0.25)], [(4, 1.0)], [])
        """
        if bits in given:
            return [(bits, 1.0)]
        place = bisect_left(given, bits)
        if place == len(given) or self.between_bits is BetweenBits.REFUSED:
            return []
        if self.between_bits is BetweenBits.NEXT_HIGHER:
            return [(given[place], 1.0)]
        if place == 0:
            return []
        low, high = given[place - 1], given[place]
        share = (bits - low) / (high - low)
        return [(low, 1 - share), (high, share)]
