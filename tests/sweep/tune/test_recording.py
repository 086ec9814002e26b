from __future__ import annotations

import io
import pickle
from types import SimpleNamespace
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.sweep.progress import PlainProgress
from lwq_tune.sweep.stopping.controller import StopController
from lwq_tune.sweep.stopping.rules import StopRules
from lwq_tune.sweep.stopping.settings import Stopping
from lwq_tune.sweep.tune.recording import EarlyStop, RecordingCallback
from tests.conftest import small_config

CONFIG = small_config(epochs=2)
KEY = CONFIG.trial_key
TRIAL = SimpleNamespace(
    config={"job": SimpleNamespace(trial_key=KEY)}, trial_id="ray1", num_failures=3, error_file=None
)
ROW = {
    "trial_key": KEY,
    "epoch": 1,
    "config_epochs": 2,
    "val_accuracy": 0.5,
    "test_accuracy": 0.5,
    "energy_kwh": None,
    "epoch_time_s": 1.0,
}


class Recorder:
    """Keeps what it is told; fails from call ``fail_at`` on, as on a full disk."""

    def __init__(self, fail_at: int = 99) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._fail_at = fail_at

    def _call(self, *call: Any) -> Any:
        if len(self.calls) + 1 >= self._fail_at:
            raise ResultsError("disk full")
        self.calls.append(call)
        return ROW

    def start_attempt(self, key: str) -> Any:
        return self._call("start", key)

    def add_row(self, key: str, ray_trial_id: str, row: Any) -> Any:
        return self._call("row", key, ray_trial_id, row)

    def end_trial(self, key: str, status: str, error: str | None, stop_reason: str | None) -> Any:
        return self._call("end", key, status, error or stop_reason)

    def config(self, key: str) -> TrialConfig:
        return CONFIG


def control_of(recorder: Recorder, **rules: Any) -> StopController:
    return StopController(recorder, StopRules(Stopping.model_validate(rules), 1), None)  # type: ignore[arg-type]


def callback_of(
    recorder: Recorder, controller: StopController | None = None, epoch_limit_s: float | None = None
) -> RecordingCallback:
    progress = PlainProgress({KEY: CONFIG}, io.StringIO(), 2)
    return RecordingCallback(recorder, progress, controller or control_of(recorder), epoch_limit_s)  # type: ignore[arg-type]


def drive(callback: RecordingCallback, *results: dict[str, Any]) -> None:
    callback.on_trial_start(0, [], TRIAL)
    for result in results:
        callback.on_trial_result(0, [], TRIAL, result)
    callback.on_trial_complete(0, [], TRIAL)
    callback.on_trial_complete(0, [], TRIAL)


def test_each_event_is_recorded_once_and_a_result_without_a_row_is_none() -> None:
    recorder = Recorder()
    row = {"epoch": 1, "hostname": "here"}
    drive(callback_of(recorder), {"rows": [row]}, {"done": True})
    assert recorder.calls == [("start", KEY), ("row", KEY, "ray1", row), ("end", KEY, "done", None)]


def test_the_log_of_a_rows_host_is_fetched_before_the_row_is_recorded() -> None:
    recorder = Recorder()
    progress = PlainProgress({KEY: CONFIG}, io.StringIO(), 2)
    callback = RecordingCallback(
        recorder,  # type: ignore[arg-type]
        progress,
        control_of(recorder),
        before_row=lambda hostname: recorder.calls.append(("fetch", hostname)),
    )
    drive(callback, {"rows": [{"epoch": 1, "hostname": "node-b"}]})
    assert [call[0] for call in recorder.calls] == ["start", "fetch", "row", "end"]
    assert recorder.calls[1] == ("fetch", "node-b")


def test_a_failure_inside_a_trial_is_its_end() -> None:
    recorder = Recorder()
    drive(callback_of(recorder), {"failure": "it broke", "done": True})
    assert recorder.calls[-1] == ("end", KEY, "failed", "it broke")


def test_a_trial_that_tune_gives_up_has_failed_with_the_reason() -> None:
    recorder = Recorder()
    callback = callback_of(recorder)
    callback.on_trial_start(0, [], TRIAL)
    callback.on_trial_error(0, [], TRIAL)
    _, _, status, error = recorder.calls[-1]
    assert status == "failed"
    assert error.startswith("given up after 3 failures of its process; the last: ")


def test_what_could_not_be_recorded_stops_the_sweep_and_is_not_taken_for_a_failed_trial() -> None:
    for fail_at in (1, 2, 3):
        callback = callback_of(Recorder(fail_at))
        stopper = EarlyStop(callback, control_of(Recorder()))
        assert not stopper.stop_all()
        drive(callback, {"rows": [{"epoch": 1, "hostname": "here"}]})
        assert str(callback.error) == "disk full"
        assert stopper.stop_all()
        assert not stopper("ray1", {})


def test_tune_can_pickle_what_it_is_given() -> None:
    callback = callback_of(Recorder())
    assert not pickle.loads(pickle.dumps(EarlyStop(callback, control_of(Recorder())))).stop_all()


def test_a_rule_ends_a_trial_with_its_reason() -> None:
    recorder = Recorder()
    controller = control_of(recorder, target={"val_accuracy": 0.5})
    callback = callback_of(recorder, controller)
    result = {
        "config": TRIAL.config,
        "done": False,
        "rows": [{"epoch": 1, "hostname": "here", "val_accuracy": 0.6, "cumulative_emissions_kg_co2eq": None}],
    }
    assert EarlyStop(callback, controller)("ray1", result)
    drive(callback, result)
    assert recorder.calls[-1] == ("end", KEY, "done", "target: val_accuracy 0.6000 at epoch 1 reaches 0.5")


def test_a_trial_that_a_rule_ended_before_a_crash_does_not_start_again() -> None:
    recorder = Recorder()
    controller = control_of(recorder, target={"val_accuracy": 0.5})
    callback = callback_of(recorder, controller)
    assert callback.admits(KEY)
    row = {"epoch": 1, "val_accuracy": 0.6, "cumulative_emissions_kg_co2eq": None}
    controller.replay([{"kind": "epoch", "trial_key": KEY, **row}])
    assert not callback.admits(KEY)
    assert recorder.calls == [("end", KEY, "done", "target: val_accuracy 0.6000 at epoch 1 reaches 0.5")]


def test_a_process_that_hung_is_told_from_one_that_died() -> None:
    for limit_s, is_told in ((1e9, False), (1e-9, True), (None, False)):
        recorder = Recorder()
        callback = callback_of(recorder, epoch_limit_s=limit_s)
        callback.on_trial_start(0, [], TRIAL)
        callback.on_trial_error(0, [], TRIAL)
        assert ("--epoch-limit" in recorder.calls[-1][-1]) == is_told
