"""Whether CodeCarbon's figures are measured or estimated, and what it knows about the hardware. Does not import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lwq_tune.errors import EnergyMeterError

CPU_SOURCES = {
    "intel_rapl": "measured:rapl-package",
    "cpu_load": "estimated:tdp*load^3",
    "constant": "estimated:constant",
}
# CodeCarbon's load model draws a tenth of the TDP at no load; its constant is half the TDP at any load.
IDLE_SHARE_OF_TDP = {"estimated:tdp*load^3": 0.1, "estimated:constant": 0.5}
# No host has so many sockets that RAPL reports more; a reset counter looks like tens of kilowatts.
MAX_RAPL_W = 4000.0
_MAX_SHARE_OF_TDP = 1.5


def cpu_of(hardware: Sequence[Any]) -> Any:
    """Return the CPU among the hardware objects of CodeCarbon, None if there is none.

    Args:
        hardware: Private objects of CodeCarbon, checked by contract tests.

    Raises:
        EnergyMeterError: CodeCarbon tracks nothing.
    """
    if not hardware:
        raise EnergyMeterError("CodeCarbon must track some hardware, got none: it swallowed an error at its start")
    return next((item for item in hardware if type(item).__name__ == "CPU"), None)


def find_cpu_source(hardware: Sequence[Any]) -> str:
    """Return the source of the CPU energy.

    Raises:
        EnergyMeterError: CodeCarbon tracks nothing.
    """
    cpu = cpu_of(hardware)
    if cpu is None:
        return "unknown:" + "+".join(sorted(type(item).__name__ for item in hardware))
    return CPU_SOURCES.get(cpu._mode, f"unknown:{cpu._mode}")


def find_ram_source(hardware: Sequence[Any]) -> str:
    """Return the source of the memory energy."""
    return "estimated:dimm-heuristic" if any(type(item).__name__ == "RAM" for item in hardware) else "none"


def idle_power_w(cpu: Any, source: str) -> float | None:
    """Return the idle power of the CPUs if it follows from CodeCarbon's model; None if it must be measured."""
    share = IDLE_SHARE_OF_TDP.get(source)
    return None if share is None or cpu is None else share * float(cpu._tdp)


def max_power_w(cpu: Any, source: str) -> float | None:
    """Return a power that the CPUs cannot reach, to detect a broken counter; None if unknown."""
    if source.startswith("measured:"):
        return MAX_RAPL_W
    return None if cpu is None else _MAX_SHARE_OF_TDP * float(cpu._tdp)
