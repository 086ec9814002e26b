"""An NVML with exact counters; errors and constants are pynvml's own, which needs no GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml


@dataclass(eq=False)
class FakeGpu:
    """Every field is what NVML returns for it, or the error that it raises."""

    uuid: Any = "GPU-8d2f"
    energy_mj: Any = 0
    power_mw: Any = 0
    mig_mode: Any = field(default_factory=lambda: [0, 0])
    samples: Any = ()  # (pid, time stamp in microseconds, SM percent): all that the driver keeps
    compute_pids: Any = ()
    graphics_pids: Any = ()
    asked_since_us: list[int] = field(default_factory=list)


def value_or_raise(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


class FakeNvml:
    def __init__(self, *gpus: Any) -> None:
        self.gpus = gpus
        self.n_open = 0

    def __getattr__(self, name: str) -> Any:
        assert name.startswith("NVML"), f"the fake has no {name}"
        return getattr(pynvml, name)

    def nvmlInit(self) -> None:
        self.n_open += 1

    def nvmlShutdown(self) -> None:
        self.n_open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return value_or_raise(self.gpus[index])

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> Any:
        return value_or_raise(gpu.uuid)

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        return "Fake H100"

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> Any:
        return value_or_raise(gpu.mig_mode)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> Any:
        return value_or_raise(gpu.energy_mj)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> Any:
        return value_or_raise(gpu.power_mw)

    def nvmlDeviceGetProcessUtilization(self, gpu: FakeGpu, since_us: int) -> list[SimpleNamespace]:
        gpu.asked_since_us.append(since_us)
        return [
            SimpleNamespace(pid=pid, timeStamp=stamp_us, smUtil=percent)
            for pid, stamp_us, percent in value_or_raise(gpu.samples)
        ]

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in value_or_raise(gpu.compute_pids)]

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in value_or_raise(gpu.graphics_pids)]
