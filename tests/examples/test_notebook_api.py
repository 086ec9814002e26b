"""The example runs as a script, and its frames are what the commands write."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.controls.tables import pairs_table
from analysis.energy.ledgers import ledgers_table
from tests.conftest import REPOSITORY
from tests.support.synthetic_runs import POINTS, change_trials, write_run

EXAMPLE = REPOSITORY / "examples" / "notebook_api.py"


def run_example(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", [str(EXAMPLE), str(run)])
    with pd.option_context("display.width", None, "display.max_columns", None, "display.precision", None):
        return runpy.run_path(str(EXAMPLE), run_name="__main__")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", POINTS | {"fixed_3": ((0.75, 0.78), 2.5e-6)})


@pytest.mark.slow
def test_the_frames_of_the_example_are_what_the_commands_write(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_example(run, monkeypatch)
    printed = capsys.readouterr().out
    for command in ("pareto", "curves", "heatmap", "ledgers", "controls", "table"):
        assert main([command, str(run)]) == 0
    by_command = capsys.readouterr().out
    written = {
        "pareto": found["front"],
        "attainment": found["surfaces"],
        "curves": found["curves"],
        "heatmap": found["cells"],
        "ledgers": ledgers_table(found["ledgers"]),
        "controls": pairs_table(found["controls"].pairs),
        "regression": found["controls"].regression,
        "table_over_seeds": found["table_over_seeds"](found["trials"]),
    }
    for name, frame in written.items():
        assert frame.to_csv(index=False) == (run / "analysis" / f"{name}.csv").read_text(), name
    volume, low, high = found["volume"], found["low"], found["high"]
    assert f"hypervolume {volume:.4g}, 95 % interval {low:.4g} to {high:.4g}" in printed
    assert f"hypervolume {volume:.4g}, reference point" in by_command
    for sentence in found["controls"].sentences:
        assert sentence in printed
        assert sentence in by_command


def test_its_figure_has_the_fronts_of_all_families(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run_example(run, monkeypatch)
    drawn = [line for line in found["figure"].axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert len(drawn) == len(found["families"]) + 2, "one each, and the front and the median attainment of all"
    with Image.open(run / "analysis" / "notebook.png") as image:
        assert image.width > 1000


def test_what_a_run_cannot_answer_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.5], 1e-6), "fixed_4": ([0.9], 2e-6)})
    assert run_example(run, monkeypatch)["surfaces"] is None
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("no controls: ") for line in printed)
    assert printed[-1] == str(run / "analysis" / "notebook.png")


@pytest.mark.parametrize("what", ["no run", "sources that differ"])
def test_what_is_no_run_or_not_comparable_is_one_message(
    what: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change_trials(run, "fixed_2", 0, cpu_source="estimated:tdp*load^3")
    with pytest.raises(SystemExit) as refused:
        run_example(tmp_path if what == "no run" else run, monkeypatch)
    assert refused.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.count("error: ") == 1
    assert captured.out == ""
