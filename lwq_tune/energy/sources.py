"""What CodeCarbon's figures are, measured or estimated, and whether they can be right. Imports nothing of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lwq_tune.energy.meter import CarbonIntensity, EnergyReading, MeterSources
from lwq_tune.errors import EnergyMeterError

GPU_NEVER_IDLE_S = 2.0
CPU_SOURCES = {
    "intel_rapl": "measured:rapl-package",
    "cpu_load": "estimated:tdp*load^3",
    "constant": "estimated:constant",
}


def find_sources(hardware: Sequence[Any], intensity: CarbonIntensity, gpu_ids: list[str]) -> MeterSources:
    """Return the labels of the hardware that CodeCarbon tracks.

    Args:
        hardware: CodeCarbon's hardware objects (private names of it, under contract tests).
        intensity: Carbon intensity in use.
        gpu_ids: NVML indices of the GPUs asked for. CodeCarbon lists a GPU also where none was asked for.

    Raises:
        EnergyMeterError: It tracks nothing, or other GPUs than asked for.
    """
    by_class = {type(item).__name__: item for item in hardware}
    if not by_class:
        raise EnergyMeterError("CodeCarbon must track some hardware, got none: it swallowed an error at its start")
    tracked = [str(index) for index in by_class["GPU"]._get_gpu_ids()] if gpu_ids and "GPU" in by_class else []
    if tracked != gpu_ids:
        raise EnergyMeterError(
            f"CodeCarbon must track GPU {', '.join(gpu_ids)}, it tracks {', '.join(tracked) or 'none'}; "
            "it needs NVML and the nvidia-smi program"
        )
    cpu = by_class.get("CPU")
    return MeterSources(
        cpu_source=CPU_SOURCES.get(cpu._mode, f"unknown:{cpu._mode}")
        if cpu
        else "unknown:" + "+".join(sorted(by_class)),
        gpu_source="measured:nvml-energy-counter" if tracked else "none",
        ram_source="estimated:dimm-heuristic" if "RAM" in by_class else "none",
        share_method="whole-host",
        carbon_intensity=intensity,
    )


def check_reading(reading: EnergyReading, sources: MeterSources) -> None:
    """Refuse figures that contradict one another.

    Raises:
        EnergyMeterError: The parts do not add up, emissions are not energy times the intensity asked for, or a
            GPU drew nothing.
    """
    energy_kwh = reading.energy_kwh or 0.0
    parts_kwh = sum(part or 0.0 for part in (reading.cpu_energy_kwh, reading.gpu_energy_kwh, reading.ram_energy_kwh))
    if not math.isclose(parts_kwh, energy_kwh, rel_tol=1e-6, abs_tol=1e-15):
        raise EnergyMeterError(
            f"energy must be the sum of CPU, memory and the GPU asked for, {parts_kwh:.6g} kWh, CodeCarbon says "
            f"{energy_kwh:.6g} kWh"
        )
    g_per_kwh = sources.carbon_intensity.g_per_kwh if sources.carbon_intensity else 0.0
    emissions_kg, expected_kg = reading.emissions_kg_co2eq or 0.0, energy_kwh * g_per_kwh / 1000
    if not math.isclose(emissions_kg, expected_kg, rel_tol=1e-6, abs_tol=1e-15):
        raise EnergyMeterError(
            f"emissions must be energy times the stated intensity, {expected_kg:.6g} kg, CodeCarbon says "
            f"{emissions_kg:.6g} kg"
        )
    if reading.gpu_energy_kwh == 0 and reading.time_s > GPU_NEVER_IDLE_S:
        raise EnergyMeterError(f"a GPU draws power at all times, CodeCarbon says none in {reading.time_s:.1f} s")
