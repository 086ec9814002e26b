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
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.meter import EnergyMeter, MeterSources, NullMeter
from lwq_tune.errors import EnergyMeterError, ResultsError
from lwq_tune.estimation.cost_model import Measured, TrialWork
from lwq_tune.host.threads import let_idle_threads_sleep, n_threads
from lwq_tune.models.image_format import ImageFormat

RAY_NICENESS = 15  # of Ray's workers, beside whatever else runs on the host


@dataclass(frozen=True)
class ProbeTask:
    """A model to measure: one of its trials, and the work of that trial."""

    trial: TrialConfig
    work: TrialWork


@dataclass(frozen=True)
class ProbeSetup:
    """The setup in which models are measured: how many processes, and what each has.

    Attributes:
        n_processes: Number of processes that run side by side.
        cpus: CPUs that a trial reserves; the number of its threads follows from it.
        gpus: GPUs that a trial reserves.
        visible_gpus: Value of ``CUDA_VISIBLE_DEVICES`` of each process; empty without GPUs.
        images: The form of the images of the data set.
        spec: What the ledger needs to know about the run; with None no energy is measured.
    """

    n_processes: int
    cpus: float
    gpus: float
    images: ImageFormat
    visible_gpus: tuple[str, ...] = ()
    spec: RunSpec | None = None

    @property
    def n_threads(self) -> int:
        """Threads of each process."""
        return n_threads(self.cpus)


@dataclass(frozen=True)
class ProbeReady:
    """A message: the process has imported torch and waits."""

    sources: MeterSources | None
    no_energy_reason: str | None


@dataclass(frozen=True)
class ProbeResult:
    """A message: measurements from one turn of a model."""

    index: int
    measured: Measured


@dataclass(frozen=True)
class ProbeFailure:
    """A message: the process cannot continue."""

    message: str


def run_probes(
    connection: Connection, tasks: Sequence[ProbeTask], own: Sequence[int], setup: ProbeSetup, slot: int
) -> None:
    """Measure models in turns until the parent closes the connection: the body of a process.

    Args:
        connection: To the parent. It gets `ProbeReady`, answers, and then gets a `ProbeResult` per turn, or a
            `ProbeFailure`.
        tasks: All models.
        own: Positions of the models that this process measures.
        setup: Setup of the probes.
        slot: Number of this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(RAY_NICENESS)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            for message in _measurements(connection, tasks, own, setup, slot):
                connection.send(message)
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: any error of a process is sent to the parent)
            connection.send(ProbeFailure(f"one failed with {type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """End this process at once when its parent ends, even in the middle of a step."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _measurements(
    connection: Connection, tasks: Sequence[ProbeTask], own: Sequence[int], setup: ProbeSetup, slot: int
) -> Iterator[ProbeReady | ProbeResult]:
    if setup.visible_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.visible_gpus[slot]
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    let_idle_threads_sleep()
    import torch

    from lwq_tune.estimation.probe import measure_model

    logging.getLogger("lwq_tune.training").setLevel(logging.ERROR)  # the trials will log it again
    torch.set_num_threads(setup.n_threads)
    device = torch.device("cuda" if setup.visible_gpus else "cpu")
    meter, reason = _open_meter(setup, slot)
    try:
        yield ProbeReady(None if reason or setup.spec is None else meter.sources, reason)
        connection.recv()
        for index in itertools.cycle(own):
            task = tasks[index]
            measured = measure_model(task.trial, task.work, setup.images, meter, device, connection.poll)
            if measured is None:
                return
            yield ProbeResult(index, measured)
    finally:
        meter.close()


def _open_meter(setup: ProbeSetup, slot: int) -> tuple[EnergyMeter, str | None]:
    """Return the meter of this process, and the reason if it measures nothing."""
    if setup.spec is None:
        return NullMeter(), None
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.visible_gpus import owned_gpus
    from lwq_tune.energy.trial_meter import LedgerMeter

    gpus: dict[str, float] = {}
    if setup.visible_gpus:
        reader = find_gpus()
        gpus = owned_gpus(setup.visible_gpus[slot], reader.gpus, setup.gpus)
        reader.close()
    try:
        return LedgerMeter(setup.spec, f"probe-{slot}", os.getpid(), setup.cpus, gpus), None
    except (EnergyMeterError, ResultsError) as error:
        return NullMeter(), str(error)
