"""A host with exact counters: its clock moves only when told, its processes compute what a test says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lwq_tune.energy.ledger.host_ledger import HostLedger
from lwq_tune.energy.sensors.host_meter import HostReading
from lwq_tune.energy.sensors.nvml import NoGpus
from lwq_tune.energy.sensors.processes import Process
from lwq_tune.errors import EnergyMeterError

IDLE_W, W_PER_BUSY_CPU, RAM_W = 20.0, 30.0, 8.0


class FakeNode:
    """A linear meter: idle power and so many watts per busy CPU, like an ideal RAPL."""

    cpu_source, ram_source = "measured:rapl-package", "estimated:fake"

    def __init__(self, host: FakeHost, cpu_idle_w: float | None) -> None:
        self._host = host
        self.cpu_idle_w, self.max_cpu_w = cpu_idle_w, 1000.0
        self.offset_j = 0.0
        self.is_broken = False
        self.is_closed = False

    def read(self) -> HostReading:
        if self.is_broken:
            raise EnergyMeterError("the counter cannot be read")
        host = self._host
        return HostReading(IDLE_W * host.now_s + W_PER_BUSY_CPU * host.total_busy_s + self.offset_j, RAM_W * host.now_s)

    def close(self) -> None:
        self.is_closed = True


class FakeHost:
    """Four CPUs and 1000 bytes of memory.

    Args:
        folder: For logs.
        cpu_idle_w: What the meter knows of idle power.
    """

    def __init__(self, cpu_idle_w: float | None = IDLE_W) -> None:
        self.now_s, self.total_busy_s = 0.0, 0.0
        self.table: dict[int, Process] = {1: Process(1, 1, 0, 1, 0.0, 0.0)}
        self.memory: dict[int, int] = {}
        self.node = FakeNode(self, cpu_idle_w)

    def ledger(self) -> HostLedger:
        return HostLedger(
            self.node, NoGpus(), self, host_cpus=4, clock=lambda: self.now_s, wall=lambda: 1e9 + self.now_s
        )  # type: ignore[arg-type]

    def start(self, pid: int, parent: int = 1, memory: int = 0) -> None:
        self.table[pid] = Process(pid, int(self.now_s * 100) + pid, parent, pid, 0.0, 0.0)
        self.memory[pid] = memory

    def kill(self, pid: int) -> None:
        del self.table[pid]

    def run(self, time_s: float, cpu_s: Mapping[int, float] | None = None, other_cpu_s: float = 0.0) -> None:
        """Let time pass; ``cpu_s`` says what each process computes in it."""
        for pid, used_s in (cpu_s or {}).items():
            self.table[pid] = replace(self.table[pid], own_s=self.table[pid].own_s + used_s)
        self.total_busy_s += sum((cpu_s or {}).values()) + other_cpu_s
        self.now_s += time_s

    # What a ProcessReader offers.
    def processes(self, unread: Mapping[int, Process] | None = None) -> dict[int, Process]:
        return {pid: (unread or {}).get(pid, process) for pid, process in self.table.items()}

    def process(self, pid: int) -> Process | None:
        return self.table.get(pid)

    def busy_s(self) -> float:
        return self.total_busy_s

    def proportional_bytes(self, pids: Iterable[int]) -> int:
        return sum(self.memory.get(pid, 0) for pid in pids)

    def resident_bytes(self, pids: Iterable[int]) -> int:
        return 100 + self.proportional_bytes(pids)  # shared pages

    def memory_bytes(self) -> int:
        return 1000


def log_of(folder: Path) -> Path:
    (folder / "energy").mkdir(exist_ok=True)
    return folder / "energy" / "host.jsonl"
