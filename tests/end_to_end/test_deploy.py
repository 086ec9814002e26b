"""A sweep's networks, deployed as a user does it: measured, tabulated, not measured twice, exported and served."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lwq_tune.cli.main import main
from lwq_tune.data.loading import load_digits
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.schema import INFERENCE_COLUMNS
from tests.end_to_end.conftest import Undisturbed
from tests.support.sweeps import read_trials

pytestmark = pytest.mark.slow
SHORT = ["--duration", "0.5", "--repetitions", "2", "--idle", "0.5", "--warm-up", "0.5", "--batch", "1,8"]
# Where no host tells them, where they belong to failures, or where a setting of the trial is empty.
MAY_BE_EMPTY = {"error", "float_fallbacks", "governor", "idle_power_w", "instruction_set", "compile_energy_kwh"}


@pytest.fixture(scope="module")
def deployed(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a run whose networks were measured with short windows."""
    run = Path(shutil.copytree(undisturbed.run, tmp_path_factory.mktemp("deployed") / "run"))
    assert main(["deploy", str(run), *SHORT]) == 0
    return run


def test_each_network_is_measured_in_each_repetition_and_at_each_batch_size(deployed: Path) -> None:
    rows = pd.read_parquet(deployed / "inference.parquet")
    assert set(rows["status"]) == {"done"}
    counts = rows.groupby(["schedule", "float_precision", "batch_size"]).size().to_dict()
    networks = [("full_precision", "f32"), ("full_precision", "bf16"), ("ascending_234", "f32")]
    assert counts == {(*network, batch): 2 for network in networks for batch in (1, 8)}
    assert set(rows["repetition"]) == {1, 2}
    assert sorted(set(rows["position"])) == [1, 2, 3, 4, 5, 6]


def test_every_column_has_its_unit_and_a_value(deployed: Path) -> None:
    table = pq.read_table(deployed / "inference.parquet")
    assert table.column_names == [column.name for column in INFERENCE_COLUMNS]
    for field, column in zip(table.schema, INFERENCE_COLUMNS, strict=True):
        assert field.metadata[b"unit"].decode() == column.unit
    rows = table.to_pandas()
    quantized = rows[rows["schedule"] == "ascending_234"]
    empty = {
        name for name in rows.columns if quantized[name].isna().any() and not name.startswith("config_")
    } - MAY_BE_EMPTY
    assert empty == set()


def test_the_figures_of_a_row_agree_with_each_other(deployed: Path) -> None:
    rows = pd.read_parquet(deployed / "inference.parquet")
    assert rows["window_s"].between(0.5, 5).all()
    assert rows["time_per_image_us"].tolist() == pytest.approx((1e6 * rows["window_s"] / rows["n_images"]).tolist())
    assert rows["images_per_s"].tolist() == pytest.approx((1e6 / rows["time_per_image_us"]).tolist())
    assert (rows["n_images"] % rows["batch_size"] == 0).all()
    assert (rows["n_distinct_images"] == 360).all(), "every fifth of 1,797 digits"
    # 1 uJ at 1 g/kWh are 1 / 3.6e6 ug
    emissions_ug = rows["energy_per_image_uj"] * rows["carbon_intensity_g_per_kwh"] / 3.6e6
    assert rows["emissions_per_image_ug_co2eq"].tolist() == pytest.approx(emissions_ug.tolist(), rel=1e-6)
    assert (rows["active_energy_per_image_uj"] <= rows["energy_per_image_uj"]).all()


def test_the_deployed_network_is_the_trained_one_and_runs_with_integers(deployed: Path) -> None:
    rows = pd.read_parquet(deployed / "inference.parquet")
    trials = read_trials(deployed).set_index("trial_key")
    in_f32 = rows[rows["float_precision"] == "f32"]
    recorded = in_f32["trial_key"].map(trials["test_accuracy"])
    assert in_f32["simulated_test_accuracy"].tolist() == pytest.approx(recorded.tolist(), abs=1.5 / 360)
    assert in_f32["deployed_test_accuracy"].tolist() == pytest.approx(recorded.tolist(), abs=2.5 / 360)
    assert (in_f32["same_class"] >= 1 - 1.5 / 360).all()
    quantized = rows[rows["schedule"] == "ascending_234"]
    assert set(quantized["precision_class"]) == {"u8"}
    assert set(quantized["n_integer_layers"]) == {8}
    assert quantized["float_fallbacks"].isna().all()


def test_a_space_that_asks_for_it_is_measured_at_the_end_of_the_sweep(
    undisturbed: Undisturbed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(undisturbed.run, tmp_path / "run"))
    recorded = [one for one in read_manifest(run).space.overrides if not one.startswith("deploy=")]
    asked = "deploy={batch: [8], duration: 0.5, repetitions: 1, idle: 0, warm_up: 0.5}"
    settings = [part for setting in (*recorded, asked) for part in ("--set", setting)]
    assert main(["resume", str(run), "--extend", *settings]) == 0
    told = capsys.readouterr()
    assert "nothing to do: all 2 trials" in told.err
    assert "measured 3/3" in told.err, "full precision twice, in f32 and bf16"
    assert "integer layers" in told.err
    assert told.out == f"{run}\n"
    assert set(pd.read_parquet(run / "inference.parquet")["batch_size"]) == {8}


def test_the_same_command_measures_nothing_again(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = (deployed / "deployed" / "inference.jsonl").read_bytes()
    before = pd.read_parquet(deployed / "inference.parquet")
    assert main(["deploy", str(deployed), *SHORT]) == 0
    told = capsys.readouterr()
    assert "nothing to do: all 6 measurements" in told.err
    assert told.out == f"{deployed / 'inference.parquet'}\n"
    assert (deployed / "deployed" / "inference.jsonl").read_bytes() == log
    pd.testing.assert_frame_equal(pd.read_parquet(deployed / "inference.parquet"), before)


def test_an_exported_file_has_the_accuracy_of_the_tables_outside_of_the_product(
    deployed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = read_trials(deployed).set_index("schedule").loc["ascending_234"]
    file = tmp_path / "net.onnx"
    assert main(["export", str(deployed), "--trial", str(trial["trial_key"])[:8], "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    data = load_digits()
    pixels, labels = data.test.images.numpy(), data.test.labels.numpy()
    mean, std = data.mean.numpy()[:, None, None], data.std.numpy()[:, None, None]
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": (pixels / np.float32(255) - mean) / std})
    assert np.mean(logits.argmax(1) == labels) == pytest.approx(trial["test_accuracy"], abs=2.5 / 360)
