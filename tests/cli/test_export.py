"""``export``: which file, which format, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lwq_tune.cli.export import describe
from lwq_tune.cli.main import main
from lwq_tune.deployment.equality import Agreement
from lwq_tune.deployment.export import Exported, _format
from lwq_tune.deployment.onnx_graph import LayerPlan
from lwq_tune.errors import ConfigError
from tests.conftest import small_config
from tests.support.trained_runs import SCHEDULES, digits_config, write_run, write_trained_run


@pytest.mark.parametrize(
    ("out", "given", "expected"),
    [
        (None, None, "onnx"),
        (None, "npz", "npz"),
        ("net.onnx", None, "onnx"),
        ("net.npz", None, "npz"),
        ("net.npz", "npz", "npz"),
        ("net.bin", "onnx", "onnx"),
        ("net", "npz", "npz"),
    ],
)
def test_the_format_is_that_of_the_flag_or_of_the_name(out: str | None, given: str | None, expected: str) -> None:
    assert _format(None if out is None else Path(out), given) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("out", "given", "message"),
    [
        ("net.bin", None, "--out names its format, .onnx or .npz, got 'net.bin'; or say --format"),
        ("net.npz", "onnx", "--out and --format must agree, got 'net.npz' and onnx"),
        ("net.onnx", "npz", "--out and --format must agree, got 'net.onnx' and npz"),
    ],
)
def test_a_name_that_says_nothing_or_something_else_is_refused(out: str, given: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _format(Path(out), given)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_what_does_not_fit_and_where_the_packed_file_is_are_said() -> None:
    layers = (LayerPlan("conv1", 8, 32, False, "its input is float"), LayerPlan("fc", 8, 8, True))
    exported = Exported(
        Path("net.onnx"),
        small_config(),
        250,
        4000,
        layers,
        Agreement(360, 1.0, 2e-7, 0.9, 1.0, 1e-7, 0.9),
        Path("n.packed.onnx"),
    )
    assert describe(exported) == [
        "ascending_234 seed 0: quantized weights take 250 bytes packed, 4000 in float32",
        "on 360 validation images the file gives the class of the trained network in 100.00%; median difference of "
        "logits 2.0e-07",
        "conv1 computes in float: its input is float",
        "n.packed.onnx has weights of 4 and 2 bits where they fit, for size alone: runtimes compute them in float",
    ]


def test_a_trial_that_is_not_there_or_left_no_checkpoint_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = digits_config((4, 4, 4))
    run = write_run(tmp_path / "run", [trial])
    assert main(["export", str(run.path), "--trial", "zzz"]) == 2
    assert f"got 'zzz'; there are\n  {trial.trial_key}  fixed_4 seed 0" in capsys.readouterr().err
    assert main(["export", str(run.path), "--trial", trial.trial_key]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "left no checkpoint of epoch 1" in line


@pytest.mark.slow
def test_without_a_name_both_formats_go_to_the_run_folder_and_the_file_is_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_trained_run(tmp_path / "run", [SCHEDULES[1]])
    key = digits_config(SCHEDULES[1]).trial_key
    assert main(["export", str(run.path), "--trial", key[:5]]) == 0
    output = capsys.readouterr()
    file = run.path / "exports" / f"{key}.onnx"
    assert output.out == f"{file}\n"
    assert "on 143 validation images the file gives the class" in output.err
    onnx.checker.check_model(onnx.load(file), full_check=True)
    packed = file.with_suffix(".packed.onnx")
    assert str(packed) in output.err
    assert packed.stat().st_size < file.stat().st_size
    assert main(["export", str(run.path), "--trial", key, "--format", "npz"]) == 0
    assert np.load(capsys.readouterr().out.strip())["description"].size
    assert main(["export", str(run.path), "--trial", key, "--out", str(tmp_path / "none" / "net.onnx")]) == 2
    assert "--out must be a writable file" in capsys.readouterr().err
