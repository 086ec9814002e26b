"""Splits the energy of a host in an interval between accounts. Pure arithmetic in joules.

CPU: energy above idle is divided by CPU seconds, and that of the remaining busy time goes to ``other``; idle energy is
divided by reserved CPUs, and that of the remaining CPUs goes to ``unallocated``. Memory is divided by resident memory.
A GPU is charged to its exclusive owner, else by SM utilization, or by reservation if utilization cannot be read.
``other`` and ``unallocated`` are computed like any other part and not as the remainder of the total, so that
`residuals` is a real check.

Active energy is the energy above idle. Memory draws the same power whether it is used or not, so all of it is idle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OTHER = "other"
UNALLOCATED = "unallocated"
CPU, RAM = "cpu", "ram"
GPU_PREFIX = "gpu:"


@dataclass(frozen=True)
class AccountUse:
    """What one account, for instance a trial, used in an interval.

    Attributes:
        cpu_s: CPU seconds of all its processes.
        reserved_cpus: CPUs reserved for it.
        memory_share: Its resident memory divided by that of the host, in [0, 1].
    """

    cpu_s: float
    reserved_cpus: float
    memory_share: float


@dataclass(frozen=True)
class GpuUse:
    """One GPU in an interval.

    Attributes:
        energy_j: Energy that it used.
        idle_w: Its idle power; 0 if unknown.
        owners: Reserved fraction by account.
        utilization: SM utilization by account, ``other`` for foreign processes; None if it cannot be read.
        has_foreign: Whether processes of no account use it.
    """

    energy_j: float
    idle_w: float
    owners: Mapping[str, float]
    utilization: Mapping[str, float] | None = None
    has_foreign: bool = False


@dataclass(frozen=True)
class HostInterval:
    """What a host used between two samples, and what each account used.

    Attributes:
        time_s: Length of the interval.
        host_cpus: Logical CPUs of the host.
        busy_s: CPU seconds in which any process ran.
        cpu_j: Energy of the CPUs; None where it was not measured. Likewise for the memory.
        cpu_idle_w: Idle power of the CPUs; 0 if unknown.
        accounts: What each account used, by name.
        gpus: What each GPU used, by index; a GPU whose counter could not be read is left out.
    """

    time_s: float
    host_cpus: int
    busy_s: float
    cpu_j: float | None
    ram_j: float | None
    cpu_idle_w: float
    accounts: Mapping[str, AccountUse]
    gpus: Mapping[str, GpuUse]


@dataclass(frozen=True)
class Part:
    """Energy of an account in a domain, in joules: active (above idle) and idle."""

    active_j: float = 0.0
    idle_j: float = 0.0

    @property
    def total_j(self) -> float:
        """Active and idle energy together."""
        return self.active_j + self.idle_j

    def plus(self, other: Part) -> Part:
        """Return the sum."""
        return Part(self.active_j + other.active_j, self.idle_j + other.idle_j)

    def scaled(self, factor: float) -> Part:
        """Return a multiple."""
        return Part(self.active_j * factor, self.idle_j * factor)


Parts = dict[str, dict[str, Part]]  # by domain, then account


@dataclass(frozen=True)
class Split:
    """How an interval was divided.

    Attributes:
        host_j: Energy of the host by domain.
        parts: By domain and account; `OTHER` and `UNALLOCATED` among the accounts.
        gpu_methods: How each GPU was divided: ``exclusive``, ``sm-util``, ``reservation`` or ``unowned``.
    """

    host_j: Mapping[str, float]
    parts: Parts
    gpu_methods: Mapping[str, str]


def split(interval: HostInterval) -> Split:
    """Divide the energy of an interval.

    >>> use = {"a": AccountUse(cpu_s=1.0, reserved_cpus=1, memory_share=0.1), "b": AccountUse(0.5, 1, 0.1)}
    >>> done = split(HostInterval(1.0, 4, 2.0, cpu_j=50.0, ram_j=None, cpu_idle_w=10.0, accounts=use, gpus={}))
    >>> [(name, part.active_j, part.idle_j) for name, part in done.parts["cpu"].items()]
    [('a', 20.0, 2.5), ('b', 10.0, 2.5), ('other', 10.0, 0.0), ('unallocated', 0.0, 5.0)]
    """
    host_j: dict[str, float] = {}
    parts: Parts = {}
    if interval.cpu_j is not None:
        host_j[CPU], parts[CPU] = interval.cpu_j, _split_cpu(interval, interval.cpu_j)
    if interval.ram_j is not None:
        host_j[RAM], parts[RAM] = interval.ram_j, _split_memory(interval, interval.ram_j)
    methods = {}
    for index, gpu in interval.gpus.items():
        domain = GPU_PREFIX + index
        host_j[domain] = gpu.energy_j
        parts[domain], methods[domain] = _split_gpu(gpu, interval.time_s)
    return Split(host_j, parts, methods)


def residuals(divided: Split) -> dict[str, float]:
    """Return the sum of the parts minus the host's energy, in joules by domain; not zero only by rounding."""
    return {
        domain: math.fsum([*(part.total_j for part in divided.parts[domain].values()), -host_j])
        for domain, host_j in divided.host_j.items()
    }


def _split_cpu(interval: HostInterval, energy_j: float) -> dict[str, Part]:
    used_s = math.fsum(use.cpu_s for use in interval.accounts.values())
    busy_s = max(interval.busy_s, used_s)  # both are counted in ticks, read at slightly different times
    idle_j = min(energy_j, interval.cpu_idle_w * interval.time_s)
    above_j = energy_j - idle_j
    if busy_s == 0:
        idle_j, above_j, busy_s = energy_j, 0.0, 1.0
    reserved = math.fsum(use.reserved_cpus for use in interval.accounts.values())
    slots = max(interval.host_cpus, reserved)
    parts = {
        name: Part(above_j * use.cpu_s / busy_s, idle_j * use.reserved_cpus / slots)
        for name, use in interval.accounts.items()
    }
    parts[OTHER] = Part(above_j * (busy_s - used_s) / busy_s) if above_j else Part()
    parts[UNALLOCATED] = Part(0.0, idle_j * (slots - reserved) / slots)
    return parts


def _split_memory(interval: HostInterval, energy_j: float) -> dict[str, Part]:
    used = math.fsum(use.memory_share for use in interval.accounts.values())
    whole = max(1.0, used)  # can exceed 1, since shares are read one after the other
    parts = {name: Part(0.0, energy_j * use.memory_share / whole) for name, use in interval.accounts.items()}
    parts[UNALLOCATED] = Part(0.0, energy_j * (whole - used) / whole)
    return parts


def _split_gpu(gpu: GpuUse, time_s: float) -> tuple[dict[str, Part], str]:
    idle_j = min(gpu.energy_j, gpu.idle_w * time_s)
    above_j = gpu.energy_j - idle_j
    reserved = math.fsum(gpu.owners.values())
    slots = max(1.0, reserved)
    weights, rest, method = _gpu_weights(gpu, reserved)
    parts: dict[str, Part] = defaultdict(Part)
    for name, fraction in gpu.owners.items():
        parts[name] = Part(0.0, idle_j * fraction / slots)
    parts[UNALLOCATED] = Part(0.0, idle_j * (slots - reserved) / slots)
    whole = math.fsum([*weights.values(), rest])
    for name, weight in weights.items():
        parts[name] = parts[name].plus(Part(above_j * weight / whole if whole else 0.0))
    unowned_j = above_j * rest / whole if whole else above_j
    parts[UNALLOCATED] = parts[UNALLOCATED].plus(Part(unowned_j))
    return dict(parts), method


def _gpu_weights(gpu: GpuUse, reserved: float) -> tuple[dict[str, float], float, str]:
    """Return the weights on the energy above idle by account, the weight of no account, and the method."""
    if not gpu.owners:
        weights = {OTHER: 1.0} if gpu.has_foreign else {}
        return weights, 0.0, "unowned"
    if len(gpu.owners) == 1 and reserved >= 1 and not gpu.has_foreign:
        return dict.fromkeys(gpu.owners, 1.0), 0.0, "exclusive"
    if gpu.utilization is None:
        return dict(gpu.owners), max(0.0, 1.0 - reserved), "reservation"
    known = {name: weight for name, weight in gpu.utilization.items() if name in gpu.owners or name == OTHER}
    foreign = math.fsum(weight for name, weight in gpu.utilization.items() if name not in known)
    if foreign:
        known[OTHER] = known.get(OTHER, 0.0) + foreign
    return known, 0.0, "sm-util"


def add_parts(total: Parts, more: Parts) -> None:
    """Add to ``total`` in place."""
    for domain, by_account in more.items():
        into = total.setdefault(domain, {})
        for account, part in by_account.items():
            into[account] = into.get(account, Part()).plus(part)


def sum_parts(parts: Iterable[Part]) -> Part:
    """Return the sum, rounded once."""
    listed = list(parts)
    return Part(math.fsum(part.active_j for part in listed), math.fsum(part.idle_j for part in listed))
