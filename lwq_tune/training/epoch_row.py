"""The row that a trial yields per epoch: plain values, named and typed as in the results tables."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lwq_tune.energy.meter import EnergyReading, MeterSources

# The reading of the training pass and the sources stand in a row under their own names.
_OF_TRAINING = tuple(field.name for field in fields(EnergyReading) if field.name != "time_s")
_OF_SOURCES = tuple(field.name for field in fields(MeterSources))


@dataclass(frozen=True)
class EpochRow:
    """One epoch of one trial. Units and meanings: `lwq_tune.results.schema`. None is not measured."""

    epoch: int
    energy_segment: str | None
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float
    val_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    lr: float
    train_time_s: float
    eval_time_s: float
    epoch_time_s: float
    images_per_s: float | None
    peak_memory_mib: float
    engine: str
    setup_time_s: float
    setup_energy_kwh: float | None
    setup_emissions_kg_co2eq: float | None
    active_energy_kwh: float | None
    idle_energy_kwh: float | None
    energy_kwh: float | None
    cpu_energy_kwh: float | None
    gpu_energy_kwh: float | None
    ram_energy_kwh: float | None
    emissions_kg_co2eq: float | None
    eval_energy_kwh: float | None
    eval_emissions_kg_co2eq: float | None
    overhead_energy_kwh: float | None
    overhead_emissions_kg_co2eq: float | None
    cumulative_energy_kwh: float | None
    cumulative_emissions_kg_co2eq: float | None
    carbon_intensity_g_per_kwh: float | None
    carbon_intensity_source: str | None
    cpu_source: str | None
    gpu_source: str | None
    ram_source: str | None
    idle_source: str | None
    share_method: str | None
    concurrency: float | None
    coverage: float | None
    unmeasured_s: float | None
    pue: float | None


@dataclass(frozen=True)
class EnergyTotals:
    """Running totals of the training passes of a trial, carried through checkpoints."""

    energy_kwh: float | None = 0.0
    emissions_kg_co2eq: float | None = 0.0

    def plus(self, reading: EnergyReading) -> EnergyTotals:
        """Return the totals after another reading; once something was not measured, the sum is unknown."""
        return EnergyTotals(
            _sum(self.energy_kwh, reading.energy_kwh),
            _sum(self.emissions_kg_co2eq, reading.emissions_kg_co2eq),
        )


def _sum(total: float | None, part: float | None) -> float | None:
    return None if total is None or part is None else total + part


def setup_values(time_s: float = 0.0, reading: EnergyReading | None = None) -> dict[str, float | None]:
    """Return the setup columns of an `EpochRow`; without a reading, nothing was set up."""
    return {
        "setup_time_s": time_s,
        "setup_energy_kwh": reading.energy_kwh if reading else 0.0,
        "setup_emissions_kg_co2eq": reading.emissions_kg_co2eq if reading else 0.0,
    }


def energy_values(
    train: EnergyReading,
    evaluation: EnergyReading,
    overhead: EnergyReading,
    totals: EnergyTotals,
    sources: MeterSources,
) -> dict[str, float | str | None]:
    """Return the energy columns of an `EpochRow`.

    Args:
        train: The training pass.
        evaluation: The passes over validation and test images.
        overhead: What was used outside of these and of the setup since the last row.
        totals: Running totals of training passes, this one included.
        sources: How the figures came about.
    """
    return {
        **{name: getattr(train, name) for name in _OF_TRAINING},
        **{name: getattr(sources, name) for name in _OF_SOURCES},
        "eval_energy_kwh": evaluation.energy_kwh,
        "eval_emissions_kg_co2eq": evaluation.emissions_kg_co2eq,
        "overhead_energy_kwh": overhead.energy_kwh,
        "overhead_emissions_kg_co2eq": overhead.emissions_kg_co2eq,
        "cumulative_energy_kwh": totals.energy_kwh,
        "cumulative_emissions_kg_co2eq": totals.emissions_kg_co2eq,
    }
