"""Reads meter, processes, memory and GPUs of a host together, and makes an interval of two such readings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwq_tune.energy.attribution.cpu_accounts import CpuAccounts
from lwq_tune.energy.attribution.gpu_accounts import GpuAccounts, GpuCheck
from lwq_tune.energy.attribution.idle_power import IdlePower
from lwq_tune.energy.attribution.memory_shares import MemoryShares
from lwq_tune.energy.attribution.split import OTHER, AccountUse, HostInterval
from lwq_tune.energy.sensors.host_meter import HostMeter, HostReading
from lwq_tune.energy.sensors.nvml import GpuReader
from lwq_tune.energy.sensors.processes import Process, ProcessReader
from lwq_tune.errors import EnergyMeterError

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
# CodeCarbon does not measure again within 50 ms; what a sample so soon after another misses is in the next interval.
MIN_INTERVAL_S = 0.06
# Processes of no account are read again at this period only, to check that no other process has got their PID.
FOREIGN_PERIOD_S = 10.0


@dataclass(frozen=True)
class Reservation:
    """What is reserved for an account: CPUs, and fractions of GPUs by index."""

    cpus: float
    gpus: Mapping[str, float]


@dataclass(frozen=True)
class _Sample:
    now_s: float
    busy_s: float
    totals: HostReading | None


class HostSampler:
    """Assigns processes to accounts and returns what happened since the last sample. Not safe for several threads.

    Args:
        meter: Meter of the host.
        gpus: Reader of its GPUs.
        reader: Reader of its processes.
        clock: Monotonic clock in seconds.
        host_cpus: Logical CPUs.
    """

    def __init__(
        self,
        meter: HostMeter,
        gpus: GpuReader,
        reader: ProcessReader,
        clock: Callable[[], float],
        host_cpus: int | None = None,
    ) -> None:
        self._meter, self._reader, self._clock = meter, reader, clock
        self._host_cpus = host_cpus or os.cpu_count() or 1
        self._cpu, self._memory, self._gpus = CpuAccounts(), MemoryShares(reader), GpuAccounts(gpus)
        self._gpu_check = GpuCheck()
        self._reservations: dict[str, Reservation] = {}
        self.idle = IdlePower(meter.cpu_idle_w)
        self.processes: Mapping[int, Process] = reader.processes()
        self._cpu.update(self.processes)
        self._last = self._read_sample(set())
        self._foreign_s = self._last.now_s

    @property
    def last_s(self) -> float:
        """When the last sample was taken."""
        return self._last.now_s

    @property
    def gpu_source(self) -> str:
        """How the energy of GPUs is found."""
        return self._gpus.source

    def accounts(self) -> list[str]:
        """Return the open accounts."""
        return self._cpu.names()

    def open(self, account: str, pid: int, reservation: Reservation, rest: str | None = None) -> None:
        """Open an account of a process and all that descends from it; right after a sample.

        Args:
            account: Name of the account.
            pid: Process ID.
            reservation: CPUs and GPUs reserved for it.
            rest: Name of an account for the descendants of ``pid``.

        Raises:
            EnergyMeterError: There is no such process.
        """
        if pid not in self.processes:  # started since the last sample
            self.processes = self._reader.processes()
            self._cpu.update(self.processes)
        process = self.processes.get(pid)
        if process is None:
            raise EnergyMeterError(f"an account needs a running process of this host, there is no process {pid}")
        self._cpu.register(account, process, self.processes, rest)
        self._reservations[account] = reservation
        self._gpus.register(account, reservation.gpus)

    def close(self, account: str) -> None:
        """Close an account; right after a sample."""
        self._cpu.unregister(account)
        self._gpus.unregister(account)
        self._reservations.pop(account, None)

    def dead(self) -> list[str]:
        """Return the accounts whose process has ended."""
        return self._cpu.dead(self.processes)

    def sample(self, flags: set[str], *, of_all: bool = False) -> HostInterval | None:
        """Return what happened since the last sample, None if no time has passed.

        Args:
            flags: Flags for what was unusual are added.
            of_all: Whether processes of no account are read too; needed before one of them gets an account.
        """
        last, now = self._last, self._read_sample(flags)
        time_s = now.now_s - last.now_s
        if time_s <= 0:
            return None
        self._last = now
        if time_s > 3 * PERIOD_S:
            flags.add("gap")
        is_due = now.now_s - self._foreign_s >= FOREIGN_PERIOD_S
        if of_all or is_due:
            self._foreign_s = now.now_s
        self.processes = self._reader.processes(None if of_all or is_due else self._cpu.foreign())
        cpu_s = self._cpu.update(self.processes)
        cpu_j, ram_j = self._host_energy(last, now, flags)
        shares = self._memory.shares(cpu_s.keys(), self._cpu.pids)
        none = Reservation(0.0, {})
        uses = {
            name: AccountUse(used_s, self._reservations.get(name, none).cpus, shares[name])
            for name, used_s in cpu_s.items()
        }
        gpus = self._gpus.read(now.now_s, time_s, self._owner, flags)
        if self._gpu_check.disagrees(sum(use.energy_j for use in gpus.values()), _gpu_j(last, now)):
            flags.add("gpu-mismatch")
        busy_s = max(0.0, now.busy_s - last.busy_s)
        return HostInterval(time_s, self._host_cpus, busy_s, cpu_j, ram_j, self.idle.cpu_w, uses, gpus)

    def _read_sample(self, flags: set[str]) -> _Sample:
        try:
            totals = self._meter.read()
        except EnergyMeterError as error:
            _log.warning("the energy of an interval could not be read: %s", error)
            flags.add("unreadable")
            totals = None
        return _Sample(self._clock(), self._reader.busy_s(), totals)

    def _host_energy(self, last: _Sample, now: _Sample, flags: set[str]) -> tuple[float | None, float | None]:
        """Return the energies of CPU and memory in joules, None for an implausible one."""
        if last.totals is None or now.totals is None:
            return None, None
        cpu_j, ram_j = now.totals.cpu_j - last.totals.cpu_j, now.totals.ram_j - last.totals.ram_j
        max_w = self._meter.max_cpu_w
        if cpu_j < 0 or (max_w is not None and cpu_j > max_w * (now.now_s - last.now_s + MIN_INTERVAL_S)):
            flags.add("counter-reset")
            return None, ram_j
        return cpu_j, ram_j

    def _owner(self, pid: int) -> str | None:
        """Return the account of a process, `OTHER` if it has none, None if there is no such process on this host."""
        if pid not in self.processes:
            return None
        return self._cpu.owner(pid, self.processes) or OTHER


def _gpu_j(last: _Sample, now: _Sample) -> float | None:
    if last.totals is None or now.totals is None or last.totals.gpu_j is None or now.totals.gpu_j is None:
        return None
    return now.totals.gpu_j - last.totals.gpu_j
