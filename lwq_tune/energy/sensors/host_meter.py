"""The protocol of the energy meter of a whole host. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class HostReading:
    """Running totals of a host, in joules since its meter started.

    Attributes:
        cpu_j: Energy of all its CPUs.
        ram_j: Energy of its memory.
        gpu_j: Energy of all its GPUs by this meter, to compare with their own counters; None if it gives none.
    """

    cpu_j: float
    ram_j: float
    gpu_j: float | None = None


class HostMeter(Protocol):
    """Energy meter of a whole host, for use by one thread.

    Attributes:
        cpu_source: Source of the CPU energy, such as ``measured:rapl-package`` or ``estimated:tdp*load^3``.
        ram_source: Source of the memory energy, such as ``estimated:dimm-heuristic``.
        cpu_idle_w: Idle power of the CPUs; None if unknown.
        max_cpu_w: A power that the CPUs cannot reach; None if unknown.
    """

    cpu_source: str
    ram_source: str
    cpu_idle_w: float | None
    max_cpu_w: float | None

    def read(self) -> HostReading:
        """Return the totals now.

        Raises:
            EnergyMeterError: The totals could not be read.
        """

    def close(self) -> None:
        """Stop measuring."""
