from __future__ import annotations

import logging
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.logger import LoggerCallback

from lwq_tune.sweep.tune.logger_adapter import NamedTrial, TrialLogger, hyperparameters, scalars
from tests.conftest import small_config
from tests.support.logged_run import job_of

CONFIG = small_config(dataset="/data/birds", dataset_digest="ab12")
KEY = CONFIG.trial_key
JOB = job_of(CONFIG)
TRIAL = SimpleNamespace(config={"job": JOB}, trial_id="ray1")
ROW = {"epoch": 2, "train_loss": 0.5, "gpu_energy_kwh": None, "engine": "eager", "peak_memory_mib": 12}
RESULT = {"rows": [ROW], "val_accuracy": 0.5, "done": False, "pid": 1, "config": {"job": JOB}}


class Listener(LoggerCallback):
    """Keeps what a logger of Ray's is told; raises in the hook named ``broken``."""

    def __init__(self, broken: str = "") -> None:
        self.told: list[tuple[Any, ...]] = []
        self._broken = broken

    def _tell(self, *call: Any) -> None:
        if call[0] == self._broken:
            raise OSError("no space left")
        self.told.append(call)

    def setup(self, *arguments: Any, **named: Any) -> None:
        self._tell("setup")

    def log_trial_start(self, trial: Any) -> None:
        self._tell("start", trial)

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        self._tell("result", trial, result)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        self._tell("end", trial, failed)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._tell("over")


def logger_of(listener: Listener) -> TrialLogger:
    logger = TrialLogger("--listener", lambda: listener, "night", folder_of=lambda key: f"files/{key}")
    logger.setup()
    return logger


def drive(logger: TrialLogger, *results: dict[str, Any]) -> None:
    logger.on_trial_start(0, [], TRIAL)
    for result in results:
        logger.on_trial_result(0, [], TRIAL, result)
    logger.on_trial_complete(0, [], TRIAL)
    logger.on_experiment_end([])


def test_an_epoch_is_told_as_flat_numbers_with_the_epoch_as_step() -> None:
    listener = Listener()
    drive(logger_of(listener), RESULT)
    (told,) = (call[2] for call in listener.told if call[0] == "result")
    assert told == {"training_iteration": 2, "train_loss": 0.5, "peak_memory_mib": 12}


def test_a_trial_is_named_by_its_key_and_described_without_paths() -> None:
    listener = Listener()
    drive(logger_of(listener))
    trial = listener.told[1][1]
    assert isinstance(trial, NamedTrial)
    assert str(trial) == KEY
    assert trial.trial_id == f"{KEY}-ray1"
    assert trial.local_path == f"files/{KEY}"
    assert trial.config["run"] == "night"
    assert trial.config["schedule"] == "ascending_234"
    assert "/" not in repr(trial.config)


def test_each_event_is_told_once_and_in_order() -> None:
    listener = Listener()
    drive(logger_of(listener), RESULT, {"done": True})
    assert [call[0] for call in listener.told] == ["setup", "start", "result", "end", "over"]
    assert listener.told[3][2] is False


def test_a_trial_that_fails_inside_ends_as_failed() -> None:
    listener = Listener()
    drive(logger_of(listener), RESULT, {"failure": "it broke", "done": True})
    assert [call[2] for call in listener.told if call[0] == "end"] == [True]


def test_a_trial_that_tune_gives_up_ends_as_failed() -> None:
    listener = Listener()
    logger = logger_of(listener)
    logger.on_trial_start(0, [], TRIAL)
    logger.on_trial_error(0, [], TRIAL)
    assert [call[2] for call in listener.told if call[0] == "end"] == [True]


def test_a_trial_that_goes_on_in_another_process_stays_the_same_one() -> None:
    listener = Listener()
    logger = logger_of(listener)
    logger.on_trial_start(0, [], TRIAL)
    logger.on_trial_start(0, [], TRIAL)
    first, second = (call[1] for call in listener.told if call[0] == "start")
    assert first is second


def test_what_an_interrupted_sweep_leaves_open_is_ended_before_the_logger_is_waited_for() -> None:
    listener = Listener()
    logger = logger_of(listener)
    logger.on_trial_start(0, [], TRIAL)
    logger.on_trial_result(0, [], TRIAL, RESULT)
    logger.on_experiment_end([])
    assert [call[0] for call in listener.told][-2:] == ["end", "over"]
    assert listener.told[-2][2] is True


def test_a_second_run_of_tune_gets_a_logger_of_its_own() -> None:
    made = [Listener(), Listener()]
    listeners = iter(made)
    logger = TrialLogger("--listener", lambda: next(listeners), "night")
    for _ in made:
        logger.setup()
        drive(logger, RESULT)
    assert [[call[0] for call in listener.told] for listener in made] == [
        ["setup", "start", "result", "end", "over"]
    ] * 2


@pytest.mark.parametrize("hook", ["setup", "start", "result", "end", "over"])
def test_a_logger_that_fails_is_told_once_and_dropped_for_good(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(broken=hook)
    with caplog.at_level(logging.WARNING):
        logger = logger_of(listener)
        drive(logger, RESULT, RESULT)
        told = len(listener.told)
        logger.setup()
        drive(logger, RESULT)
    (record,) = caplog.records
    assert "--listener failed and was dropped" in record.getMessage()
    assert "OSError: no space left" in record.getMessage()
    assert len(listener.told) == told


def test_a_package_that_cannot_be_imported_is_reported_like_any_failure(caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Any:
        raise ImportError("built for another Python")

    logger = TrialLogger("--listener", make, "night")
    logger.setup()
    drive(logger, RESULT)
    (record,) = caplog.records
    assert "ImportError: built for another Python" in record.getMessage()


def test_tune_can_pickle_it_while_it_is_at_work() -> None:
    listener = Listener()
    logger = logger_of(listener)
    logger.on_trial_start(0, [], TRIAL)
    assert isinstance(pickle.loads(pickle.dumps(logger)), TrialLogger)


VALUES = st.none() | st.text() | st.integers() | st.floats(allow_nan=False)


@given(st.dictionaries(st.sampled_from(["epoch", "train_loss", "energy_kwh", "engine", "lr"]), VALUES))
def test_scalars_are_the_measured_numbers_unchanged(row: dict[str, Any]) -> None:
    found = scalars(row)
    assert found.items() <= row.items()
    left_out = {name: row[name] for name in row.keys() - found.keys()}
    assert all(name == "epoch" or value is None or isinstance(value, str) for name, value in left_out.items())


@given(
    st.lists(st.sampled_from([2, 3, 4, 8, 32]), min_size=1, max_size=4),
    st.sampled_from(["scratch", "full_precision"]),
    st.integers(0, 2**32 - 1),
)
def test_hyperparameters_are_plain_values_that_every_logger_takes(bits: list[int], start: str, seed: int) -> None:
    trial = small_config(blocks=(1,) * len(bits), bit_widths=tuple(bits), init_from=start, seed=seed)
    described = hyperparameters(trial)
    assert all(isinstance(value, str | int | float) for value in described.values())
    assert described["trial_key"] == trial.trial_key
    assert described["bit_widths"].split("-") == [str(bit_width) for bit_width in bits]
    assert described["seed"] == seed
