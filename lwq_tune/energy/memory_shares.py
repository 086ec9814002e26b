"""The share of a host's memory that each account's processes hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from lwq_tune.energy.processes import ProcessReader

MIN_PERIOD_S = 5.0
# The kernel walks all pages of a process to tell its proportional set size: tens of milliseconds for a large one.
# So much longer than a reading took is waited until the next: it costs a thousandth of a core at most.
PERIOD_OVER_COST = 1000.0


class MemoryShares:
    """Reads resident memory now and then, the less often the dearer it is.

    Args:
        reader: Processes of the host.
        clock: Monotonic clock in seconds.
    """

    def __init__(self, reader: ProcessReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._clock = reader, clock
        self._total_bytes = reader.memory_bytes()
        self._shares: dict[str, float] = {}
        self._next_s = 0.0

    def forget(self) -> None:
        """Read again next time, since the accounts have changed."""
        self._next_s = 0.0

    def shares(self, accounts: Collection[str], pids_of: Callable[[str], Iterable[int]]) -> dict[str, float]:
        """Return the share of each account's processes, in [0, 1].

        Args:
            accounts: Their names.
            pids_of: The processes of one.
        """
        if self._clock() >= self._next_s and self._total_bytes:
            begin_s = self._clock()
            self._shares = {name: self._reader.resident_bytes(pids_of(name)) / self._total_bytes for name in accounts}
            cost_s = self._clock() - begin_s
            self._next_s = begin_s + max(MIN_PERIOD_S, PERIOD_OVER_COST * cost_s)
        return {name: self._shares.get(name, 0.0) for name in accounts}
