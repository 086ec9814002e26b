"""A meter with exact, known figures: the window number n uses n mWh."""

from __future__ import annotations

from lwq_tune.energy.meter import EnergyReading, MeterSources


class CountingMeter:
    """Counts its windows; the n-th uses n * 1e-6 kWh, at 500 g/kWh."""

    sources = MeterSources("measured:fake", "none", "estimated:fake", "model", "user", 1.0)
    segment = "host-1-fake"

    def __init__(self) -> None:
        self.n_windows = 0
        self.is_open = False

    def begin_window(self) -> None:
        assert not self.is_open, "a window was opened inside another"
        self.is_open = True

    def end_window(self) -> EnergyReading:
        assert self.is_open
        self.is_open = False
        self.n_windows += 1
        energy_kwh = self.n_windows * 1e-6
        return EnergyReading(
            time_s=1.0,
            energy_kwh=energy_kwh,
            active_energy_kwh=0.5 * energy_kwh,
            idle_energy_kwh=0.5 * energy_kwh,
            cpu_energy_kwh=0.75 * energy_kwh,
            gpu_energy_kwh=None,
            ram_energy_kwh=0.25 * energy_kwh,
            emissions_kg_co2eq=energy_kwh * 0.5,
            carbon_intensity_g_per_kwh=500.0,
            coverage=1.0,
            unmeasured_s=0.0,
            concurrency=1.0,
            share_method="cpu-seconds",
        )

    def between_windows(self) -> EnergyReading:
        return EnergyReading(time_s=0.5, energy_kwh=1e-7, emissions_kg_co2eq=5e-8)

    def close(self) -> None:
        pass
