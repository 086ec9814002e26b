"""The ledger of one run on one host: what each of its accounts is charged with, and the log of its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.attribution.split import CPU, OTHER, UNALLOCATED, Part, Parts, Split, add_parts
from lwq_tune.energy.ledger.interval_log import CLOSED, EVENT, OPENED, IntervalLog, read_lines
from lwq_tune.energy.ledger.totals import LEDGER, Totals, charge_record, kg_co2eq

# Intervals of a second are added up to this length before they are written; a killed ledger loses at most that much.
LOG_PERIOD_S = 10.0


@dataclass
class _Pending:
    """Intervals that will be written as one record."""

    begin_s: float
    g_per_kwh: float
    concurrency: int
    time_s: float = 0.0
    unmeasured_s: float = 0.0
    host_j: dict[str, float] = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class RunSpec:
    """What the ledger of a host needs to know about a run.

    Attributes:
        run: Name of the run, unique on a host.
        log: Log of its intervals on this host; records are appended. For a client of the ledger, a relative path is
            taken from the folder of the ledger.
        intensity: Carbon intensity over time.
        pue: Power usage effectiveness; all energies are multiplied by it.
        session: Identifies one start of the sweep; time between two ledger processes of one session is a gap.
    """

    run: str
    log: Path
    intensity: IntensitySeries
    pue: float = 1.0
    session: str = ""


class RunLedger:
    """What the accounts of a run are charged with; trials of other runs count as ``other``.

    Attributes:
        totals: What each name has been charged with, in this session and in all earlier ones.
        lost_since_s: Unix time from which this session has had no ledger process; None if it always had one.

    Args:
        spec: The run.
        now_s: Present Unix time.
    """

    def __init__(self, spec: RunSpec, now_s: float) -> None:
        self.spec = spec
        self.totals: dict[str, Totals] = {}
        self._pending: _Pending | None = None
        self._log = IntervalLog(spec.log)
        self.lost_since_s = self._take_over(spec.log)
        self._log.append({EVENT: OPENED, "session": spec.session, "at_s": now_s})

    def _take_over(self, path: Path) -> float | None:
        """Add up the log and return where it ends in this session; None if the session was closed, or is new."""
        session, end_s = None, None
        for line in read_lines(path):
            if line.get(EVENT) == OPENED:
                session, end_s = line["session"], line["at_s"]
            elif line.get(EVENT) == CLOSED:
                session = None
            elif EVENT not in line:
                end_s = line["begin_s"] + line["time_s"]
                charge_record(self.totals, line)
        return end_s if session == self.spec.session else None

    def add(
        self, divided: Split, names: Mapping[str, str], begin_s: float, time_s: float, concurrency: int, flags: set[str]
    ) -> None:
        """Add an interval to the log and charge the accounts of the run.

        Args:
            divided: Parts of the interval.
            names: Accounts of this run, and their names in its log.
            begin_s: Unix time at which it begins.
            time_s: Length of the interval.
            concurrency: Number of trials on the host.
            flags: Flags for what was unusual in the interval.
        """
        intensity, pue = self.spec.intensity, self.spec.pue
        g_per_kwh = intensity.mean(begin_s, begin_s + time_s)
        pending = self._pending_at(begin_s, g_per_kwh, concurrency)
        pending.time_s += time_s
        pending.flags |= flags
        if not intensity.covers(begin_s, begin_s + time_s):
            pending.flags.add("intensity-unknown")
        is_measured = CPU in divided.host_j
        if not is_measured:
            pending.unmeasured_s += time_s
        for domain, host_j in divided.host_j.items():
            pending.host_j[domain] = pending.host_j.get(domain, 0.0) + host_j * pue
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
        """Add a time in which no ledger process ran."""
        self.write()
        pending = self._pending_at(begin_s, self.spec.intensity.at(begin_s), 0)
        pending.time_s = pending.unmeasured_s = time_s
        pending.flags.add("ledger-down")
        self.write()

    def write(self) -> None:
        """Write the pending record."""
        if self._pending is not None:
            self._log.append(_record(self._pending))
            self._pending = None
        else:
            self._log.retry()

    def close(self, now_s: float) -> None:
        """Write the pending record, and that the session has ended."""
        self.write()
        self._log.append({EVENT: CLOSED, "session": self.spec.session, "at_s": now_s})

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
                into[name] = into.get(name, Part()).plus(part.scaled(self.spec.pue))
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
        "node": pending.host_j,
        "parts": parts,
    }
