from __future__ import annotations

from dataclasses import dataclass

import pytest

from lwq_tune.energy.sensors.sources import cpu_of, find_cpu_source, find_ram_source, idle_power_w, max_power_w
from lwq_tune.errors import EnergyMeterError


@dataclass
class CPU:
    _mode: str
    _tdp: float = 200.0


class RAM:
    pass


@pytest.mark.parametrize(
    ("mode", "label", "idle_w", "max_w"),
    [
        ("intel_rapl", "measured:rapl-package", None, 4000.0),
        ("cpu_load", "estimated:tdp*load^3", 20.0, 300.0),
        ("constant", "estimated:constant", 100.0, 300.0),
        ("tea_leaves", "unknown:tea_leaves", None, 300.0),
    ],
)
def test_only_a_counter_is_called_measured_and_only_a_model_knows_idle_power(
    mode: str, label: str, idle_w: float | None, max_w: float
) -> None:
    hardware = [CPU(mode), RAM()]
    assert find_cpu_source(hardware) == label
    assert find_ram_source(hardware) == "estimated:dimm-heuristic"
    assert idle_power_w(cpu_of(hardware), label) == idle_w
    assert max_power_w(cpu_of(hardware), label) == max_w


def test_hardware_that_is_missing_is_said_to_be() -> None:
    assert find_ram_source([CPU("cpu_load")]) == "none"
    assert find_cpu_source([RAM()]) == "unknown:RAM"
    with pytest.raises(EnergyMeterError, match="must track some hardware"):
        find_cpu_source([])
