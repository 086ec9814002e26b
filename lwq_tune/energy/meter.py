"""What an energy meter is: measurement windows that give readings. Plain Python, no third-party imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class MeterSources:
    """The source of each figure of a meter; None if there is none.

    Attributes:
        cpu_source: Source of the CPU energy, such as ``measured:rapl-package`` or ``estimated:tdp*load^3``.
        gpu_source: Source of the GPU energy, such as ``measured:nvml-energy-counter``; ``none`` if no GPU is metered.
        ram_source: Source of the memory energy, such as ``estimated:dimm-heuristic``.
        idle_source: Source of the idle power: ``model``, ``calibrated``, or ``unknown`` (all energy is active).
        carbon_intensity_source: Source of the carbon intensity.
        pue: Power usage effectiveness that all energies are multiplied by.
    """

    cpu_source: str | None = None
    gpu_source: str | None = None
    ram_source: str | None = None
    idle_source: str | None = None
    carbon_intensity_source: str | None = None
    pue: float | None = None


@dataclass(frozen=True)
class EnergyReading:
    """What a trial was charged with between two times; a figure that was not measured is None.

    Attributes:
        time_s: Time between them by the meter's clock.
        energy_kwh: Sum of active and idle energy, and of CPU, GPU and memory.
        active_energy_kwh: Energy above the idle energy of the host.
        idle_energy_kwh: The trial's share of the idle energy.
        gpu_energy_kwh: None without a GPU.
        carbon_intensity_g_per_kwh: Emissions divided by energy.
        coverage: Share of the time that the meter saw, in [0, 1].
        unmeasured_s: The time that the meter did not see.
        concurrency: Mean number of trials on the host, this one included.
        share_method: How the trial's share was found, such as ``cpu-seconds``.
    """

    time_s: float
    energy_kwh: float | None = None
    active_energy_kwh: float | None = None
    idle_energy_kwh: float | None = None
    cpu_energy_kwh: float | None = None
    gpu_energy_kwh: float | None = None
    ram_energy_kwh: float | None = None
    emissions_kg_co2eq: float | None = None
    carbon_intensity_g_per_kwh: float | None = None
    coverage: float | None = None
    unmeasured_s: float | None = None
    concurrency: float | None = None
    share_method: str | None = None


class EnergyMeter(Protocol):
    """Energy of a trial in measurement windows, of which one may be open at a time."""

    @property
    def sources(self) -> MeterSources:
        """The source of each figure."""

    @property
    def segment(self) -> str | None:
        """Name of this start of the trial in the ledger; None without one."""

    def begin_window(self) -> None:
        """Open a window."""

    def end_window(self) -> EnergyReading:
        """Close the window and return what was used in it."""

    def between_windows(self) -> EnergyReading:
        """Return what was used outside of windows since the last call, or since the trial was registered."""

    def close(self) -> None:
        """Stop measuring."""


class NullMeter:
    """The meter of a host without one: its readings are empty, never zero."""

    sources = MeterSources()
    segment: str | None = None

    def begin_window(self) -> None:
        """Open nothing."""

    def end_window(self) -> EnergyReading:
        """Return a reading without figures."""
        return EnergyReading(time_s=0.0)

    def between_windows(self) -> EnergyReading:
        """Return a reading without figures."""
        return EnergyReading(time_s=0.0)

    def close(self) -> None:
        """Stop nothing."""
