"""Sweeps run from the shell and watched from outside, and the images that the shortest of them train on."""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.support.run_log import TrialTimes, Usage, trial_times
from lwq_tune.energy.sensors.processes import ProcessReader
from lwq_tune.energy.service.client import LedgerClient
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.files import jsonl
from lwq_tune.files.private_folder import make_private_folder
from lwq_tune.results.row_log import read_log
from lwq_tune.results.run_folder import RunFolder

POLL_S = 0.25
N_QUARTERS = 4
N_TRAIN, N_TEST, IMAGE_SIZE = 80, 20, 32
BIT_WIDTHS = (2, 4)
SHORT = """
version: 1
fixed: {{dataset: {images}, model: resnet, blocks: [1, 1, 1], width: 0.0625, quantizer: lsq, engine: eager,
  epochs: {epochs}, batch_size: 32, lr: 0.1, augmentation: none, evaluation: validation, calibration_images: 32}}
bit_widths: {{choices: {bit_widths}, constraint: free}}
seeds: {seeds}
objectives:
  - {{column: val_accuracy, direction: maximize}}
  - {{column: emissions_kg_co2eq, direction: minimize}}
"""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended; Unix times in seconds."""

    begin_s: float
    end_s: float
    records: list[dict[str, Any]]

    @property
    def trials(self) -> list[TrialTimes]:
        """When its trials began and ended."""
        return trial_times(self.records)


def run_sweep(
    folder: Path, space: str, slots: int, settings: Sequence[str] = (), watch: Callable[[int, Path], None] | None = None
) -> Sweep:
    """Run a sweep from the shell, with an energy ledger of its own.

    Args:
        folder: For the results and the ledger; made where it is missing.
        space: Name or file.
        slots: Trials at a time, one CPU each.
        settings: Replaced in the space.
        watch: Called with the process number of the driver and the log, again and again while the sweep runs.

    Raises:
        SystemExit: The sweep failed.
    """
    make_private_folder(folder / "ledger")
    os.environ[FOLDER_VARIABLE] = str(folder / "ledger")
    command = [
        sys.executable,
        *shlex.split("-m lwq_tune sweep --run run --cpus-per-trial 1 --carbon-intensity 56"),
        *("--space", space, "--results", str(folder), "--max-concurrent", str(slots)),
        *(part for setting in ("deploy=null", *settings) for part in ("--set", setting)),
    ]
    log, said = RunFolder(folder / "run").log, folder / "stderr.txt"
    with said.open("w") as stderr:
        begin_s = time.time()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        while child.poll() is None:
            if watch is not None:
                watch(child.pid, log)
            time.sleep(POLL_S)
        end_s = time.time()
    if child.returncode:
        raise SystemExit(f"the sweep in {folder.name} failed: {said.read_text()[-2000:]}")
    return Sweep(begin_s, end_s, list(read_log(log)))


def run_short(folder: Path, slots: int, n_trials: int, epochs: int) -> tuple[Sweep, list[Usage]]:
    """Run many short trials, with an energy ledger of their own.

    Args:
        folder: For everything; made where it is missing.
        slots: Trials at a time.
        n_trials: As many, or up to seven more.
        epochs: Of each trial.

    Returns:
        The sweep, and what its processes had used once a trial had ended and after each quarter of them.
    """
    write_images(folder / "images")
    n_schedules = len(BIT_WIDTHS) ** 3
    seeds = list(range(math.ceil(n_trials / n_schedules)))
    n_trials = len(seeds) * n_schedules
    space = folder / "space.yaml"
    text = SHORT.format(images=folder / "images", epochs=epochs, bit_widths=list(BIT_WIDTHS), seeds=seeds)
    space.write_text(text, encoding="utf-8")
    sampler = DriverSampler([1, *(n_trials * quarter // N_QUARTERS for quarter in range(1, N_QUARTERS + 1))])
    return run_sweep(folder, str(space), slots, watch=sampler.look), sampler.samples


def write_images(folder: Path) -> None:
    """Write a folder in Hub layout: noise in two classes, dark and bright."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for split, n_images in (("train", N_TRAIN), ("test", N_TEST)):
        labels = np.arange(n_images) % 2
        noise = generator.integers(0, 100, (n_images, IMAGE_SIZE, IMAGE_SIZE, 3))
        pixels = (noise + 150 * labels[:, None, None, None]).astype(np.uint8)
        images = [{"bytes": _png(image), "path": f"{number}.png"} for number, image in enumerate(pixels)]
        table = pa.table({"img": images, "label": pa.array(labels, pa.int64())})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


class DriverSampler:
    """Notes what the driver and the energy ledger have used, each time that a number of trials has ended.

    Args:
        marks: Those numbers, rising.
    """

    def __init__(self, marks: Sequence[int]) -> None:
        self._marks = list(marks)
        self._reader = ProcessReader()
        self._n_ended = self._offset = 0
        self.samples: list[Usage] = []

    def look(self, driver_pid: int, log: Path) -> None:
        """Read what is new in the log and take a sample where one is due.

        Args:
            driver_pid: Process of the sweep.
            log: Of the run; it need not exist yet.
        """
        new = jsonl.read_from(log, self._offset)
        self._offset += len(new)
        self._n_ended += sum(json.loads(line)["kind"] == "end" for line in new.splitlines())
        if self._marks and self._n_ended >= self._marks[0]:
            self._marks = [mark for mark in self._marks if mark > self._n_ended]
            self._take(driver_pid)

    def _take(self, driver_pid: int) -> None:
        client = LedgerClient()
        pids = {"driver": driver_pid, "ledger": client.ledger_pid}
        client.close()
        processes = {name: self._reader.process(pid) for name, pid in pids.items()}
        self.samples.append(
            Usage(
                self._n_ended,
                time.monotonic(),
                {name: process.own_s for name, process in processes.items() if process is not None},
                {name: self._reader.proportional_bytes([pid]) for name, pid in pids.items()},
            )
        )
