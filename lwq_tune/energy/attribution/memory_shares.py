"""The share of a host's memory that each account's processes use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from lwq_tune.energy.sensors.processes import ProcessReader

MIN_PERIOD_S = 5.0
# To find the proportional set size of a process, the kernel walks all its pages: tens of milliseconds for a large one.
# The time until the next reading is this many times the cost of the last: at most a two thousandth of a core.
PERIOD_OVER_COST = 2000.0


@dataclass
class _Known:
    next_s: float
    read_s: float = -math.inf
    cost_s: float = 0.0
    proportional: int = 0
    resident_then: int = 0
    share: float = 0.0


class MemoryShares:
    """Reads the proportional set size of each account from time to time, less often if reading takes longer.

    Between these readings, the change of the resident set size is added, which is cheap to read: a process that loads
    data or trains grows by pages of its own. A trial opens its account before it has loaded anything.

    Args:
        reader: Processes of the host.
        clock: Monotonic clock in seconds.
    """

    def __init__(self, reader: ProcessReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._clock = reader, clock
        self._total_bytes = reader.memory_bytes()
        self._known: dict[str, _Known] = {}

    def shares(self, accounts: Collection[str], pids_of: Callable[[str], Iterable[int]]) -> dict[str, float]:
        """Return the share of each account's processes, in [0, 1].

        Args:
            accounts: Names of the accounts; the state of all others is dropped.
            pids_of: Returns the processes of an account.
        """
        now_s = self._clock()
        self._known = {name: self._known.get(name) or _Known(now_s) for name in accounts}
        for name, known in self._known.items():
            if now_s >= known.next_s and self._total_bytes:
                self._read(known, list(pids_of(name)), now_s)
        return {name: known.share for name, known in self._known.items()}

    def _read(self, known: _Known, pids: list[int], now_s: float) -> None:
        resident = self._reader.resident_bytes(pids)
        if now_s - known.read_s >= max(MIN_PERIOD_S, PERIOD_OVER_COST * known.cost_s * len(self._known)):
            begin_s = self._clock()
            known.proportional, known.resident_then = self._reader.proportional_bytes(pids), resident
            known.read_s, known.cost_s = now_s, self._clock() - begin_s
        known.next_s = now_s + MIN_PERIOD_S
        known.share = max(0, known.proportional + resident - known.resident_then) / self._total_bytes
