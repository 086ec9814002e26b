"""The ledger of a host: charges the accounts of all runs on it with what the host uses."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lwq_tune.energy.attribution.split import Split, residuals, split
from lwq_tune.energy.ledger.run_ledger import RunLedger, RunSpec
from lwq_tune.energy.ledger.sampler import MIN_INTERVAL_S, HostSampler, Reservation
from lwq_tune.energy.ledger.totals import LEDGER, Totals
from lwq_tune.energy.meter import MeterSources
from lwq_tune.energy.sensors.host_meter import HostMeter
from lwq_tune.energy.sensors.nvml import GpuReader
from lwq_tune.energy.sensors.processes import ProcessReader

_log = logging.getLogger(__name__)

MAX_RESIDUAL = 1e-9
NOTHING_RESERVED = Reservation(0.0, {})


@dataclass(frozen=True)
class _AccountEntry:
    run: str
    name: str
    is_trial: bool


class HostLedger:
    """Charges every account with its share of what the host uses; safe to call from many threads.

    Args:
        meter: Meter of the host.
        gpus: Reader of its GPUs.
        reader: Reader of its processes.
        host_cpus: Logical CPUs of the host.
        clock: Monotonic clock in seconds, the same in all processes of the host.
        wall: Unix time in seconds.
    """

    def __init__(
        self,
        meter: HostMeter,
        gpus: GpuReader,
        reader: ProcessReader,
        *,
        host_cpus: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._meter, self._clock, self._wall = meter, clock, wall
        self._lock = threading.RLock()
        self._opening = threading.Lock()  # of two readers of one log, each would cut off what the other is writing
        self._host = HostSampler(meter, gpus, reader, clock, host_cpus)
        self._accounts: dict[str, _AccountEntry] = {}
        self._runs: dict[str, RunLedger] = {}
        self._n_registered = 0
        if os.getpid() in self._host.processes:
            self._host.open(LEDGER, os.getpid(), NOTHING_RESERVED)

    def open_run(self, spec: RunSpec) -> None:
        """Measure for a run from now on; a second call for the same run has no effect.

        Args:
            spec: The run.

        Raises:
            ValueError: The log is damaged.
            OSError: The log cannot be read.
        """
        with self._opening:
            if spec.run in self._runs:
                return
            run_ledger = RunLedger(spec, self._wall())  # outside the lock, since it may read a long log
            with self._lock:
                self.sample(force=True)
                self._runs[spec.run] = run_ledger
                lost_since_s, now_s = run_ledger.lost_since_s, self._wall()
                if lost_since_s is not None and now_s > lost_since_s:
                    run_ledger.add_gap(lost_since_s, now_s - lost_since_s)

    def close_run(self, run: str) -> None:
        """Write the last intervals of a run and stop measuring for it."""
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
        """Open an account and return its id; a name that is in the run's log continues from there.

        Args:
            run: The open run that the account belongs to.
            name: Name of the account in the log.
            pid: First process of the account.
            reservation: CPUs and GPUs reserved for it.
            is_trial: Whether it counts towards concurrency.
            rest: Name of a second account, for the descendants of ``pid`` that have no account of their own.

        Raises:
            EnergyMeterError: There is no such process.
        """
        with self._lock:
            self.sample(force=True)
            self._n_registered += 1  # after a reconnect, the account must not be the one that the old connection closes
            account = f"{run}/{name}#{self._n_registered}"
            rest_account = None if rest is None else f"{run}/{rest}#{self._n_registered}"
            self._host.open(account, pid, reservation, rest_account)
            self._accounts[account] = _AccountEntry(run, name, is_trial)
            if rest is not None and rest_account is not None:
                self._accounts[rest_account] = _AccountEntry(run, rest, False)
            return account

    def unregister(self, account: str) -> None:
        """Close an account; its energy up to now is charged."""
        with self._lock:
            if account in self._accounts:
                self.sample(force=True)
                self._host.close(account)
                run = self._runs.get(self._accounts.pop(account).run)
                if run is not None:
                    run.write()

    def mark(self, account: str) -> dict[str, Any]:
        """Return what an account has been charged with so far, as `Totals` in plain values, and the time of the sample.

        Raises:
            KeyError: No such account is open.
        """
        with self._lock:
            self.sample()
            found = self._accounts[account]
            run_ledger = self._runs[found.run]
            run_ledger.write()  # so that all energy in a trial's row is in the log too
            totals = run_ledger.totals.setdefault(found.name, Totals())
            answer = {**totals.to_dict(), "now_s": self._host.last_s}
            totals.methods.clear()
            return answer

    def sources(self, run: str) -> MeterSources:
        """Return how each figure of a run is obtained."""
        with self._lock:
            run_ledger = self._runs[run]
            return MeterSources(
                cpu_source=self._meter.cpu_source,
                gpu_source=self._host.gpu_source,
                ram_source=self._meter.ram_source,
                idle_source=self._host.idle.source,
                carbon_intensity_source=run_ledger.spec.intensity.source,
                pue=run_ledger.spec.pue,
            )

    def sample(self, *, force: bool = False) -> None:
        """Read everything and charge the accounts for the time since the last sample.

        Args:
            force: Sample even right after another sample, since accounts are about to change.
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
            self._charge(_checked(split(interval), flags), interval.time_s, concurrency, flags)
            for account in self._host.dead():
                self._host.close(account)

    def close(self) -> None:
        """Write pending records and stop the meter; runs are not closed, since the next ledger continues them."""
        with self._lock:
            self.sample(force=True)
            for run_ledger in self._runs.values():
                run_ledger.write()
            self._meter.close()

    def _concurrency(self) -> int:
        alive = set(self._host.accounts())
        return sum(account.is_trial for key, account in self._accounts.items() if key in alive)

    def _charge(self, divided: Split, time_s: float, concurrency: int, flags: set[str]) -> None:
        """Add an interval to the ledger of every run."""
        begin_s = self._wall() - time_s
        for run, run_ledger in self._runs.items():
            names = {key: account.name for key, account in self._accounts.items() if account.run == run}
            run_ledger.add(divided, names, begin_s, time_s, concurrency, flags)


def _checked(divided: Split, flags: set[str]) -> Split:
    """Leave out domains whose parts do not add up to the host's energy, which would be an error in this program."""
    rests: Mapping[str, float] = residuals(divided)
    wrong = {domain for domain, rest in rests.items() if abs(rest) > MAX_RESIDUAL * divided.host_j[domain]}
    if not wrong:
        return divided
    _log.error("the parts of %s did not add up; the interval counts as not measured", ", ".join(sorted(wrong)))
    flags.add("residual")
    return Split(
        {domain: host_j for domain, host_j in divided.host_j.items() if domain not in wrong},
        {domain: parts for domain, parts in divided.parts.items() if domain not in wrong},
        divided.gpu_methods,
    )
