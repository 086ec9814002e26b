"""The books of a run on one host: what each of its accounts is charged with, and the log of its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.attribution.split import CPU, OTHER, UNALLOCATED, Part, Parts, Split, add_parts
from lwq_tune.energy.ledger.interval_log import CLOSED, EVENT, OPENED, IntervalLog, read_lines
from lwq_tune.energy.ledger.totals import LEDGER, Totals, charge_record, kg_co2eq

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


@dataclass(frozen=True)
class RunTerms:
    """What a run asks of its books.

    Attributes:
        intensity: Carbon intensity over time.
        pue: Power usage effectiveness; all energies are multiplied by it.
        session: Names one start of the sweep: what lies between two ledgers of one session is a gap.
    """

    intensity: IntensitySeries
    pue: float = 1.0
    session: str = ""


class RunBooks:
    """The books from the run's own point of view: trials of others are ``other``.

    Attributes:
        totals: What each name was charged with, up to now and in all sessions before.
        lost_since_s: Unix time since when this session has been without a ledger; None where it has not.

    Args:
        path: Log, added to.
        terms: What the run asks for.
        now_s: Unix time.
    """

    def __init__(self, path: Path, terms: RunTerms, now_s: float) -> None:
        self.terms = terms
        self.totals: dict[str, Totals] = {}
        self._pending: _Pending | None = None
        self._log = IntervalLog(path)
        self.lost_since_s = self._take_over(path)
        self._log.append({EVENT: OPENED, "session": terms.session, "at_s": now_s})

    def _take_over(self, path: Path) -> float | None:
        """Add up what the log holds and return the end of this session so far, where it was not closed."""
        session, end_s = None, None
        for line in read_lines(path):
            if line.get(EVENT) == OPENED:
                session, end_s = line["session"], line["at_s"]
            elif line.get(EVENT) == CLOSED:
                session = None
            elif EVENT not in line:
                end_s = line["begin_s"] + line["time_s"]
                charge_record(self.totals, line)
        return end_s if session == self.terms.session else None

    def add(
        self, divided: Split, names: Mapping[str, str], begin_s: float, time_s: float, concurrency: int, flags: set[str]
    ) -> None:
        """Book an interval and charge the accounts of the run.

        Args:
            divided: The interval's parts.
            names: Accounts of this run, and their names in its log.
            begin_s: Unix time of its begin.
            time_s: Its length.
            concurrency: Trials on the host.
            flags: What was unusual.
        """
        intensity, pue = self.terms.intensity, self.terms.pue
        g_per_kwh = intensity.mean(begin_s, begin_s + time_s)
        pending = self._pending_at(begin_s, g_per_kwh, concurrency)
        pending.time_s += time_s
        pending.flags |= flags
        if not intensity.covers(begin_s, begin_s + time_s):
            pending.flags.add("intensity-unknown")
        is_measured = CPU in divided.node_j
        if not is_measured:
            pending.unmeasured_s += time_s
        for domain, node_j in divided.node_j.items():
            pending.node_j[domain] = pending.node_j.get(domain, 0.0) + node_j * pue
        parts = self._named(divided.parts, names)
        add_parts(pending.parts, parts)
        methods = {"cpu-seconds"} if is_measured else set()
        for name in set(names.values()):
            own = {domain: by_name[name] for domain, by_name in parts.items() if name in by_name}
            emissions_kg = kg_co2eq(sum(part.total_j for part in own.values()), g_per_kwh)
            totals = self.totals.setdefault(name, Totals())
            totals.add(own, emissions_kg, time_s if is_measured else 0.0, concurrency)
            totals.methods |= methods | {divided.gpu_methods[d] for d in own if d in divided.gpu_methods}
        if pending.time_s >= LOG_PERIOD_S:
            self.write()

    def add_gap(self, begin_s: float, time_s: float) -> None:
        """Book a time in which there was no ledger."""
        self.write()
        pending = self._pending_at(begin_s, self.terms.intensity.at(begin_s), 0)
        pending.time_s = pending.unmeasured_s = time_s
        pending.flags.add("ledger-down")
        self.write()

    def write(self) -> None:
        """Write what waits."""
        if self._pending is not None:
            self._log.append(_record(self._pending))
            self._pending = None
        else:
            self._log.retry()

    def close(self, now_s: float) -> None:
        """Write what waits, and that nobody needs the books any more."""
        self.write()
        self._log.append({EVENT: CLOSED, "session": self.terms.session, "at_s": now_s})

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
                into[name] = into.get(name, Part()).plus(part.scaled(self.terms.pue))
        return named


def _record(pending: _Pending) -> dict[str, Any]:
    parts = {
        domain: {name: [part.active_j, part.idle_j] for name, part in by_account.items()}
        for domain, by_account in pending.parts.items()
    }
    return {
        "begin_s": pending.begin_s,
        "time_s": pending.time_s,
        "unmeasured_s": pending.unmeasured_s,
        "g_per_kwh": pending.g_per_kwh,
        "concurrency": pending.concurrency,
        "flags": sorted(pending.flags),
        "node": pending.node_j,
        "parts": parts,
    }
