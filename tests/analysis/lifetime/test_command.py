from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from analysis.__main__ import main
from tests.support.synthetic_inference import write_deployed_run

pytestmark = pytest.mark.slow  # whole commands, which draw


def told(run: Path, capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> str:
    assert main(["lifetime", str(run), *options]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def quick(folder: Path, **options: Any) -> Path:
    return write_deployed_run(folder, **{"spread": 0.02, **options})


def test_the_command_prints_sentences_and_writes_tables_and_a_figure(
    deployed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(deployed_run, capsys, "--inferences", "1e6,1e9", "--out", str(tmp_path))
    assert "openvino 2026.4.1 on this host executes 2 to 4 bits alike (u8): each of 3 configurations" in out
    assert "their 45 measurements are pooled" in out
    assert "published, not measured here: up to 45 % less energy consumption" in out
    assert "million images (95 %: " in out
    assert "emits least over its lifetime; above, fixed_4, at 0.8 points less accuracy" in out
    written = pd.read_csv(tmp_path / "lifetime.csv")
    assert sorted(written["n_images"].unique()) == [1e6, 1e9]
    assert written.groupby("n_images").size().tolist() == [5, 5]
    assert (written["training_kg_co2eq"] + written["use_kg_co2eq"]).tolist() == pytest.approx(
        written["lifetime_kg_co2eq"].tolist()
    )
    pairs = pd.read_csv(tmp_path / "break_even.csv")
    assert set(pairs["outcome"]) <= {"cheaper from", "never", "always cheaper", "cheaper until"}
    assert out.splitlines()[-3:] == [str(tmp_path / f"lifetime.{suffix}") for suffix in ("svg", "pdf", "png")]
    ET.parse(tmp_path / "lifetime.svg")
    with Image.open(tmp_path / "lifetime.png") as image:
        assert image.width == 2160  # 7.2 in of 300 dots
        assert len(image.convert("RGB").getcolors(2**24) or []) > 20


def test_from_and_to_ask_for_each_power_of_ten_between(
    deployed_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(deployed_run, capsys, "--from", "5e3", "--to", "1e6", "--out", str(tmp_path), "--width-in", "3.5")
    assert sorted(pd.read_csv(tmp_path / "lifetime.csv")["n_images"].unique()) == [5e3, 1e4, 1e5, 1e6]


def test_estimated_power_is_never_called_measured_energy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = quick(tmp_path / "run", changes={"cpu_source": "estimated:tdp*load^3"})
    lines = told(run, capsys, "--inferences", "1e9").splitlines()
    said = [line for line in lines if " per image" in line or "emits least" in line or line.startswith("use: ")]
    titles = [line for line in lines if line.startswith(("Training and use", "Front of", "Break-even of"))]
    assert (len(said), len(titles)) == (4, 3)
    assert all("measured time, estimated power" in line for line in (*said, *titles))
    written = pd.read_csv(run / "analysis" / "lifetime.csv")
    assert set(written["use_energy"]) == {"measured time, estimated power"}
    assert "measured time, estimated power" in (run / "analysis" / "lifetime.svg").read_text()


@pytest.mark.parametrize("points", [{"full_precision": ((0.93,), 2e-3)}, {"fixed_2": ((0.87,), 3e-3)}], ids=str)
def test_one_network_with_one_repetition_is_shown_without_intervals(
    tmp_path: Path, points: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(quick(tmp_path / "run", points=points, n_repetitions=1), capsys, "--inferences", "1e9")
    assert "±" not in "".join(out.splitlines()[1:6])
    assert "nan" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--inferences", "1e6", "--from", "1e3"), "by --inferences or by --from and --to, got both"),
        (("--from", "1e6", "--to", "1e6"), "--from must be below --to, got 1e+06 and 1e+06"),
        (("--batch", "7"), "--batch takes a measured batch_size: 1, 64, got 7"),
        (("--runtime", "tensorrt"), "--runtime takes a measured runtime: openvino, got tensorrt"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    deployed_run: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    err = told(deployed_run, capsys, *options, code=2)
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e6,", "inf"])
def test_a_number_of_images_is_above_zero(deployed_run: Path, text: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["lifetime", str(deployed_run), f"--inferences={text}"])
    assert refused.value.code == 2
