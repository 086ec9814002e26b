"""The share of a host's memory that each account's processes hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from lwq_tune.energy.processes import ProcessReader

MIN_PERIOD_S = 5.0
# The kernel walks all pages of a process to tell its proportional set size: tens of milliseconds for a large one.
# So much longer than a reading took is waited until the next: it costs a thousandth of a core per account at most.
PERIOD_OVER_COST = 1000.0
# A trial opens its account before it loads anything; until it has, it is read at the short period.
GROWING_S = 60.0


@dataclass
class _Known:
    since_s: float
    next_s: float
    share: float = 0.0


class MemoryShares:
    """Reads the resident memory of each account now and then, the less often the dearer it is.

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
            accounts: Their names; what is known of others is forgotten.
            pids_of: The processes of one.
        """
        now_s = self._clock()
        self._known = {name: self._known.get(name) or _Known(now_s, now_s) for name in accounts}
        for name, known in self._known.items():
            if self._clock() >= known.next_s and self._total_bytes:
                self._read(known, pids_of(name))
        return {name: known.share for name, known in self._known.items()}

    def _read(self, known: _Known, pids: Iterable[int]) -> None:
        begin_s = self._clock()
        known.share = self._reader.resident_bytes(pids) / self._total_bytes
        is_growing = begin_s - known.since_s < GROWING_S
        cost_s = self._clock() - begin_s
        known.next_s = begin_s + (MIN_PERIOD_S if is_growing else max(MIN_PERIOD_S, PERIOD_OVER_COST * cost_s))
