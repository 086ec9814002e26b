"""Warm-up, windows and batches on a clock that only moves when a run says so."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from lwq_tune.deployment import measurement
from lwq_tune.deployment.measurement import OtherLoad, batches_of, cycle, measure_window, warm_up
from lwq_tune.energy.meter import NullMeter
from tests.support.fake_meter import CountingMeter


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def perf_counter(self) -> float:
        return self.now_s

    def runs(self, times_s: Iterable[float], n_images: int = 1) -> Callable[[], int]:
        """Return what runs a batch, which takes the next of some times."""
        turn = iter(times_s)

        def run() -> int:
            self.now_s += next(turn)
            return n_images

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measurement.time, "perf_counter", clock.perf_counter)
    return clock


def test_the_warm_up_ends_once_three_windows_agree(clock: Clock) -> None:
    # Windows of 1 s with batches of 0.5, 0.25, 0.125 and then 0.0625 s: 2, 4, 8, 16, 16 and 16 runs.
    slow = [*[0.5] * 2, *[0.25] * 4, *[0.125] * 8]
    warmed = warm_up(clock.runs([*slow, *[0.0625] * 1000]), max_s=30.0)
    assert warmed.is_steady
    assert warmed.time_s == 6.0


def test_a_speed_that_never_becomes_steady_ends_the_warm_up_at_its_longest_time(clock: Clock) -> None:
    alternating = itertools.cycle([*[0.25] * 4, *[0.125] * 8])
    warmed = warm_up(clock.runs(alternating), max_s=7.5)
    assert not warmed.is_steady
    assert warmed.time_s == 8.0, "the window in which it ran out is finished"


def test_no_warm_up_at_all_is_not_steady(clock: Clock) -> None:
    warmed = warm_up(clock.runs([]), max_s=0.0)
    assert (warmed.time_s, warmed.is_steady) == (0.0, False)


@pytest.mark.parametrize(
    ("counts", "is_steady"), [((97, 100, 103), True), ((96, 100, 104), False), ((50, 97, 100, 103), True)]
)
def test_windows_agree_within_three_percent_of_their_mean(
    counts: tuple[int, ...], is_steady: bool, clock: Clock
) -> None:
    turn = iter(counts)

    def run() -> int:
        clock.now_s += 1.0
        return next(turn)

    assert warm_up(run, float(len(counts))).is_steady == is_steady


def test_a_window_counts_images_and_ends_with_the_batch_it_is_at(clock: Clock) -> None:
    meter = CountingMeter()
    window = measure_window(clock.runs([0.375] * 10, n_images=64), 1.0, meter)
    assert (window.n_images, window.time_s) == (3 * 64, 1.125)
    assert (window.reading.energy_kwh, meter.n_windows, meter.is_open) == (1e-6, 1, False)


def test_a_window_runs_at_least_one_batch(clock: Clock) -> None:
    window = measure_window(clock.runs([5.0], n_images=8), 0.5, NullMeter())
    assert (window.n_images, window.time_s) == (8, 5.0)


def test_batches_are_full_hold_every_image_and_begin_again_at_the_end() -> None:
    images = np.arange(10, dtype=np.float32)[:, None]
    batches = batches_of(images, 4)
    assert [batch[:, 0].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert all(batch.flags["C_CONTIGUOUS"] for batch in batches)
    assert [len(batch) for batch in batches_of(images, 5)] == [5, 5]
    assert batches_of(images, 25)[0][:, 0].tolist() == [*range(10), *range(10), *range(5)]


class _Remembering:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def run(self, images: np.ndarray) -> np.ndarray:
        self.seen.append(int(images[0, 0]))
        return images

    def describe(self) -> tuple[()]:
        return ()


def test_batches_are_taken_in_turn_again_and_again() -> None:
    loaded = _Remembering()
    run = cycle(loaded, batches_of(np.arange(6)[:, None], 2))
    assert [run() for _ in range(7)] == [2] * 7
    assert loaded.seen == [0, 2, 4, 0, 2, 4, 0]


def write_stat(root: Path, busy: int, idle: int, waiting: int = 0) -> None:
    (root / "proc").mkdir(exist_ok=True)
    # user nice system idle iowait irq softirq steal guest guest_nice; guest is in user already
    (root / "proc/stat").write_text(f"cpu  {busy} 0 0 {idle} {waiting} 0 0 0 {busy} 0\ncpu0 1 2 3 4\n")


def test_load_of_others_is_what_all_did_less_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_s = iter([10.0, 10.5])
    monkeypatch.setattr(time, "process_time", lambda: next(own_s))
    write_stat(tmp_path, busy=1000, idle=5000)
    load = OtherLoad(tmp_path)
    ticks = os.sysconf("SC_CLK_TCK")
    write_stat(tmp_path, busy=1000 + ticks, idle=5000 + 2 * ticks, waiting=ticks)
    assert load.share() == pytest.approx(0.5 / 4)  # one of four CPU seconds was busy, half of it ours


@pytest.mark.parametrize(("busy", "expected"), [(0, 0.0), (400, 1.0)])
def test_that_load_is_a_share(busy: int, expected: float, tmp_path: Path) -> None:
    write_stat(tmp_path, busy=0, idle=0)
    load = OtherLoad(tmp_path)
    write_stat(tmp_path, busy=busy, idle=400 if not busy else 0)
    assert load.share() == pytest.approx(expected, abs=0.05)


def test_where_the_system_does_not_tell_the_load_is_not_known(tmp_path: Path) -> None:
    assert OtherLoad(tmp_path).share() is None
    write_stat(tmp_path, busy=5, idle=5)
    assert OtherLoad(tmp_path).share() is None, "no time has passed"
    (tmp_path / "proc/stat").write_text("no counters\n")
    assert OtherLoad(tmp_path).share() is None
