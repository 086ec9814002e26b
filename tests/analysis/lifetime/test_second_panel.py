"""`pareto` where inference was measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.lifetime.inference_front import EMISSIONS
from tests.support.synthetic_inference import write_deployed_run
from tests.support.synthetic_runs import write_run

pytestmark = pytest.mark.slow  # whole commands, which draw


def told(run: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, str]:
    assert main(["pareto", str(run), "--out", str(out), "--resamples", "50", *options]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def drawn(out: Path) -> str:
    """Return the words of the figure; Matplotlib writes each text as a comment."""
    return " ".join(line.strip() for line in (out / "pareto.svg").read_text().splitlines() if "<!--" in line)


def test_where_inference_was_measured_there_are_two_panels(
    deployed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(deployed_run, tmp_path, capsys)
    words = drawn(tmp_path)
    assert "inference: openvino 2026.4.1, batch size 1" in words
    assert "deployed test accuracy" in words
    assert "full_precision (bf16)" in words
    assert "their 45 measurements are pooled" in out
    assert "python -m lwq_tune deploy" not in err
    table = pd.read_csv(tmp_path / "pareto.csv").set_index("schedule")
    assert len(table) == 4
    assert table.loc["fixed_4", f"{EMISSIONS}_f32"] < table.loc["full_precision", f"{EMISSIONS}_bf16"]
    with Image.open(tmp_path / "pareto.png") as image:
        assert image.width == 1440
        assert image.width > image.height, "side by side"
    told(deployed_run, tmp_path, capsys, "--width-in", "3.5")
    with Image.open(tmp_path / "pareto.png") as image:
        assert image.width == 700
        assert image.height > image.width, "in one column below each other"


def test_without_inference_there_is_one_panel_and_a_line_that_says_how_to_measure_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    _, err = told(run, tmp_path / "out", capsys)
    assert [line for line in err.splitlines() if "deploy" in line] == [
        f"no measured inference of {run}; measure it: python -m lwq_tune deploy {run}"
    ]
    assert "inference" not in drawn(tmp_path / "out")
    assert not [name for name in pd.read_csv(tmp_path / "out" / "pareto.csv") if name.startswith("inference")]


def test_of_several_runs_those_with_inference_are_in_the_second_panel(
    deployed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = {"descending_432": ((0.91, 0.912, 0.914), 27e-3)}
    other = write_run(tmp_path / "other", points)
    assert main(["pareto", str(deployed_run), str(other), "--out", str(tmp_path), "--resamples", "50"]) == 0
    assert f"python -m lwq_tune deploy {other}" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "pareto.csv").set_index("schedule")
    assert table.loc["descending_432", "test_accuracy"] == pytest.approx(0.912)
    assert pd.isna(table.loc["descending_432", f"{EMISSIONS}_f32"])
    assert table[f"{EMISSIONS}_f32"].notna().sum() == 4


def test_estimated_power_is_said_in_the_figure_and_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_deployed_run(tmp_path / "run", spread=0.02, changes={"cpu_source": "estimated:tdp*load^3"})
    out, _ = told(run, tmp_path / "out", capsys)
    assert "measured time, estimated power -->" in drawn(tmp_path / "out"), "below the label of the axis"
    assert set(pd.read_csv(tmp_path / "out" / "pareto.csv")["inference_energy"]) == {"measured time, estimated power"}
    assert "measured energy" not in out


def test_quantized_layers_that_ran_in_float_are_loud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_deployed_run(tmp_path / "run", spread=0.02)
    table = pq.read_table(run / "inference.parquet")
    rows = table.to_pylist()
    for row in rows:
        if row["schedule"] == "fixed_2":
            row["float_fallbacks"] = "layer3.1.conv2"
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), run / "inference.parquet")
    out, err = told(run, tmp_path / "out", capsys)
    words = drawn(tmp_path / "out")
    assert "QUANTIZED LAYERS RAN IN FLOAT" in words
    assert "fixed_2: IN FLOAT" in words
    assert "layer3.1.conv2" in words
    assert "fixed_4: IN FLOAT" not in words
    assert "warning: QUANTIZED LAYERS RAN IN FLOAT" in err
    assert "layer3.1.conv2" in out


def test_measurements_that_fit_no_axis_leave_one_panel_and_the_reason(
    deployed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_deployed_run(tmp_path / "run", changes={"status": "failed", "error": "it crashed"})
    _, err = told(run, tmp_path / "out", capsys)
    assert "no second panel: a lifetime needs measured inference" in err
    assert main(["pareto", str(deployed_run), "--batch", "7", "--out", str(tmp_path)]) == 2
    assert "--batch takes a measured batch_size: 1, 64, got 7" in capsys.readouterr().err
