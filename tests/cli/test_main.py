from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwq_tune.cli.main import main, make_parser, without_port
from lwq_tune.cli.train import dataset_address, trial_config
from lwq_tune.data.decoded_cache import FOLDER_VARIABLE
from tests.conftest import run_python
from tests.support.hub_folders import png, write_hub_folder

SPACE = "version: 1\nfixed: {epochs: 1}\nschedules: [fixed_2]\n"


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--space", "named_schedules", "--dry-run"]])
def test_help_and_dry_run_answer_and_write_nothing(arguments: list[str], tmp_path: Path) -> None:
    result = run_python("-m", "lwq_tune", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_lists_families_bits_and_bitops_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--space", "named_schedules", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    ascending = next(line.split() for line in lines if "ascending_234" in line)
    assert ascending[1:] == ["ascending_234", "ascending", "0", "2-3-4", "3.70", "0.0805", "701", "trial"]
    assert "12 trials, 96 epochs" in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_knows_the_classes_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hub_folder(tmp_path / "set")
    space = ["sweep", "--space", "named_schedules", "--dry-run", "--set"]
    assert main([*space, f"dataset={tmp_path / 'set'}"]) == 0
    with_two_classes = capsys.readouterr().out
    assert main([*space, "dataset=cifar100"]) == 0
    with_a_hundred = capsys.readouterr().out
    assert with_two_classes != with_a_hundred


def test_a_bad_image_is_refused_before_an_estimate_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    write_hub_folder(tmp_path / "set")
    file = tmp_path / "set" / "train-00000-of-00001.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[7]["img"] = {"bytes": png(np.zeros((28, 30, 3), dtype=np.uint8)), "path": None}
    pq.write_table(pa.Table.from_pylist(rows), file)
    sweep = ["sweep", "--space", "named_schedules", "--country", "FRA", "--estimate", "first"]
    assert main([*sweep, "--set", f"dataset={tmp_path / 'set'}"]) == 2
    told = capsys.readouterr().err
    assert "got 30x28 pixels (width x height) in row 7 of" in told
    assert "say image_size: N" in told
    assert "measuring" not in told
    assert not (tmp_path / "results").exists()


BAD_SWEEPS = [
    (["--space", "nope"], "must be the name of a space or a .yaml file, got 'nope'"),
    (["--space", "{tmp}/empty.yaml"], "got nothing"),
    (["--space", "{tmp}/binary.yaml"], "readable text file"),
    (["--space", "{tmp}"], "must be the name of a space"),
    (["--space", "{tmp}/unknown_key.yaml"], "did you mean 'schedules'?"),
    (["--space", "named_schedules", "--set", "epochs=many"], "valid integer, got 'many'"),
    (["--space", "named_schedules", "--set", "schedules=[fixed_9]"], "got 9"),
    (["--space", "named_schedules", "--set", "schedules=[[0,2,2]]"], "got 0"),
    (["--space", "named_schedules", "--set", "schedules=[[2.5,2,2]]"], "got 2.5"),
    (["--space", "named_schedules", "--set", "schedules=[[2,2]]"], "got 2: [2, 2]"),
    (["--space", "named_schedules", "--set", "dataset=no/such"], "use digits (embedded)"),
    (["--space", "named_schedules", "--set", "dataset={tmp}/corrupt"], "readable as Parquet"),
    (["--space", "named_schedules", "--max-concurrent", "0"], "greater than or equal to 1, got 0"),
    (["--space", "named_schedules", "--pue", "0.5"], "--pue must be in [1, 10], 1 for a host alone, got 0.5"),
    (["--space", "named_schedules", "--pue", "nan"], "--pue must be in [1, 10], 1 for a host alone, got nan"),
    (["--space", "named_schedules", "--intensity-file", "{tmp}/gone.csv"], "gone.csv"),
    (["--space", "named_schedules", "--country", "FRA", "--carbon-intensity", "56"], "one carbon intensity"),
    (["--space", "named_schedules", "--cpus-per-trial", "0"], "greater than 0, got 0"),
    (["--space", "named_schedules", "--cpus-per-trial", "10000"], "--cpus-per-trial must be at most"),
    (["--space", "named_schedules", "--country", "XXX"], "--country takes an ISO 3166-1 code or English name"),
    (["--space", "named_schedules", "--carbon-intensity", "-5"], "must be a number in [1, 10000] g/kWh, got '-5'"),
    (["--space", "named_schedules", "--run", "a/b"], "run:"),
    (["--space", "named_schedules", "--run", "taken"], "choose another --run"),
    (["--space", "named_schedules", "--results", "{tmp}/empty.yaml"], "choose another --results"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_SWEEPS, ids=lambda value: str(value)[-40:])
def test_bad_input_is_one_message_exit_code_2_and_nothing_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "unknown_key.yaml").write_text(SPACE.replace("schedules", "shedules"))
    write_hub_folder(tmp_path / "corrupt")
    (tmp_path / "corrupt" / "train-00000-of-00001.parquet").write_bytes(b"PAR1 no")
    if "taken" in arguments:
        (tmp_path / "results" / "taken").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code = main(["sweep", *(argument.format(tmp=tmp_path) for argument in arguments)])
    captured = capsys.readouterr()
    assert code == 2
    assert message in captured.err
    assert captured.err.count("error:") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ("2,3", "got 2"),
        ("2,3,9", "got 9"),
        ("0,3,4", "got 0"),
        ("2.5,3,4", "got '2.5'"),
        ("up", "a schedule is"),
        ("-1,2,2", "got -1"),
        ("2,--3,4", "got '--3'"),
        ("²,3,4", "got '²'"),
    ],
)
def test_bad_bits_of_a_single_trial_are_refused(bits: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"--bits={bits}", "--no-energy"]) == 2
    assert message in capsys.readouterr().err


def test_flags_of_a_single_trial_say_what_is_read_of_its_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--bits", "2,3,4", "--dataset", "mnist", "--image-size", "32"]
    arguments = make_parser().parse_args(words)
    assert dataset_address(arguments) == "mnist?size=32"
    config = trial_config(arguments, dataset_address(arguments), None)
    assert (config.dataset, config.augmentation) == ("mnist?size=32", "crop")
    assert main([*words, "--test-split", "dev", "--no-energy"]) == 2
    assert "image_size alone can be chosen, got test_split (test=…) for mnist" in capsys.readouterr().err
    assert main([*words[:-1], "0", "--no-energy"]) == 2
    assert "image_size: input should be greater than or equal to 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--pue=nan", "--pue=0.5", "--carbon-intensity=0.056", "--country=Narnia"])
@pytest.mark.parametrize("energy", [[], ["--no-energy"]])
def test_where_a_single_trial_runs_is_checked_before_anything_is_said_or_read(
    flag: str, energy: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--bits=2,3,4", "--dataset=no/such", flag, *energy]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert flag.partition("=")[0] in line


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: (folder / "manifest.json").write_text("{")])
def test_only_a_run_folder_can_be_resumed(make: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path)  # type: ignore[operator]
    assert main(["resume", str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err


def test_spaces_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces"]) == 0
    listed = capsys.readouterr().out
    assert "named_schedules" in listed
    assert "paper_cifar100" in listed
    assert "named_schedules   Fixed, ascending and descending" in listed
    assert main(["spaces", "named_schedules"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("# Fixed, ascending and descending")


@pytest.mark.parametrize(
    ("line", "run_dir", "port"),
    [
        ("resume --dashboard results/night", "results/night", 0),
        ("resume --dashboard results/night --retry-failed", "results/night", 0),
        ("resume --dashboard s3://bucket/night", "s3://bucket/night", 0),
        ("resume --dashboard 8266 results/night", "results/night", 8266),
        ("resume --dashboard=8266 results/night", "results/night", 8266),
        ("resume results/night --dashboard 8266", "results/night", 8266),
        ("resume results/night --dashboard", "results/night", 0),
        ("resume --dashboard --retry-failed results/night", "results/night", 0),
        ("resume --dashboard -- results/night", "results/night", 0),
        ("resume results/night", "results/night", None),
    ],
)
def test_a_run_folder_is_not_taken_for_the_port_before_it(line: str, run_dir: str, port: int | None) -> None:
    parsed = make_parser().parse_args(without_port(line.split()))
    assert (parsed.run_dir, parsed.dashboard, parsed.retry_failed) == (run_dir, port, "--retry-failed" in line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("resume --dashboard 8266", "the following arguments are required: RUN_DIR"),
        ("resume --dashboard 70000 results/night", "a port is a number from 1 to 65535, got '70000'"),
        ("sweep --space named_schedules --dashboard night", "a port is a number from 1 to 65535, got 'night'"),
    ],
)
def test_what_is_no_port_and_no_run_folder_is_refused(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(line.split())
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
