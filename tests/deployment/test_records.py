from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lwq_tune.deployment.onnx_graph import LayerPlan
from lwq_tune.deployment.records import (
    InferenceLog,
    Turn,
    identity,
    layer_columns,
    turns_done,
    without_overcome_failures,
    write_inference_table,
)
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import INFERENCE_COLUMNS
from tests.conftest import small_config

CONDITIONS = {"runtime": "openvino 1", "threads": 1, "batch": [1, 64], "duration": 60.0, "hostname": "here"}
IDLE = {"kind": "idle", "session": "s", "idle_power_w": 3.5}
ACCURACY = {"kind": "accuracy", "trial_key": "a", "float_precision": "f32", "conditions": CONDITIONS}


def window(key: str = "a", repetition: int = 1, status: str = "done", **changes: Any) -> dict[str, Any]:
    turn = {"trial_key": key, "float_precision": "f32", "repetition": repetition}
    return {"kind": "window", **turn, "conditions": CONDITIONS, "status": status, **changes}


def test_a_log_is_whole_after_its_writer_was_killed_in_the_middle_of_a_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    InferenceLog(folder).append([window("a"), IDLE])
    killed = f"""
import os, signal
stream = open({str(tmp_path / "deployed" / "inference.jsonl")!r}, "ab", buffering=0)
stream.write(b'{{"kind": "window", "trial_key": "b')
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGKILL
    log = InferenceLog(folder)
    assert log.read() == [window("a"), IDLE]
    log.append([window("c")])
    assert [one.get("trial_key") for one in InferenceLog(folder).read()] == ["a", None, "c"]


def test_records_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    log = InferenceLog(RunFolder(tmp_path))
    with pytest.raises(ValueError, match="JSON compliant"):
        log.append([window("a"), window("b", time_per_image_us=float("nan"))])
    assert log.read() == []


def test_a_turn_is_done_under_its_own_conditions_alone() -> None:
    other = {**CONDITIONS, "threads": 2}
    records = [
        IDLE,
        ACCURACY,
        window("a"),
        window("b", status="failed"),
        window("c", conditions=other),
        window("d", repetition=2),
    ]
    assert turns_done(records, CONDITIONS) == {Turn("a", "f32", 1), Turn("d", "f32", 2)}
    assert turns_done(records, other) == {Turn("c", "f32", 1)}
    for name, value in (("runtime", "openvino 2"), ("batch", [1]), ("duration", 1.0), ("hostname", "there")):
        assert turns_done(records, {**CONDITIONS, name: value}) == set(), name


def test_of_a_turn_that_failed_the_last_failure_counts_until_it_is_done() -> None:
    failed, again = window(status="failed", error="1"), window(status="failed", error="2")
    assert without_overcome_failures([IDLE, failed, again]) == [IDLE, again]
    two_batches = [window(batch_size=1), window(batch_size=64)]
    assert without_overcome_failures([failed, again, *two_batches]) == two_batches
    elsewhere = window(conditions={**CONDITIONS, "threads": 2})
    assert without_overcome_failures([failed, elsewhere, window("b")]) == [failed, elsewhere, window("b")]


LAYERS = [
    LayerPlan("conv1", 32, 32, is_integer=False),
    LayerPlan("a", 2, 2, is_integer=True),
    LayerPlan("b", 2, 2, is_integer=True),
    LayerPlan("fc", 32, 32, is_integer=False),
]


def test_what_ran_is_counted_and_a_quantized_layer_in_float_is_named() -> None:
    ran = [["conv1/batch_norm", "f32", "p"], ["a/batch_norm", "u8", "q"], ["b", "u8", "r"], ["logits", "f32", "s"]]
    columns = layer_columns(LAYERS, ran)
    assert json.loads(columns.pop("executed_layers")) == {
        "conv1": ["f32", "p"],
        "a": ["u8", "q"],
        "b": ["u8", "r"],
        "fc": ["f32", "s"],
    }
    assert columns == {"n_layers": 4, "n_integer_layers": 2, "precision_class": "u8", "float_fallbacks": None}
    ran[2][1] = "f32"
    columns = layer_columns(LAYERS, ran)
    assert (columns["n_integer_layers"], columns["precision_class"], columns["float_fallbacks"]) == (1, "f32+u8", "b")


def test_where_a_runtime_does_not_tell_what_ran_the_columns_are_empty_and_not_zero() -> None:
    assert layer_columns(LAYERS, []) == {
        "n_layers": 4,
        "n_integer_layers": None,
        "precision_class": None,
        "float_fallbacks": None,
        "executed_layers": None,
    }


def test_the_table_has_every_column_with_its_unit_and_meaning(tmp_path: Path) -> None:
    row = {**identity("night", small_config()), **window(), "time_per_image_us": 2.5, "segment": "not a column"}
    table = pq.read_table(write_inference_table(RunFolder(tmp_path), [row], {"run": "night"}))
    assert table.column_names == [column.name for column in INFERENCE_COLUMNS]
    for field in table.schema:
        assert field.metadata[b"meaning"], field.name
    units = {field.name: field.metadata[b"unit"].decode() for field in table.schema}
    suffixes = {"_us": "us", "_uj": "uJ", "_kwh": "kWh", "_w": "W", "_mib": "MiB", "_s": "s", "_bytes": "B"}
    checked = 0
    for name, unit in units.items():
        for suffix, expected in suffixes.items():
            if name.endswith(suffix) and not name.endswith(("per_s", "per_kwh")) and not name.startswith("config_"):
                assert expected == unit, name
                checked += 1
                break
    assert checked > 10
    (read,) = table.to_pylist()
    assert (read["run"], read["trial_key"], read["time_per_image_us"]) == ("night", "a", 2.5)
    assert read["energy_per_image_uj"] is None
