"""A process that measures models as a trial's process would train them. Imports torch only once it runs."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from lwq_tune.config.trial import TrialConfig
from lwq_tune.energy.meter import EnergyMeter, MeterSources, NullMeter
from lwq_tune.energy.service.client import RunSpec
from lwq_tune.errors import EnergyMeterError, ResultsError
from lwq_tune.estimation.cost_model import Measured, Work
from lwq_tune.host.threads import let_idle_threads_sleep, n_threads

RAY_NICENESS = 15  # of Ray's workers, beside whatever else runs on the host


@dataclass(frozen=True)
class ProbeTask:
    """A model to measure: a trial of it, and what the trial does."""

    trial: TrialConfig
    work: Work


@dataclass(frozen=True)
class Bench:
    """Where models are measured: what each process has, and how many there are.

    Attributes:
        n_processes: Processes side by side.
        cpus: CPUs that a trial reserves; it has as many threads, at least one.
        gpus: GPUs that a trial reserves.
        visible_gpus: Value of ``CUDA_VISIBLE_DEVICES`` of each process; none where they have no GPU.
        num_classes: Classes of the data set.
        spec: What the ledger has to know; None measures no energy.
    """

    n_processes: int
    cpus: float
    gpus: float
    num_classes: int
    visible_gpus: tuple[str, ...] = ()
    spec: RunSpec | None = None

    @property
    def n_threads(self) -> int:
        """Threads of each process."""
        return n_threads(self.cpus)


@dataclass(frozen=True)
class Ready:
    """A process has imported torch and waits."""

    sources: MeterSources | None
    no_energy_reason: str | None


@dataclass(frozen=True)
class Result:
    """What one turn of a model gave."""

    index: int
    measured: Measured


@dataclass(frozen=True)
class Failure:
    """A process cannot go on."""

    message: str


def work(connection: Connection, tasks: Sequence[ProbeTask], own: Sequence[int], bench: Bench, slot: int) -> None:
    """Measure models in turns until nobody listens: the body of a process.

    Args:
        connection: To the parent; it is told `Ready`, answers, and is told a `Result` for each turn, or a `Failure`.
        tasks: All models.
        own: Positions of those that this process measures.
        bench: What the process has.
        slot: Which of them it is.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(RAY_NICENESS)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            for told in _measurements(connection, tasks, own, bench, slot):
                connection.send(told)
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: any error of a process is told to the parent)
            connection.send(Failure(f"one failed with {type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """End this process at once when the one that started it has, also in the middle of a step."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _measurements(
    connection: Connection, tasks: Sequence[ProbeTask], own: Sequence[int], bench: Bench, slot: int
) -> Iterator[Ready | Result]:
    if bench.visible_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = bench.visible_gpus[slot]
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    let_idle_threads_sleep()
    import torch

    from lwq_tune.estimation.probe import measure_model

    logging.getLogger("lwq_tune.training").setLevel(logging.ERROR)  # the trials will tell it again
    torch.set_num_threads(bench.n_threads)
    device = torch.device("cuda" if bench.visible_gpus else "cpu")
    meter, reason = _open_meter(bench, slot)
    try:
        yield Ready(None if reason or bench.spec is None else meter.sources, reason)
        connection.recv()
        for index in itertools.cycle(own):
            task = tasks[index]
            measured = measure_model(task.trial, task.work, bench.num_classes, meter, device, connection.poll)
            if measured is None:
                return
            yield Result(index, measured)
    finally:
        meter.close()


def _open_meter(bench: Bench, slot: int) -> tuple[EnergyMeter, str | None]:
    """Return the meter of this process, and why it measures nothing, where it does not."""
    if bench.spec is None:
        return NullMeter(), None
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.visible_gpus import owned_gpus
    from lwq_tune.energy.trial_meter import LedgerMeter

    gpus: dict[str, float] = {}
    if bench.visible_gpus:
        reader = find_gpus()
        gpus = owned_gpus(bench.visible_gpus[slot], reader.gpus, bench.gpus)
        reader.close()
    try:
        return LedgerMeter(bench.spec, f"probe-{slot}", os.getpid(), bench.cpus, gpus), None
    except (EnergyMeterError, ResultsError) as error:
        return NullMeter(), str(error)
