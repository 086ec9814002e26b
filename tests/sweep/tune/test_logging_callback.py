from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from lwq_tune.sweep.loggers.trial_logger import LoggedTrial
from lwq_tune.sweep.tune.logging_callback import LoggingCallback
from tests.conftest import small_config
from tests.support.logged_run import job_of

CONFIG = small_config(dataset="/data/birds", dataset_digest="ab12")
KEY = CONFIG.trial_key
JOB = job_of(CONFIG)
TRIAL = SimpleNamespace(config={"job": JOB}, trial_id="ray1")
ROW = {"epoch": 2, "train_loss": 0.5, "gpu_energy_kwh": None, "engine": "eager", "peak_memory_mib": 12}
RESULT = {"rows": [ROW], "val_accuracy": 0.5, "done": False, "pid": 1, "config": {"job": JOB}}

Told = list[tuple[str, Any]]


class Listener:
    """Keeps what the loggers of all trials are told; raises in the method named ``broken``."""

    def __init__(self, told: Told, broken: str = "") -> None:
        self._told, self._broken = told, broken

    def open(self, trial: LoggedTrial) -> None:
        self._tell("open", trial)

    def log(self, row: Mapping[str, Any]) -> None:
        self._tell("log", row)

    def close(self, *, is_failed: bool) -> None:
        self._tell("close", is_failed)

    def _tell(self, method: str, value: Any) -> None:
        if method == self._broken:
            raise OSError("no space left")
        self._told.append((method, value))


def callback_of(make: Callable[[], Any], end_timeout_s: float = 60.0) -> LoggingCallback:
    callback = LoggingCallback("--listener", make, "night", end_timeout_s)
    callback.setup()
    return callback


def drive(callback: LoggingCallback, *results: dict[str, Any]) -> None:
    callback.on_trial_start(0, [], TRIAL)
    for result in results:
        callback.on_trial_result(0, [], TRIAL, result)
    callback.on_trial_complete(0, [], TRIAL)
    callback.on_experiment_end([])


def told_of(*results: dict[str, Any]) -> Told:
    told: Told = []
    drive(callback_of(lambda: Listener(told)), *results)
    return told


def test_each_event_is_told_once_and_in_order() -> None:
    told = told_of(RESULT, {"done": True})
    assert [method for method, _ in told] == ["open", "log", "close"]
    assert told[1:] == [("log", ROW), ("close", False)]


def test_a_trial_is_named_by_its_key_and_described_without_paths() -> None:
    trial = told_of()[0][1]
    assert (trial.key, trial.unique_id) == (KEY, f"{KEY}-ray1")
    assert trial.hyperparameters["run"] == "night"
    assert trial.hyperparameters["schedule"] == "ascending_234"
    assert "/" not in repr(trial)


def test_a_trial_that_fails_inside_ends_as_failed() -> None:
    assert told_of(RESULT, {"failure": "it broke", "done": True})[-1] == ("close", True)


def test_a_trial_that_tune_gives_up_ends_as_failed() -> None:
    told: Told = []
    callback = callback_of(lambda: Listener(told))
    callback.on_trial_start(0, [], TRIAL)
    callback.on_trial_error(0, [], TRIAL)
    callback.on_experiment_end([])
    assert told[1:] == [("close", True)]


def test_a_trial_that_goes_on_in_another_process_is_opened_once() -> None:
    told: Told = []
    callback = callback_of(lambda: Listener(told))
    callback.on_trial_start(0, [], TRIAL)
    drive(callback, RESULT)
    assert [method for method, _ in told] == ["open", "log", "close"]


def test_what_an_interrupted_sweep_leaves_open_is_closed_as_failed() -> None:
    told: Told = []
    callback = callback_of(lambda: Listener(told))
    callback.on_trial_start(0, [], TRIAL)
    callback.on_trial_result(0, [], TRIAL, RESULT)
    callback.on_experiment_end([])
    assert told[1:] == [("log", ROW), ("close", True)]


def test_a_second_run_of_tune_is_logged_too() -> None:
    told: Told = []
    callback = callback_of(lambda: Listener(told))
    drive(callback, RESULT)
    callback.setup()
    drive(callback, RESULT)
    assert [method for method, _ in told] == ["open", "log", "close"] * 2


@pytest.mark.parametrize("method", ["open", "log", "close"])
def test_a_logger_that_fails_is_told_once_and_dropped_for_good(method: str, caplog: pytest.LogCaptureFixture) -> None:
    told: Told = []
    with caplog.at_level(logging.WARNING):
        callback = callback_of(lambda: Listener(told, broken=method))
        drive(callback, RESULT, RESULT)
        n_told = len(told)
        callback.setup()
        drive(callback, RESULT)
    (record,) = caplog.records
    assert "--listener failed and was dropped" in record.getMessage()
    assert "OSError: no space left" in record.getMessage()
    assert len(told) == n_told


def test_a_logger_that_hangs_holds_up_no_trial_and_is_given_up_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    answered = threading.Event()

    class Hanging(Listener):
        def open(self, trial: LoggedTrial) -> None:
            answered.wait(60)

    told: Told = []
    callback = callback_of(lambda: Hanging(told), end_timeout_s=0.05)
    drive(callback, RESULT)
    assert told == []
    (record,) = caplog.records
    assert "--listener failed and was dropped" in record.getMessage()
    assert "it had not finished 0.05 s after the last trial" in record.getMessage()
    answered.set()


def test_tune_can_pickle_it_while_it_is_at_work() -> None:
    callback = callback_of(lambda: Listener([]))
    callback.on_trial_start(0, [], TRIAL)
    assert isinstance(pickle.loads(pickle.dumps(callback)), LoggingCallback)
    callback.on_experiment_end([])
