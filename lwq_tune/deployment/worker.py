"""A process of its own that loads and measures one network; a runtime that crashes takes down no more. No torch."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from lwq_tune.deployment.measurement import batches_of, cycle, measure_window, warm_up
from lwq_tune.deployment.runtimes.base import LoadedNetwork, Precision
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.meter import EnergyMeter, NullMeter
from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH
from lwq_tune.energy.trial_meter import LedgerMeter
from lwq_tune.errors import EnergyMeterError
from lwq_tune.host.hardware import available_cpus

MICRO = 1e6


@dataclass(frozen=True)
class MeasureTask:
    """One network to load and to measure at each batch size.

    Attributes:
        trial_key: Its trial.
        file: ONNX file.
        images: File of test images: ``pixels``, uint8 of shape (n, c, h, w), ``labels``, ``mean`` and ``std``.
        runtime: Name of the runtime.
        precision: What float layers compute with.
        batch_sizes: Images per call.
        n_threads: Threads of the runtime.
        duration_s: Length of a window.
        warm_up_s: Longest warm-up.
        is_accuracy_due: Whether test accuracy is computed too, before the windows.
        spec: What the energy ledger needs to know; None without energy.
        log: File that takes what the process prints, such as the last words of a crash.
    """

    trial_key: str
    file: Path
    images: Path
    runtime: str
    precision: Precision
    batch_sizes: tuple[int, ...]
    n_threads: int
    duration_s: float
    warm_up_s: float
    is_accuracy_due: bool
    spec: RunSpec | None
    log: Path


@dataclass(frozen=True)
class TestImages:
    """Normalised test images, float32 of shape (n, c, h, w), and their labels."""

    images: np.ndarray
    labels: np.ndarray


def read_images(file: Path) -> TestImages:
    """Return the images of a file that `preparation` wrote."""
    with np.load(file, allow_pickle=False) as archive:
        mean, std = (archive[name].astype(np.float32)[:, None, None] for name in ("mean", "std"))
        pixels = archive["pixels"].astype(np.float32)
        return TestImages((pixels / np.float32(255) - mean) / std, archive["labels"])


def run_task(connection: Connection, task: MeasureTask) -> None:
    """Measure a network and send a mapping per batch size, each the columns it knows: the body of a process.

    Args:
        connection: To the parent; it gets the mappings and is closed at the end.
        task: What to measure.
    """
    belong_to_parent(task.log)
    with contextlib.suppress(BrokenPipeError):
        for columns in _measure(task):
            connection.send(columns)
    connection.close()


def belong_to_parent(log: Path) -> None:
    """Leave Ctrl-C to the parent, end when it ends, and print into a file: how each process of ours begins."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _print_into(log)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _print_into(log: Path) -> None:
    """Send stdout and stderr of this process, those of native code too, into a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _measure(task: MeasureTask) -> Iterator[dict[str, Any]]:
    test = read_images(task.images)
    content = task.file.read_bytes()
    meter = _meter(task)
    try:
        runtime = make_runtime(task.runtime)
        load = functools.partial(runtime.load, content, n_threads=task.n_threads, precision=task.precision)
        known = {"runtime": runtime.name, "runtime_version": runtime.version, "file_bytes": len(content)}
        if task.is_accuracy_due:
            known["logits"] = _logits(load(), test.images)
        for batch_size in task.batch_sizes:
            batches = batches_of(test.images, batch_size)
            meter.begin_window()
            start = time.perf_counter()
            loaded = load(batch_size=batch_size)
            loaded.run(batches[0])
            compile_time_s, compiling = time.perf_counter() - start, meter.end_window()
            run = cycle(loaded, batches)
            warmed = warm_up(run, task.warm_up_s, min(1.0, max(task.duration_s / 4, 0.2)))
            window = measure_window(run, task.duration_s, meter)
            per_image = window.time_s / window.n_images
            reading = window.reading
            yield {
                **known,
                "batch_size": batch_size,
                "compile_time_s": compile_time_s,
                "compile_energy_kwh": compiling.energy_kwh,
                "layers": [[one.name, one.precision, one.primitive] for one in loaded.describe()],
                "n_images": window.n_images,
                "n_distinct_images": len(test.images),
                "window_s": window.time_s,
                "warm_up_s": warmed.time_s,
                "is_steady": int(warmed.is_steady),
                "images_per_s": 1 / per_image,
                "time_per_image_us": per_image * MICRO,
                "energy_per_image_uj": _per_image_uj(reading.energy_kwh, window.n_images),
                "active_energy_per_image_uj": _per_image_uj(reading.active_energy_kwh, window.n_images),
                "emissions_per_image_ug_co2eq": _per_image(reading.emissions_kg_co2eq, window.n_images, 1e9),
                "carbon_intensity_g_per_kwh": reading.carbon_intensity_g_per_kwh,
                "coverage": reading.coverage,
                "concurrency": reading.concurrency,
                "share_method": reading.share_method,
                "other_load": window.other_load,
                "process_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "measured_at_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                **_sources(meter),
            }
            known.pop("logits", None)
    finally:
        meter.close()


def _meter(task: MeasureTask) -> EnergyMeter:
    """Return a meter that is charged with the whole host: nothing else of ours runs."""
    if task.spec is None:
        return NullMeter()
    try:
        return LedgerMeter(task.spec, task.trial_key, os.getpid(), float(available_cpus()))
    except EnergyMeterError as error:
        sys.stderr.write(f"no energy is measured: {error}\n")
        return NullMeter()


def _sources(meter: EnergyMeter) -> Mapping[str, Any]:
    names = ("carbon_intensity_source", "cpu_source", "ram_source", "idle_source", "pue")
    return {name: getattr(meter.sources, name) for name in names} | {"segment": meter.segment}


def _logits(loaded: LoadedNetwork, images: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [loaded.run(np.ascontiguousarray(images[start : start + 256])) for start in range(0, len(images), 256)]
    )


def _per_image_uj(energy_kwh: float | None, n_images: int) -> float | None:
    return _per_image(energy_kwh, n_images, JOULES_PER_KWH * MICRO)


def _per_image(value: float | None, n_images: int, factor: float) -> float | None:
    return None if value is None else value * factor / n_images
