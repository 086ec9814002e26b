"""What an energy meter is: measurement windows that give readings. Plain Python, no third-party imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class CarbonIntensity:
    """Emissions per energy drawn from the grid.

    Attributes:
        g_per_kwh: Grams of CO2 equivalent per kilowatt hour.
        source: Where the figure comes from: ``user``, ``country-year:FRA:2023`` or ``world-average``.
    """

    g_per_kwh: float
    source: str


# CodeCarbon's fall-back for unknown places: the world's mean mix (Our World in Data).
WORLD_AVERAGE = CarbonIntensity(475.0, "world-average")


@dataclass(frozen=True)
class MeterSources:
    """How a meter comes to its figures, for the record; null where there is none.

    Attributes:
        cpu_source: Such as ``measured:rapl-package`` or ``estimated:tdp*load^3``.
        gpu_source: Such as ``measured:nvml-energy-counter``; ``none`` where no GPU is metered.
        ram_source: Such as ``estimated:dimm-heuristic``.
        share_method: How a trial's share of its host is found; ``whole-host`` charges it with everything.
    """

    cpu_source: str | None
    gpu_source: str | None
    ram_source: str | None
    share_method: str | None
    carbon_intensity: CarbonIntensity | None


@dataclass(frozen=True)
class EnergyReading:
    """What was used between the begin and the end of a window; None where it was not measured.

    Attributes:
        time_s: Length of the window by the meter's clock.
        energy_kwh: Sum of the parts that were measured or estimated.
        coverage: Share of the window that the meter saw, in [0, 1].
    """

    time_s: float
    energy_kwh: float | None = None
    cpu_energy_kwh: float | None = None
    gpu_energy_kwh: float | None = None
    ram_energy_kwh: float | None = None
    emissions_kg_co2eq: float | None = None
    coverage: float | None = None


class EnergyMeter(Protocol):
    """Energy of the host in measurement windows. One owner, one open window at a time."""

    @property
    def sources(self) -> MeterSources:
        """How the figures come about."""

    def begin_window(self) -> None:
        """Open a window."""

    def end_window(self) -> EnergyReading:
        """Close the window and return what was used in it."""

    def close(self) -> None:
        """Stop measuring."""


class NullMeter:
    """The meter of a host without one: its readings are empty, never zero."""

    sources = MeterSources(None, None, None, None, None)

    def begin_window(self) -> None:
        """Open nothing."""

    def end_window(self) -> EnergyReading:
        """Return a reading without figures."""
        return EnergyReading(time_s=0.0)

    def close(self) -> None:
        """Stop nothing."""
