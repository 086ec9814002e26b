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
from lwq_tune.estimation.probe_worker import ProbeFailure, ProbeReady, ProbeResult, ProbeSetup, ProbeTask, run_probes

DEATH_TIMEOUT_S = 10.0


@dataclass
class ProbeReport:
    """What was measured in one setup.

    Attributes:
        measured: Measurements by position of the task; tasks for which there was no time are missing.
        sources: Sources of the energy figures; None if no energy could be measured.
        no_energy_reason: Why no energy was measured, although a ledger was asked for.
    """

    measured: dict[int, Measured] = field(default_factory=dict)
    sources: MeterSources | None = None
    no_energy_reason: str | None = None

    def take(self, message: ProbeReady | ProbeResult) -> None:
        """Add a message of a process; measurements are added to earlier ones of the same model."""
        if isinstance(message, ProbeReady):
            self.sources = message.sources or self.sources
            self.no_energy_reason = message.no_energy_reason or self.no_energy_reason
            return
        earlier = self.measured.get(message.index)
        self.measured[message.index] = message.measured if earlier is None else earlier.plus(message.measured)


def measure_side_by_side(tasks: Sequence[ProbeTask], setup: ProbeSetup, limit_s: float) -> ProbeReport:
    """Measure models in several processes, which all compute until the last has measured its models.

    Each of n processes measures every n-th model, and repeats its list until all others are done, since a trial too
    runs beside others.

    Args:
        tasks: Models to measure, the most important first; at least one.
        setup: Setup of the processes.
        limit_s: Time after which unmeasured models are left out, unless none is measured.

    Raises:
        ConfigError: A process ended, or failed.
    """
    report = ProbeReport()
    workers: list[_Worker] = []
    try:
        for slot in range(setup.n_processes):
            own = own_tasks(len(tasks), slot, setup.n_processes)
            workers.append(_Worker(tasks, own, setup, slot))
        for worker in workers:
            report.take(worker.receive())
        for worker in workers:
            worker.go()
        deadline_s = time.monotonic() + limit_s
        while not all(worker.is_done for worker in workers):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 and report.measured:
                break
            ready = wait([worker.connection for worker in workers], timeout=left_s if left_s > 0 else None)
            for worker in workers:
                if worker.connection in ready:
                    report.take(worker.receive())
    finally:
        for worker in workers:
            worker.end()
    return report


def own_tasks(n_tasks: int, slot: int, n_slots: int) -> tuple[int, ...]:
    """Return the positions of the tasks of a slot: every n-th, or one that another slot measures too.

    >>> own_tasks(5, 1, 2), own_tasks(2, 2, 4)
    ((1, 3), (0,))
    """
    return tuple(range(slot, n_tasks, n_slots)) or (slot % n_tasks,)


class _Worker:
    """A process, and the parent's end of the pipe to it; the process ends if the parent is killed."""

    def __init__(self, tasks: Sequence[ProbeTask], own: Sequence[int], setup: ProbeSetup, slot: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._n_left = len(own)
        self._process = context.Process(target=run_probes, args=(theirs, tasks, own, setup, slot), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_done(self) -> bool:
        """Whether it has measured each of its models."""
        return self._n_left <= 0

    def go(self) -> None:
        """Tell the process to begin."""
        with contextlib.suppress(BrokenPipeError):  # it has ended; `receive` raises for it
            self.connection.send(None)

    def receive(self) -> ProbeReady | ProbeResult:
        """Return the next message of the process.

        Raises:
            ConfigError: It has ended, or failed.
        """
        try:
            message: ProbeReady | ProbeResult | ProbeFailure = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join(DEATH_TIMEOUT_S)
            raise ConfigError(
                f"a process that measures must not end early, one ended with exit code {self._process.exitcode} "
                "(-9: killed, mostly for lack of memory); run fewer trials at a time with --max-concurrent"
            ) from error
        if isinstance(message, ProbeFailure):
            raise ConfigError(f"a model must be trainable to be measured, {message.message}; sweep without --estimate")
        if isinstance(message, ProbeResult):
            self._n_left -= 1
        return message

    def end(self) -> None:
        """Kill the process, even in the middle of a step; the ledger then closes its account."""
        self.connection.close()
        self._process.kill()
        self._process.join()
