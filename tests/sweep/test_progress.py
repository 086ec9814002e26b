from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from lwq_tune.config.trial import TrialConfig
from lwq_tune.sweep.progress import LiveProgress, PlainProgress, Progress, make_progress
from tests.conftest import small_config

TRIALS = {trial.trial_key: trial for trial in (small_config(seed=seed, epochs=2) for seed in range(30))}
KEYS = list(TRIALS)


def row(key: str, epoch: int = 1, energy_kwh: float | None = 2e-5) -> dict[str, Any]:
    return {
        "trial_key": key,
        "epoch": epoch,
        "config_epochs": 2,
        "val_accuracy": 0.5,
        "test_accuracy": 0.25,
        "energy_kwh": energy_kwh,
        "cumulative_energy_kwh": energy_kwh,
        "epoch_time_s": 1.5,
    }


def drive(progress: Progress) -> None:
    progress.start_trial(KEYS[0], TRIALS[KEYS[0]])
    progress.add_row(row(KEYS[0]))
    progress.end_trial(KEYS[0], TRIALS[KEYS[0]], "done", None)
    progress.start_trial(KEYS[1], TRIALS[KEYS[1]])
    progress.end_trial(KEYS[1], TRIALS[KEYS[1]], "failed", "it broke")
    progress.close()


def test_without_a_terminal_each_event_is_a_plain_line() -> None:
    stream = io.StringIO()
    progress = make_progress(TRIALS, stream, {})
    assert isinstance(progress, PlainProgress)
    drive(progress)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[1/30] ascending_234 seed 0: starts"
    assert lines[1].startswith("[1/30] ascending_234 seed 0: epoch 1/2  val 0.5000  test 0.2500  0.0200 Wh  1.5 s  (")
    assert lines[2:] == [
        "[1/30] ascending_234 seed 0: done",
        "[2/30] ascending_234 seed 1: starts",
        "[2/30] ascending_234 seed 1: failed: it broke",
    ]
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("energy_kwh", [2e-5, None])
def test_on_a_terminal_the_table_shows_the_running_trial_and_the_errors(energy_kwh: float | None) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=90, height=12)
    progress = LiveProgress(TRIALS, console, 60)
    drive_key = KEYS[20]
    progress.start_trial(drive_key, TRIALS[drive_key])
    progress.add_row(row(drive_key, energy_kwh=energy_kwh))
    progress.end_trial(KEYS[3], TRIALS[KEYS[3]], "failed", "it broke")
    progress.close()
    shown = stream.getvalue()
    assert "it broke" in shown
    last = shown[shown.rfind("schedule") :]
    assert "▸" in last
    assert "1/2" in last
    assert ("0.0200 Wh" if energy_kwh else "not measured") in last
    assert "1 of 30 trials" in last


def test_the_table_fits_the_screen() -> None:
    for height in (8, 24, 60):
        console = Console(file=io.StringIO(), force_terminal=True, width=90, height=height)
        progress = LiveProgress(TRIALS, console, 60)
        assert len(progress._visible()) == min(len(TRIALS), height - 4)
        progress.close()


def test_one_trial_is_enough() -> None:
    only: dict[str, TrialConfig] = {KEYS[0]: TRIALS[KEYS[0]]}
    progress = LiveProgress(only, Console(file=io.StringIO(), force_terminal=True, width=90, height=24), 2)
    assert progress._visible() == [KEYS[0]]
    progress.close()


def test_a_trial_that_a_search_proposes_gets_the_next_number() -> None:
    stream = io.StringIO()
    progress = make_progress({KEYS[0]: TRIALS[KEYS[0]]}, stream, {}, proposed=(2, 4))
    progress.start_trial(KEYS[0], TRIALS[KEYS[0]])
    progress.start_trial(KEYS[5], TRIALS[KEYS[5]])
    progress.end_trial(KEYS[6], TRIALS[KEYS[6]], "stopped", "replicate: another seed was stopped")
    progress.add_row(row(KEYS[5]))
    assert [line.split("]")[0] for line in stream.getvalue().splitlines()] == ["[1/3", "[2/3", "[3/3", "[2/3"]
