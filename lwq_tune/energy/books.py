"""The log of intervals of each run: what its host used and how that was divided."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.energy.ledger import CPU, OTHER, UNALLOCATED, Part, Parts, Split, add_parts
from lwq_tune.energy.totals import LEDGER

# Intervals of a second are added up to this length before they are written; a killed ledger loses no more than that.
LOG_PERIOD_S = 10.0


@dataclass
class _Pending:
    """Intervals that wait to be written as one."""

    begin_s: float
    g_per_kwh: float
    concurrency: int
    time_s: float = 0.0
    unmeasured_s: float = 0.0
    node_j: dict[str, float] = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)


class RunBooks:
    """The log of intervals of one run on one host, from that run's point of view: trials of others are ``other``.

    Args:
        path: Log, one JSON object per line, added to.
        intensity: Carbon intensity over time.
        pue: Power usage effectiveness; all energies are multiplied by it.
    """

    def __init__(self, path: Path, intensity: IntensitySeries, pue: float) -> None:
        self.path, self.intensity, self.pue = path, intensity, pue
        self._pending: _Pending | None = None
        self._unwritten: list[str] = []
        _cut_unfinished_line(path)

    def add(
        self, divided: Split, names: Mapping[str, str], begin_s: float, time_s: float, concurrency: int, flags: set[str]
    ) -> float:
        """Book an interval and return its carbon intensity in g/kWh.

        Args:
            divided: The interval's parts.
            names: Accounts of this run, and their names in its log.
            begin_s: Unix time of its begin.
            time_s: Its length.
            concurrency: Trials on the host.
            flags: What was unusual.
        """
        g_per_kwh = self.intensity.mean(begin_s, begin_s + time_s)
        pending = self._pending_at(begin_s, g_per_kwh, concurrency)
        pending.time_s += time_s
        pending.flags |= flags
        if CPU not in divided.node_j:
            pending.unmeasured_s += time_s
        for domain, node_j in divided.node_j.items():
            pending.node_j[domain] = pending.node_j.get(domain, 0.0) + node_j * self.pue
        add_parts(pending.parts, self._named(divided.parts, names))
        if pending.time_s >= LOG_PERIOD_S:
            self.write()
        return g_per_kwh

    def add_gap(self, begin_s: float, time_s: float) -> None:
        """Book a time in which there was no ledger."""
        self.write()
        pending = self._pending_at(begin_s, self.intensity.at(begin_s), 0)
        pending.time_s = pending.unmeasured_s = time_s
        pending.flags.add("ledger-down")
        self.write()

    def write(self) -> None:
        """Write what waits; what cannot be written now, on a full disk for instance, is tried again next time."""
        if self._pending is not None:
            self._unwritten.append(_line(self._pending))
            self._pending = None
        if not self._unwritten:
            return
        try:
            self.path.parent.mkdir(exist_ok=True)  # without parents: a discarded run folder must not come back
            with self.path.open("a", encoding="utf-8") as stream:
                position = stream.tell()
                try:
                    stream.write("".join(self._unwritten))
                    stream.flush()
                except OSError:
                    os.ftruncate(stream.fileno(), position)
                    raise
        except OSError:
            return
        self._unwritten.clear()

    def _pending_at(self, begin_s: float, g_per_kwh: float, concurrency: int) -> _Pending:
        pending = self._pending
        if pending is not None and (pending.g_per_kwh, pending.concurrency) != (g_per_kwh, concurrency):
            self.write()
        if self._pending is None:
            self._pending = _Pending(begin_s, g_per_kwh, concurrency)
        return self._pending

    def _named(self, parts: Parts, names: Mapping[str, str]) -> Parts:
        own = {**names, LEDGER: LEDGER, UNALLOCATED: UNALLOCATED}
        named: Parts = {}
        for domain, by_account in parts.items():
            into = named.setdefault(domain, {})
            for account, part in by_account.items():
                name = own.get(account, OTHER)
                into[name] = into.get(name, Part()).plus(part.scaled(self.pue))
        return named


def _line(pending: _Pending) -> str:
    parts = {
        domain: {name: [part.active_j, part.idle_j] for name, part in by_account.items()}
        for domain, by_account in pending.parts.items()
    }
    record = {
        "begin_s": pending.begin_s,
        "time_s": pending.time_s,
        "unmeasured_s": pending.unmeasured_s,
        "g_per_kwh": pending.g_per_kwh,
        "concurrency": pending.concurrency,
        "flags": sorted(pending.flags),
        "node": pending.node_j,
        "parts": parts,
    }
    return json.dumps(record, allow_nan=False) + "\n"


def _cut_unfinished_line(path: Path) -> None:
    """Take away a last line that a killed ledger left unfinished."""
    if path.exists():
        with path.open("rb+") as stream:
            content = stream.read()
            stream.truncate(content.rfind(b"\n") + 1)


def read_intervals(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log, without a last line that was cut short; none where there is no log.

    Raises:
        ValueError: A line before the last is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line]
