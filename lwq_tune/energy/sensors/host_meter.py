"""What a ledger asks of the meter of a whole host. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class NodeReading:
    """Running totals of a host, in joules since its meter started.

    Attributes:
        cpu_j: All its CPUs.
        ram_j: Its memory.
        gpu_j: All its GPUs as the meter sees them, to compare with their own counters; None where it does not.
    """

    cpu_j: float
    ram_j: float
    gpu_j: float | None = None


class NodeMeter(Protocol):
    """Energy of a whole host; one owner, one thread.

    Attributes:
        cpu_source: Such as ``measured:rapl-package`` or ``estimated:tdp*load^3``.
        ram_source: Such as ``estimated:dimm-heuristic``.
        cpu_idle_w: What the CPUs draw when idle; None where unknown.
        max_cpu_w: More than the CPUs can draw; None where unknown.
    """

    cpu_source: str
    ram_source: str
    cpu_idle_w: float | None
    max_cpu_w: float | None

    def read(self) -> NodeReading:
        """Return the totals now.

        Raises:
            EnergyMeterError: They could not be read.
        """

    def close(self) -> None:
        """Stop measuring."""
