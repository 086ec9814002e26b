"""The paper's Figures 2 and 3 as they are drawn: lines, bands, legend and files."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.effects.curves import curve_frame
from analysis.figures.curves import curve_note, draw_curves
from analysis.runs.load import load_run
from tests.support.synthetic_runs import POINTS, write_run

TWO = {"full_precision": ([0.8, 0.9], 1e-6), "fixed_2": ([0.6, 0.4], 1e-6)}


def test_the_panels_are_named_after_the_images_that_were_evaluated(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO, changes={"test_accuracy": None, "test_loss": None})
    labels = [axes.get_ylabel() for axes in draw_curves(curve_frame(load_run(run))).axes]
    assert labels == ["training accuracy (%)", "training loss", "validation accuracy (%)", "validation loss"]


def test_lines_are_told_apart_without_colour(tmp_path: Path) -> None:
    points = dict.fromkeys(
        ["full_precision", "fixed_2", "fixed_3", "fixed_4", "ascending_234", "descending_432"], ([0.5], 1e-6)
    )
    (legend,) = draw_curves(curve_frame(load_run(write_run(tmp_path / "run", points)))).legends
    looks = {
        (str(line.get_marker()), line.get_markerfacecolor() == "white", str(line._unscaled_dash_pattern))
        for line in legend.get_lines()
    }
    assert len(looks) == len(points)


def test_bands_are_drawn_over_seeds_only(tmp_path: Path) -> None:
    several = curve_frame(load_run(write_run(tmp_path / "several", TWO)))
    one = curve_frame(load_run(write_run(tmp_path / "one", {"fixed_2": ([0.5], 1e-6)})))
    assert all(len(axes.collections) == 2 for axes in draw_curves(several).axes)
    assert not any(axes.collections for axes in draw_curves(one).axes)
    assert "band: least to greatest over seeds" in curve_note(several, "range")
    assert "standard deviation" in curve_note(several, "std")
    assert "One seed" in curve_note(one, "range")


def test_a_std_band_is_one_standard_deviation(tmp_path: Path) -> None:
    frame = curve_frame(load_run(write_run(tmp_path / "run", {"fixed_2": ([0.4, 0.6], 1e-6)})))
    (band,) = draw_curves(frame, band="std").axes[2].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(0.5 + 0.1 * math.sqrt(2))


def test_many_schedules_are_coloured_by_family(tmp_path: Path) -> None:
    bits = [(a, b, c) for a in (2, 3, 4) for b in (2, 3, 4) for c in (2, 3, 4) if b < a and b < c]
    points = (
        {f"mixed_{a}{b}{c}": ([0.5, 0.6], 1e-6) for a, b, c in bits}
        | POINTS
        | dict.fromkeys(["fixed_3", "fixed_4"], ([0.5], 1e-6))
    )
    frame = curve_frame(load_run(write_run(tmp_path / "run", points)))
    figure = draw_curves(frame)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "full precision",
        "fixed",
        "ascending",
        "descending",
        "mixed",
    ]
    assert len(figure.axes[0].lines) == len(points)
    assert "1-2 seeds" in curve_note(frame, "range")


def test_the_command_writes_files_for_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", TWO)
    assert main(["curves", str(run), "--width-in", "7"]) == 0
    out = run / "analysis"
    assert capsys.readouterr().out.split()[-1] == str(out / "curves.png")
    pdf = (out / "curves.pdf").read_bytes()
    assert b"/FontFile2" in pdf, "TrueType fonts are embedded"
    assert b"/Type3" not in pdf
    assert 'width="504pt"' in (out / "curves.svg").read_text()
    assert re.search(r"measured:rapl-package", (out / "curves.svg").read_text())
    with Image.open(out / "curves.png") as image:
        assert image.width == 2100
    assert len(pd.read_csv(out / "curves.csv")) == len(TWO) * 2 * 2 * 2


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", TWO)
    for out in ("a", "b"):
        assert main(["curves", str(run), "--out", str(tmp_path / out)]) == 0
    for suffix in ("svg", "pdf", "png"):
        assert (tmp_path / "a" / f"curves.{suffix}").read_bytes() == (tmp_path / "b" / f"curves.{suffix}").read_bytes()
