"""Measures models in several processes at once, as many as trials will run at a time. No Ray, no torch."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from lwq_tune.energy.meter import MeterSources
from lwq_tune.errors import ConfigError
from lwq_tune.estimation.cost_model import Measured
from lwq_tune.estimation.probe_worker import Bench, Failure, ProbeTask, Ready, Result, work

DEATH_TIMEOUT_S = 10.0


@dataclass
class ProbeReport:
    """What was measured on a bench.

    Attributes:
        measured: By position of the task; those that the time did not suffice for are missing.
        sources: How the energy figures come about; None where none could be measured.
        no_energy_reason: Why, where a ledger was asked for.
    """

    measured: dict[int, Measured] = field(default_factory=dict)
    sources: MeterSources | None = None
    no_energy_reason: str | None = None

    def take(self, told: Ready | Result) -> None:
        """Take in what a process told; measurements are added to earlier ones of the same model."""
        if isinstance(told, Ready):
            self.sources = told.sources or self.sources
            self.no_energy_reason = told.no_energy_reason or self.no_energy_reason
            return
        earlier = self.measured.get(told.index)
        self.measured[told.index] = told.measured if earlier is None else earlier.plus(told.measured)


def measure_side_by_side(tasks: Sequence[ProbeTask], bench: Bench, limit_s: float) -> ProbeReport:
    """Return what was measured of some models in processes that all compute until the last has its share.

    Each process measures every n-th model, and goes on from the start of its list while others are not done: a
    trial has neighbours, too.

    Args:
        tasks: What to measure, the most important first; at least one.
        bench: Where.
        limit_s: What is not measured after this time is left out, unless nothing is.

    Raises:
        ConfigError: A process ended, or failed.
    """
    report = ProbeReport()
    workers: list[_Worker] = []
    try:
        for slot in range(bench.n_processes):
            own = own_tasks(len(tasks), slot, bench.n_processes)
            workers.append(_Worker(tasks, own, bench, slot))
        for worker in workers:
            report.take(worker.receive())
        for worker in workers:
            worker.go()
        deadline_s = time.monotonic() + limit_s
        while not all(worker.is_done for worker in workers):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 and report.measured:
                break
            told = wait([worker.connection for worker in workers], timeout=left_s if left_s > 0 else None)
            for worker in workers:
                if worker.connection in told:
                    report.take(worker.receive())
    finally:
        for worker in workers:
            worker.end()
    return report


def own_tasks(n_tasks: int, slot: int, n_slots: int) -> tuple[int, ...]:
    """Return the positions of the tasks of a slot: every n-th, or one that others measure too.

    >>> own_tasks(5, 1, 2), own_tasks(2, 2, 4)
    ((1, 3), (0,))
    """
    return tuple(range(slot, n_tasks, n_slots)) or (slot % n_tasks,)


class _Worker:
    """A process and our end of the pipe to it; should we be killed, it ends as well."""

    def __init__(self, tasks: Sequence[ProbeTask], own: Sequence[int], bench: Bench, slot: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._n_left = len(own)
        self._process = context.Process(target=work, args=(theirs, tasks, own, bench, slot), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_done(self) -> bool:
        """Whether it has measured each of its models."""
        return self._n_left <= 0

    def go(self) -> None:
        """Let it begin."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, which receiving will tell
            self.connection.send(None)

    def receive(self) -> Ready | Result:
        """Return the next that it tells.

        Raises:
            ConfigError: It has ended, or failed.
        """
        try:
            told: Ready | Result | Failure = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join(DEATH_TIMEOUT_S)
            raise ConfigError(
                f"a process that measures must go on to its end, one ended with exit code {self._process.exitcode} "
                "(-9: killed, mostly for lack of memory); run fewer trials at a time with --max-concurrent"
            ) from error
        if isinstance(told, Failure):
            raise ConfigError(f"a model must be trainable to be measured, {told.message}; sweep without --estimate")
        if isinstance(told, Result):
            self._n_left -= 1
        return told

    def end(self) -> None:
        """End it in the middle of a step; the ledger closes its account by itself."""
        self.connection.close()
        self._process.kill()
        self._process.join()
