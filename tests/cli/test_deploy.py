"""``deploy``: flags, refusals, and the table that is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lwq_tune.cli import deploy
from lwq_tune.cli.deploy import summary
from lwq_tune.cli.main import main, make_parser
from lwq_tune.config.deploy import DeploySettings
from lwq_tune.deployment import session
from tests.support.trained_runs import SCHEDULES, digits_config, write_run

COLUMNS = ["schedule", "float", "integers", "batch", "us/image", "spread", "uJ/image", "accuracy", "integer", "layers"]


def settings_of(monkeypatch: pytest.MonkeyPatch, *flags: str) -> tuple[DeploySettings, dict[str, Any]]:
    """Return what a command line asks for."""
    asked: list[tuple[DeploySettings, dict[str, Any]]] = []

    def remember(run_dir: str, settings: DeploySettings, **how: Any) -> session.Deployed:
        asked.append((settings, how))
        return session.Deployed(Path("t"), [], 0, is_interrupted=False)

    monkeypatch.setattr(session, "deploy_run", remember)
    assert main(["deploy", "run", *flags]) == 0
    return asked[0]


def test_flags_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, how = settings_of(monkeypatch)
    assert settings == DeploySettings()
    assert (settings.batch, settings.threads, settings.duration, settings.repetitions) == ((1, 64), 1, 60.0, 5)
    assert (how["trials"], how["is_strict"]) == ([], False)
    words = "--batch 4,8 --threads 2 --duration 1.5 --repetitions 3 --idle 0 --warm-up 2 --seed 7 --strict --all"
    flags = [*words.split(), "--runtime", "onnxruntime"]
    settings, how = settings_of(monkeypatch, *flags)
    assert settings == DeploySettings(
        batch=(4, 8),
        threads=2,
        duration=1.5,
        repetitions=3,
        idle=0,
        warm_up=2,
        seed=7,
        runtime="onnxruntime",
        networks="all",
    )
    assert how["is_strict"]
    settings, how = settings_of(monkeypatch, "--trial", "ab", "--trial", "cd", "--mlperf-length")
    assert (settings.duration, how["trials"]) == (600.0, ["ab", "cd"])
    assert settings_of(monkeypatch, "--front")[0].networks == "front"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch", "1,1"], "--batch: batch must hold different sizes of at least 1, got [1, 1]"),
        (["--batch", "0"], "--batch: batch must hold different sizes of at least 1, got [0]"),
        (["--duration", "0.1"], "--duration: input should be greater than or equal to 0.5, got 0.1"),
        (["--threads", "0"], "--threads: input should be greater than or equal to 1, got 0"),
        (["--runtime", "tensorrt"], "--runtime: input should be 'openvino' or 'onnxruntime', got 'tensorrt'"),
    ],
)
def test_a_setting_that_is_not_possible_is_one_line_and_exit_code_2(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "run", *flags]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_only_one_choice_of_networks_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    for choice in (["--front", "--all"], ["--front", "--trial", "ab"]):
        with pytest.raises(SystemExit) as left:
            make_parser("deploy").parse_args(["deploy", "run", *choice])
        assert left.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_what_is_no_run_folder_or_a_key_of_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", str(tmp_path)]) == 2
    assert "a run folder holds manifest.json" in capsys.readouterr().err
    run = write_run(tmp_path / "run", [digits_config(SCHEDULES[1])])
    assert main(["deploy", str(run.path), "--trial", "zzz"]) == 2
    assert "--trial must be the key of one finished trial" in capsys.readouterr().err


@pytest.mark.parametrize(("n_failed", "is_interrupted", "code"), [(0, False, 0), (2, False, 1), (1, True, 130)])
def test_the_exit_code_says_how_it_ended(
    n_failed: int,
    is_interrupted: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = session.Deployed(Path("run/inference.parquet"), [], n_failed, is_interrupted)
    monkeypatch.setattr(session, "deploy_run", lambda *given, **how: ended)
    assert main(["deploy", "run"]) == code
    assert capsys.readouterr().out == "run/inference.parquet\n"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "status": "done",
        "schedule": "fixed_4",
        "config_seed": 0,
        "trial_key": "a",
        "float_precision": "f32",
        "precision_class": "u8",
        "batch_size": 1,
        "time_per_image_us": 100.0,
        "energy_per_image_uj": 200.0,
        "deployed_test_accuracy": 0.5,
        "n_integer_layers": 14,
        "n_layers": 16,
        "float_fallbacks": None,
        "cpu_source": "measured:rapl-package",
        "runtime": "openvino",
        "runtime_version": "1",
        "n_threads": 1,
        "hostname": "here",
        **changes,
    }


def test_the_table_has_medians_over_repetitions_and_their_spread() -> None:
    rows = [
        *(row(time_per_image_us=time, energy_per_image_uj=2 * time) for time in (100.0, 90.0, 120.0)),
        row(batch_size=64, time_per_image_us=10.0, energy_per_image_uj=None),
        row(status="failed", trial_key="b"),
    ]
    header, first, second = summary(rows)
    assert header.split() == COLUMNS
    assert first.split() == ["fixed_4", "f32", "u8", "1", "100.0", "30.0%", "200.0", "0.5000", "14/16"]
    assert second.split() == ["fixed_4", "f32", "u8", "64", "10.0", "0.0%", "-", "0.5000", "14/16"]


def test_measurements_under_different_conditions_are_lines_of_their_own() -> None:
    rows = [row(), row(n_threads=2, time_per_image_us=60.0)]
    header, one, two = summary(rows)
    assert header.split() == [*COLUMNS, "threads"]
    assert [line.split()[4::5] for line in (one, two)] == [["100.0", "1"], ["60.0", "2"]]


def test_seeds_of_a_schedule_are_told_apart() -> None:
    _, one, two = summary([row(), row(trial_key="b", config_seed=1)])
    assert [line.split("  ")[0] for line in (one, two)] == ["fixed_4 seed 0", "fixed_4 seed 1"]


def test_a_runtime_that_does_not_tell_its_layers_has_a_dash_and_no_zero() -> None:
    _, line = summary([row(n_integer_layers=None, precision_class=None, deployed_test_accuracy=None)])
    assert line.split() == ["fixed_4", "f32", "-", "1", "100.0", "0.0%", "200.0", "-", "-"]


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("measured:rapl-package", []),
        ("estimated:tdp*load^3", ["time is measured, power is estimated: no counter of energy was found on this host"]),
        (None, ["time is measured, energy is not"]),
    ],
)
def test_an_estimate_is_never_called_measured(source: str | None, note: list[str]) -> None:
    assert summary([row(cpu_source=source)])[2:] == note


def test_a_quantized_layer_that_ran_in_float_is_a_loud_line() -> None:
    rows = [row(float_fallbacks="layer1.0.conv1"), row(float_fallbacks="layer1.0.conv1")]
    assert summary(rows)[2:] == ["WARNING: quantized layers ran in float in fixed_4: layer1.0.conv1"]


def test_nothing_done_is_an_empty_table() -> None:
    assert summary([]) == summary([row(status="failed")]) == []
    assert deploy.trains(make_parser("deploy").parse_args(["deploy", "run"]))
