"""Measures one compiled network: warm-up until its speed is steady, then a window. No torch, no Ray.

After MLPerf's Power rules: energy and speed from the same window, which holds inference alone; loading and compiling
are apart; images are in memory and taken in turn.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lwq_tune.deployment.runtimes.base import LoadedNetwork
from lwq_tune.energy.meter import EnergyMeter, EnergyReading

N_AGREEING, AGREEMENT = 3, 0.03  # windows of the warm-up that must agree, within this share of their mean
WARM_UP_WINDOW_S = 1.0


@dataclass(frozen=True)
class WarmUp:
    """How a warm-up went.

    Attributes:
        time_s: Its length.
        is_steady: Whether the last three windows agreed.
    """

    time_s: float
    is_steady: bool


@dataclass(frozen=True)
class Window:
    """One window.

    Attributes:
        n_images: Images that went through.
        time_s: Its length.
        reading: What the process used in it.
        other_load: CPU load of all other processes on the host, a share of all CPUs; None where it is not known.
    """

    n_images: int
    time_s: float
    reading: EnergyReading
    other_load: float | None


def batches_of(images: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Return batches of full size that together hold all images, some twice where their number is no multiple."""
    n = len(images)
    starts = range(0, max(n, 1), batch_size)
    return [
        np.ascontiguousarray(images.take(range(start, start + batch_size), axis=0, mode="wrap")) for start in starts
    ]


def warm_up(run: Callable[[], int], max_s: float, window_s: float = WARM_UP_WINDOW_S) -> WarmUp:
    """Run until three windows in a row agree, or for the longest time.

    Args:
        run: Runs one batch and returns its images.
        max_s: Longest time.
        window_s: Length of a window.
    """
    rates: deque[float] = deque(maxlen=N_AGREEING)
    begin = time.perf_counter()
    while time.perf_counter() - begin < max_s:
        start, n_images = time.perf_counter(), 0
        while time.perf_counter() - start < window_s:
            n_images += run()
        rates.append(n_images / (time.perf_counter() - start))
        if are_steady(rates):
            return WarmUp(time.perf_counter() - begin, is_steady=True)
    return WarmUp(time.perf_counter() - begin, is_steady=False)


def are_steady(rates: deque[float]) -> bool:
    """Return whether the last three rates lie within 3 % of their mean.

    >>> are_steady(deque([100.0, 101.0, 99.0])), are_steady(deque([100.0, 110.0, 99.0])), are_steady(deque([100.0]))
    (True, False, False)
    """
    mean = sum(rates) / len(rates)
    return len(rates) == N_AGREEING and max(abs(rate - mean) for rate in rates) <= AGREEMENT * mean


def measure_window(run: Callable[[], int], duration_s: float, meter: EnergyMeter) -> Window:
    """Run for a time and return what it took.

    Args:
        run: Runs one batch and returns its images.
        duration_s: Length of the window.
        meter: Meter of this process.
    """
    load = OtherLoad()
    meter.begin_window()
    start, n_images = time.perf_counter(), 0
    while (now := time.perf_counter()) - start < duration_s:
        n_images += run()
    time_s = now - start
    reading = meter.end_window()
    return Window(n_images, time_s, reading, load.share())


def cycle(loaded: LoadedNetwork, batches: list[np.ndarray]) -> Callable[[], int]:
    """Return what runs the next batch and returns its images."""
    turn: Iterator[np.ndarray] = itertools.cycle(batches)

    def run() -> int:
        batch = next(turn)
        loaded.run(batch)
        return len(batch)

    return run


class OtherLoad:
    """CPU load of other processes since it was made, from ``/proc/stat``.

    Args:
        root: Where the system's files are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._file = root / "proc/stat"
        self._busy, self._total = self._read()
        self._own = time.process_time()

    def share(self) -> float | None:
        """Return it as a share of all CPUs, None where the system does not tell."""
        busy, total = self._read()
        if total <= self._total:
            return None
        ticks_per_s = _ticks_per_s()
        own = (time.process_time() - self._own) * ticks_per_s
        return min(1.0, max(0.0, (busy - self._busy - own) / (total - self._total)))

    def _read(self) -> tuple[float, float]:
        """Return busy and all ticks of all CPUs."""
        try:
            fields = [float(value) for value in self._file.read_text().splitlines()[0].split()[1:9]]
        except (OSError, ValueError, IndexError):
            return 0.0, 0.0
        idle = fields[3] + fields[4]
        return sum(fields) - idle, sum(fields)


def _ticks_per_s() -> int:
    return os.sysconf("SC_CLK_TCK")
