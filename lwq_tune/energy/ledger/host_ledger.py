"""The ledger of a host: charges the accounts of all runs on it with what the host uses, and keeps their books."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.energy.attribution.split import Split, residuals, split
from lwq_tune.energy.ledger.run_ledger import RunBooks, RunTerms
from lwq_tune.energy.ledger.sampler import MIN_INTERVAL_S, HostSampler, Reservation
from lwq_tune.energy.ledger.totals import LEDGER, Totals
from lwq_tune.energy.meter import MeterSources
from lwq_tune.energy.sensors.host_meter import NodeMeter
from lwq_tune.energy.sensors.nvml import GpuReader
from lwq_tune.energy.sensors.processes import ProcessReader

_log = logging.getLogger(__name__)

MAX_RESIDUAL = 1e-9
NOTHING_RESERVED = Reservation(0.0, {})


@dataclass(frozen=True)
class _Account:
    run: str
    name: str
    is_trial: bool


class HostLedger:
    """Charges every account with its share of what the host uses; safe to call from many threads.

    Args:
        node: Meter of the host.
        gpus: Its GPUs.
        reader: Its processes.
        host_cpus: Logical CPUs.
        clock: Monotonic clock in seconds, the same in all processes of the host.
        wall: Unix time in seconds.
    """

    def __init__(
        self,
        node: NodeMeter,
        gpus: GpuReader,
        reader: ProcessReader,
        *,
        host_cpus: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._node, self._clock, self._wall = node, clock, wall
        self._lock = threading.RLock()
        self._opening = threading.Lock()  # two readers of one log would each cut off what the other is writing
        self._host = HostSampler(node, gpus, reader, clock, host_cpus)
        self._accounts: dict[str, _Account] = {}
        self._runs: dict[str, RunBooks] = {}
        self._n_registered = 0
        if os.getpid() in self._host.processes:
            self._host.open(LEDGER, os.getpid(), NOTHING_RESERVED)

    def open_run(self, run: str, log: Path, terms: RunTerms) -> None:
        """Keep books for a run; again for the same run has no effect.

        Args:
            run: Names it uniquely on this host.
            log: Log of its intervals, added to.
            terms: What it asks for.

        Raises:
            ValueError: The log is damaged.
            OSError: It cannot be read.
        """
        with self._opening:
            if run in self._runs:
                return
            books = RunBooks(log, terms, self._wall())  # may read a long log: no trial has to wait for it
            with self._lock:
                self.sample(force=True)
                self._runs[run] = books
                lost_since_s, now_s = books.lost_since_s, self._wall()
                if lost_since_s is not None and now_s > lost_since_s:
                    books.add_gap(lost_since_s, now_s - lost_since_s)

    def close_run(self, run: str) -> None:
        """Write what is left of a run's intervals and forget it."""
        with self._lock:
            if run in self._runs:
                self.sample(force=True)
                self._runs.pop(run).close(self._wall())
                self._accounts = {key: account for key, account in self._accounts.items() if account.run != run}

    def register(
        self,
        run: str,
        name: str,
        pid: int,
        reservation: Reservation = NOTHING_RESERVED,
        *,
        is_trial: bool = True,
        rest: str | None = None,
    ) -> str:
        """Open an account and return its id; one that the run's log knows goes on from there.

        Args:
            run: Open run that it belongs to.
            name: Its name in the log.
            pid: Its first process.
            reservation: What it keeps free.
            is_trial: Whether it counts for concurrency.
            rest: Name of an account for the descendants of ``pid``.

        Raises:
            EnergyMeterError: There is no such process.
        """
        with self._lock:
            self.sample(force=True)
            self._n_registered += 1  # a client that comes back must not own an account that its old connection closes
            account = f"{run}/{name}#{self._n_registered}"
            rest_account = None if rest is None else f"{run}/{rest}#{self._n_registered}"
            self._host.open(account, pid, reservation, rest_account)
            self._accounts[account] = _Account(run, name, is_trial)
            if rest is not None and rest_account is not None:
                self._accounts[rest_account] = _Account(run, rest, False)
            return account

    def unregister(self, account: str) -> None:
        """Close an account; its energy up to now is booked."""
        with self._lock:
            if account in self._accounts:
                self.sample(force=True)
                self._host.shut(account)
                run = self._runs.get(self._accounts.pop(account).run)
                if run is not None:
                    run.write()

    def mark(self, account: str) -> dict[str, Any]:
        """Return what an account has been charged with up to now, as `Totals` in plain values, and the clock.

        Raises:
            KeyError: There is no such account.
        """
        with self._lock:
            self.sample()
            found = self._accounts[account]
            books = self._runs[found.run]
            books.write()  # what a trial has in a row is in the log
            totals = books.totals.setdefault(found.name, Totals())
            answer = {**totals.to_dict(), "now_s": self._host.last_s}
            totals.methods.clear()
            return answer

    def sources(self, run: str) -> MeterSources:
        """Return how the figures of a run come about."""
        with self._lock:
            books = self._runs[run]
            return MeterSources(
                cpu_source=self._node.cpu_source,
                gpu_source=self._host.gpu_source,
                ram_source=self._node.ram_source,
                idle_source=self._host.idle.source,
                carbon_intensity_source=books.terms.intensity.source,
                pue=books.terms.pue,
            )

    def sample(self, *, force: bool = False) -> None:
        """Read everything and charge the accounts for the time since the last sample.

        Args:
            force: Also right after another sample, since accounts are about to change.
        """
        with self._lock:
            if not force and self._clock() - self._host.last_s < MIN_INTERVAL_S:
                return
            flags: set[str] = set()
            interval = self._host.sample(flags, of_all=force)
            if interval is None:
                return
            concurrency = self._concurrency()
            self._host.idle.learn(interval, is_free=concurrency == 0)
            self._book(_checked(split(interval), flags), interval.time_s, concurrency, flags)
            for account in self._host.dead():
                self._host.shut(account)

    def close(self) -> None:
        """Write what is left and stop the meter; runs are not closed, for the next ledger goes on with them."""
        with self._lock:
            self.sample(force=True)
            for books in self._runs.values():
                books.write()
            self._node.close()

    def _concurrency(self) -> int:
        alive = set(self._host.accounts())
        return sum(account.is_trial for key, account in self._accounts.items() if key in alive)

    def _book(self, divided: Split, time_s: float, concurrency: int, flags: set[str]) -> None:
        """Write an interval into the books of every run and charge its accounts."""
        begin_s = self._wall() - time_s
        for run, books in self._runs.items():
            names = {key: account.name for key, account in self._accounts.items() if account.run == run}
            books.add(divided, names, begin_s, time_s, concurrency, flags)


def _checked(divided: Split, flags: set[str]) -> Split:
    """Leave out domains whose parts do not add up, which would be a fault of ours."""
    rests: Mapping[str, float] = residuals(divided)
    wrong = {domain for domain, rest in rests.items() if abs(rest) > MAX_RESIDUAL * divided.node_j[domain]}
    if not wrong:
        return divided
    _log.error("the parts of %s did not add up; the interval counts as not measured", ", ".join(sorted(wrong)))
    flags.add("residual")
    return Split(
        {domain: node_j for domain, node_j in divided.node_j.items() if domain not in wrong},
        {domain: parts for domain, parts in divided.parts.items() if domain not in wrong},
        divided.gpu_methods,
    )
