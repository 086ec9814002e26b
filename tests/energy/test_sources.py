from __future__ import annotations

from dataclasses import dataclass

import pytest

from lwq_tune.energy.meter import WORLD_AVERAGE, EnergyReading
from lwq_tune.energy.sources import check_reading, find_sources
from lwq_tune.errors import EnergyMeterError


@dataclass
class CPU:
    _mode: str


class RAM:
    pass


@dataclass
class GPU:
    ids: list[int]

    def _get_gpu_ids(self) -> list[int]:
        return self.ids


@pytest.mark.parametrize(
    ("mode", "label"),
    [
        ("intel_rapl", "measured:rapl-package"),
        ("cpu_load", "estimated:tdp*load^3"),
        ("constant", "estimated:constant"),
        ("tea_leaves", "unknown:tea_leaves"),
    ],
)
def test_only_a_counter_is_called_measured(mode: str, label: str) -> None:
    sources = find_sources([CPU(mode), RAM()], WORLD_AVERAGE, [])
    assert sources.cpu_source == label
    assert sources.ram_source == "estimated:dimm-heuristic"
    assert sources.gpu_source == "none"


def test_a_gpu_nobody_asked_for_is_not_metered() -> None:
    assert find_sources([CPU("cpu_load"), GPU([0, 1])], WORLD_AVERAGE, []).gpu_source == "none"


def test_a_gpu_asked_for_is_metered_by_its_counter() -> None:
    sources = find_sources([CPU("cpu_load"), GPU([1])], WORLD_AVERAGE, ["1"])
    assert sources.gpu_source == "measured:nvml-energy-counter"


@pytest.mark.parametrize("hardware", [[CPU("cpu_load")], [CPU("cpu_load"), GPU([])], [CPU("cpu_load"), GPU([0])], []])
def test_a_gpu_asked_for_and_not_tracked_is_refused(hardware: list[object]) -> None:
    with pytest.raises(EnergyMeterError, match="CodeCarbon must track"):
        find_sources(hardware, WORLD_AVERAGE, ["1"])


def reading(gpu_energy_kwh: float | None, time_s: float, emissions_kg_co2eq: float = 0.475) -> EnergyReading:
    return EnergyReading(
        time_s,
        energy_kwh=1.0,
        cpu_energy_kwh=1.0 - (gpu_energy_kwh or 0.0),
        gpu_energy_kwh=gpu_energy_kwh,
        emissions_kg_co2eq=emissions_kg_co2eq,
    )


def test_sound_figures_pass_and_contradictions_do_not() -> None:
    sources = find_sources([CPU("cpu_load"), GPU([0])], WORLD_AVERAGE, ["0"])
    check_reading(reading(0.5, 60.0), sources)
    check_reading(reading(0.0, 0.5), sources)
    with pytest.raises(EnergyMeterError, match="sum of CPU, memory and the GPU asked for, 0.25 kWh"):
        check_reading(EnergyReading(60.0, 1.0, 0.2, None, 0.05, 0.475), sources)  # GPUs that nobody asked for
    with pytest.raises(EnergyMeterError, match="draws power at all times"):
        check_reading(reading(0.0, 60.0), sources)
    with pytest.raises(EnergyMeterError, match="0.475 kg, CodeCarbon says 0.369 kg"):
        check_reading(reading(0.5, 60.0, emissions_kg_co2eq=0.369), sources)
