"""`status` on run folders written by the real recorder."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from lwq_tune.cli.main import main
from lwq_tune.config.trial import TrialConfig
from lwq_tune.files.locks import holder_of
from lwq_tune.results.run_folder import RunFolder, run_lock
from tests.conftest import small_config
from tests.support.manifests import manifest_of
from tests.support.small_run import epoch_row, recorder_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three trials of three epochs: one done, one under way after an epoch, one failed."""
    return write_run(tmp_path / "run", [small_config(seed=seed, epochs=3) for seed in (0, 1, 2)])


def write_run(path: Path, configs: list[TrialConfig]) -> Path:
    folder = RunFolder(path)
    folder.create()
    trials = {trial.trial_key: trial for trial in configs}
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=40)
    manifest_of(
        dataset={"num_classes": 10},
        trials=[trial.model_dump(mode="json") for trial in trials.values()],
        sessions=[{"started_at_utc": begin.isoformat()}],
    ).write(folder)
    recorder = recorder_of(folder, trials)
    done, under_way, failed = trials
    for key, n_epochs in ((done, 3), (under_way, 1), (failed, 0)):
        recorder.start_attempt(key)
        for epoch in range(1, n_epochs + 1):
            recorder.add_row(key, "ray", epoch_row(epoch))
    recorder.end_trial(done, "done")
    recorder.end_trial(failed, "failed", "TrialDivergedError: loss must stay finite")
    return folder.path


def test_a_run_that_nobody_works_on_is_told_with_its_failures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run)]) == 0
    out = capsys.readouterr().out
    assert "3/3" in out
    assert "1/3" in out
    assert "interrupted" in out
    assert "failed: ascending_234 seed 2: TrialDivergedError: loss must stay finite" in out
    assert "2 epochs left, no process works on it; continue with: python -m lwq_tune resume" in out
    assert "energy of the host: not measured" in out


def test_a_run_that_is_being_worked_on_says_by_whom_and_how_long(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_lock(run):
        assert main(["status", str(run)]) == 0
    out = capsys.readouterr().out
    assert "running" in out
    # Four epochs in 40 seconds, two are left.
    assert "2 epochs left, about 0:20; process " in out


def test_the_same_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["run"], state["held_by"], state["epochs_left"]) == ("run", None, 2)
    assert state["remaining_s"] == pytest.approx(20.0, abs=2.0)
    assert [trial["status"] for trial in state["trials"]] == ["done", "interrupted", "failed"]


def test_where_widths_vary_trials_are_named_by_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [small_config(width=width, epochs=3) for width in (1.0, 0.5, 0.25)])
    assert main(["status", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines[1:4]] == [
        "ascending_234",
        "ascending_234 at width 0.5",
        "ascending_234 at width 0.25",
    ]
    assert lines[4].startswith("failed: ascending_234 at width 0.25 seed 0: ")
    assert main(["status", str(run), "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [(trial["schedule"], trial["width"]) for trial in trials] == [
        ("ascending_234", 1.0),
        ("ascending_234", 0.5),
        ("ascending_234", 0.25),
    ]


def test_looking_changes_nothing_and_needs_no_lock(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    main(["status", str(run)])
    capsys.readouterr()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert holder_of(run / ".lock") is None


@pytest.mark.parametrize("what", ["nothing there", "no manifest", "trials that are none"])
def test_what_is_no_run_is_one_message(
    what: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "no manifest":
        (run / "manifest.json").unlink()
    if what == "trials that are none":
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(manifest | {"trials": [{"bits": 2}]}))
    assert main(["status", str(tmp_path / "gone" if what == "nothing there" else run)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1
    assert captured.out == ""
