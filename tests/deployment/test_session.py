"""Sessions of measurements that are cut off, crash, or must not start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lwq_tune.config.deploy import DeploySettings
from lwq_tune.deployment import preparation, session, worker
from lwq_tune.deployment.session import deploy_run
from lwq_tune.energy.service.location import ledger_folder
from lwq_tune.errors import ConfigError, ResultsError
from lwq_tune.files.locks import named_lock
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.run_folder import RunFolder, run_lock
from tests.support.trained_runs import SCHEDULES, digits_config

SHORT = DeploySettings(batch=(4,), duration=0.5, repetitions=1, idle=0, warm_up=0.2)
KEYS = {name: digits_config(bits).trial_key for name, bits in zip(("full", "two", "four"), SCHEDULES, strict=True)}
N_TURNS = 4  # full precision with f32 and bf16
CRASHES = "LWQ_TUNE_TEST_CRASHES"  # the trial whose network ends the process of its runtime


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_LOAD_CHECK_S", 0.3)


def table_of(run: RunFolder) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run.path / "inference.parquet").to_pylist()
    return rows


def statuses(run: RunFolder) -> dict[str, str]:
    """Return status and error of the rows in f32, by trial."""
    rows = [row for row in table_of(run) if row["float_precision"] == "f32"]
    assert len(rows) == len({row["trial_key"] for row in rows})
    return {row["trial_key"]: f"{row['status']} {row['error'] or ''}".strip() for row in rows}


@pytest.mark.slow
def test_what_was_measured_before_ctrl_c_is_kept_and_the_next_session_does_the_rest(
    trained_run: RunFolder, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt(line: str) -> None:
        if line.startswith("measured 1/"):
            os.kill(os.getpid(), signal.SIGINT)

    cut_off = deploy_run(trained_run.path, SHORT, tell=interrupt)
    assert cut_off.is_interrupted
    (first,) = table_of(trained_run)
    assert first["status"] == "done"

    told: list[str] = []
    rest = deploy_run(trained_run.path, SHORT, tell=told.append)
    assert not rest.is_interrupted
    assert any("3 measurements" in line for line in told)
    rows = table_of(trained_run)
    assert [row["status"] for row in rows] == ["done"] * N_TURNS
    assert rows[0] == first
    assert {row["position"] for row in rows} == {1, 2, 3, 4}
    assert all(row["deployed_test_accuracy"] is not None and row["same_class"] >= 0.99 for row in rows)

    told.clear()
    log = (trained_run.path / "deployed" / "inference.jsonl").read_bytes()
    deploy_run(trained_run.path, SHORT, tell=told.append)
    assert told[-1].startswith("nothing to do: all 4 measurements")
    assert (trained_run.path / "deployed" / "inference.jsonl").read_bytes() == log
    longer = SHORT.model_copy(update={"repetitions": 2, "networks": "all"})
    deploy_run(trained_run.path, longer, trials=[KEYS["two"]], tell=told.append)
    assert len(table_of(trained_run)) == N_TURNS + 3, "one more of the chosen network and of full precision"


class _CrashingRuntime:
    name, version = "crashing", "0"

    def load(self, content: bytes, **how: Any) -> Any:
        os.write(2, b"the kernel met an instruction that it does not know\n")
        os.abort()


def _measure_with_crash(connection: Connection, task: worker.MeasureTask) -> None:
    """Do what `run_task` does, with a runtime that crashes for one network: the body of a process."""
    if task.trial_key == os.environ[CRASHES]:
        worker.make_runtime = lambda name: _CrashingRuntime()  # type: ignore[assignment]
    worker.run_task(connection, task)


@pytest.mark.slow
def test_a_runtime_that_crashes_costs_its_network_and_no_other(
    trained_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CRASHES, KEYS["two"])
    monkeypatch.setattr(session, "run_task", _measure_with_crash)
    told: list[str] = []
    deployed = deploy_run(trained_run.path, SHORT, tell=told.append)
    assert deployed.n_failed == 1
    found = statuses(trained_run)
    expected = f"failed the process that measures it ended with {-signal.SIGABRT}: the kernel met an instruction"
    assert found.pop(KEYS["two"]).startswith(expected)
    assert found == {KEYS["full"]: "done", KEYS["four"]: "done"}
    assert sum("the kernel met" in line for line in told) == 1
    assert "the kernel met" in (trained_run.path / "logs" / f"deploy-{KEYS['two']}-f32-1.log").read_text()


def _export_with_crash(connection: Connection, *arguments: Any) -> None:
    """Do what `prepare_networks` does, with a runtime that crashes for one network: the body of a process."""
    from lwq_tune.deployment import export

    write_onnx = export.write_onnx

    def crash_for_one(trained: Any, *rest: Any, **how: Any) -> Any:
        if trained.config.trial_key == os.environ[CRASHES]:
            _CrashingRuntime().load(b"")
        return write_onnx(trained, *rest, **how)

    export.write_onnx = crash_for_one
    preparation.prepare_networks(connection, *arguments)


@pytest.mark.slow
def test_so_does_one_that_crashes_while_a_file_is_checked(
    trained_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CRASHES, KEYS["full"])
    monkeypatch.setattr(session, "prepare_networks", _export_with_crash)
    deployed = deploy_run(trained_run.path, SHORT, tell=lambda line: None)
    assert deployed.n_failed == 1
    found = statuses(trained_run)
    assert found.pop(KEYS["full"]).startswith(f"failed the process that exports it ended with {-signal.SIGABRT}: the")
    assert found == {KEYS["two"]: "done", KEYS["four"]: "done"}


@pytest.mark.slow
def test_a_removed_checkpoint_fails_alone_and_is_measured_once_it_is_back(
    trained_run: RunFolder, tmp_path: Path
) -> None:
    folder = trained_run.ray / "session_001" / KEYS["four"]
    shutil.move(folder, tmp_path / "kept")
    assert deploy_run(trained_run.path, SHORT, tell=lambda line: None).n_failed == 1
    found = statuses(trained_run)
    assert "left no checkpoint of epoch 1" in found.pop(KEYS["four"])
    assert found == {KEYS["full"]: "done", KEYS["two"]: "done"}
    shutil.move(tmp_path / "kept", folder)
    assert deploy_run(trained_run.path, SHORT, tell=lambda line: None).n_failed == 0
    assert set(statuses(trained_run).values()) == {"done"}, "the failure that was overcome is in no row"


def test_two_sessions_at_once_on_a_host_are_refused(trained_run: RunFolder) -> None:
    with named_lock(ledger_folder() / "deploy.lock"), pytest.raises(ResultsError) as refused:
        deploy_run(trained_run.path, SHORT)
    assert f"process {os.getpid()} measures here; wait until it has ended" in str(refused.value)
    with run_lock(trained_run.path), pytest.raises(ResultsError, match=f"process {os.getpid()} works on"):
        deploy_run(trained_run.path, SHORT)
    assert not (trained_run.path / "deployed").exists()


def test_a_busy_host_is_refused_if_asked_and_else_told(trained_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with pytest.raises(ResultsError, match=r"other processes use \d+% of the CPUs of .*leave out --strict"):
            deploy_run(trained_run.path, SHORT, is_strict=True, tell=told.append)
        assert told == []
        session._check_idle(is_strict=False, tell=told.append)
    finally:
        busy.kill()
        busy.wait()
    (line,) = told
    assert line.startswith("warning: networks are measured on an idle host")
    assert not (trained_run.path / "deployed").exists()


@pytest.mark.parametrize("missing", ["onnx", "openvino"])
def test_a_missing_package_is_told_before_anything_is_done(
    missing: str, trained_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=f"{missing} is not here; install the extra"):
        deploy_run(trained_run.path, SHORT)
    assert not (trained_run.path / "deployed").exists()


def test_accuracy_is_that_of_the_runtime_a_row_was_measured_with(trained_run: RunFolder) -> None:
    made = session._Session(trained_run, read_manifest(trained_run.path), SHORT, print)
    config = digits_config(SCHEDULES[1])
    key, here = config.trial_key, {"hostname": "here", "threads": 1, "batch": [4], "duration": 0.5}
    turn = {"trial_key": key, "float_precision": "f32", "repetition": 1}
    for runtime, accuracy in (("openvino 1", 0.75), ("onnxruntime 1", 0.5)):
        conditions = {**here, "runtime": runtime}
        known = {"kind": "accuracy", **turn, "conditions": conditions, "deployed_test_accuracy": accuracy}
        done = {"kind": "window", **turn, "conditions": conditions, "status": "done", "session": "s"}
        made._log.append([known, {**done, "runtime": runtime.split()[0]}])
    made._log.append([{"kind": "idle", "session": "s", "idle_power_w": 2.5}])
    made.finish({key: config})
    found = {row["runtime"]: (row["deployed_test_accuracy"], row["idle_power_w"]) for row in table_of(trained_run)}
    assert found == {"openvino": (0.75, 2.5), "onnxruntime": (0.5, 2.5)}


def test_the_order_is_shuffled_within_each_repetition_and_is_that_of_the_seed(trained_run: RunFolder) -> None:
    chosen = {digits_config(bits).trial_key: digits_config(bits) for bits in SCHEDULES}

    def order(seed: int) -> list[tuple[str, str, int]]:
        settings = SHORT.model_copy(update={"repetitions": 6, "seed": seed})
        made = session._Session(trained_run, read_manifest(trained_run.path), settings, print)
        return [(turn.trial_key, turn.precision, turn.repetition) for turn in made._turns(chosen)]

    turns = order(0)
    assert order(0) == turns
    assert order(1) != turns
    assert [repetition for _, _, repetition in turns] == [n for n in range(1, 7) for _ in range(N_TURNS)]
    blocks = [tuple(turn[:2] for turn in turns[start : start + N_TURNS]) for start in range(0, len(turns), N_TURNS)]
    everything = {*((key, "f32") for key in chosen), (KEYS["full"], "bf16")}
    assert all(set(block) == everything for block in blocks)
    assert len(set(blocks)) > 1
