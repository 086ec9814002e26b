"""Which account has reserved which GPU, and what each GPU used between two readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lwq_tune.energy.attribution.split import OTHER, GpuUse
from lwq_tune.energy.sensors.nvml import GpuReader, GpuReading

# The two read the counters at moments up to a tenth of a second apart; over some kilojoules that is little.
MIN_CHECKED_J = 5000.0
MIN_IDLE_S = 0.9
MAX_DISAGREEMENT = 0.1


class GpuCheck:
    """Compares the GPUs' own counters with the host meter's sum over all GPUs."""

    def __init__(self) -> None:
        self._counted_j = self._said_j = 0.0

    def disagrees(self, counted_j: float, said_j: float | None) -> bool:
        """Return whether the two differ by more than a tenth, after enough energy to judge.

        Args:
            counted_j: Energy of all GPUs in an interval by their counters.
            said_j: The same by the host's meter; None if it gives no figure.
        """
        if said_j is None:
            return False
        self._counted_j += counted_j
        self._said_j += said_j
        larger_j = max(self._counted_j, self._said_j)
        return larger_j > MIN_CHECKED_J and abs(self._counted_j - self._said_j) > MAX_DISAGREEMENT * larger_j


class GpuAccounts:
    """Turns readings of GPUs into the `GpuUse` that the ledger divides.

    Args:
        reader: GPUs of the host; none for the null object.
    """

    def __init__(self, reader: GpuReader) -> None:
        self._reader = reader
        self._owners: dict[str, dict[str, float]] = {}  # by GPU, then account
        self._last_j: dict[str, float] = {}
        self._idle: dict[str, tuple[float, float]] = {}  # seconds and joules

    @property
    def source(self) -> str:
        """How the energy of the GPUs is found, ``none`` without any."""
        sources = sorted({info.source for info in self._reader.gpus.values()})
        return "+".join(sources) or "none"

    def register(self, account: str, gpus: Mapping[str, float]) -> None:
        """Note that an account reserves fractions of GPUs, by index."""
        self.unregister(account)
        for index, fraction in gpus.items():
            self._owners.setdefault(index, {})[account] = fraction

    def unregister(self, account: str) -> None:
        """Note that an account reserves none any more."""
        for owners in self._owners.values():
            owners.pop(account, None)

    def read(
        self, now_s: float, time_s: float, owner_of: Callable[[int], str | None], flags: set[str]
    ) -> dict[str, GpuUse]:
        """Return what each GPU used since the last reading; one that could not be read is left out and flagged.

        Args:
            now_s: Monotonic time.
            time_s: Time since the last reading.
            owner_of: Returns the account of a process, `OTHER` if it has none, None if this host has no such process.
            flags: Flags for what was unusual are added.
        """
        uses = {}
        for index, reading in self._reader.read(now_s).items():
            if reading.energy_j is None:
                flags.add("gpu-unreadable")
                continue
            last_j = self._last_j.get(index)
            self._last_j[index] = reading.energy_j
            if last_j is not None:  # after a failed reading, the next one holds the energy of both
                uses[index] = self._use(index, reading, reading.energy_j - last_j, time_s, owner_of)
        return uses

    def _use(
        self, index: str, reading: GpuReading, energy_j: float, time_s: float, owner_of: Callable[[int], str | None]
    ) -> GpuUse:
        owners = {account: fraction for account, fraction in self._owners.get(index, {}).items() if fraction > 0}
        seen = {pid: owner_of(pid) for pid in {*(reading.pids or ()), *(reading.utilization_by_pid or ())}}
        is_free = not owners and reading.pids is not None and not seen
        idle_w = self._idle_power_w(index, energy_j, time_s, is_free=is_free)
        if seen and not any(seen.values()):  # the driver counts processes in another namespace, in a container
            return GpuUse(energy_j, idle_w, owners)
        names = {pid: account if account in owners and account else OTHER for pid, account in seen.items()}
        by_account: dict[str, float] = {}
        for pid, weight in (reading.utilization_by_pid or {}).items():
            by_account[names[pid]] = by_account.get(names[pid], 0.0) + weight
        utilization = None if reading.utilization_by_pid is None else by_account
        return GpuUse(energy_j, idle_w, owners, utilization, OTHER in names.values())

    def _idle_power_w(self, index: str, energy_j: float, time_s: float, *, is_free: bool) -> float:
        """Return the idle power of a GPU, as the mean over times when no account uses it; 0 before the first such time.

        Its counter changes every tenth of a second, so shorter intervals are not used.
        """
        idle_s, idle_j = self._idle.get(index, (0.0, 0.0))
        if is_free and time_s >= MIN_IDLE_S:
            idle_s, idle_j = idle_s + time_s, idle_j + energy_j
            self._idle[index] = idle_s, idle_j
        return idle_j / idle_s if idle_s else 0.0
