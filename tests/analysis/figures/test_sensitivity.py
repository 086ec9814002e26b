"""The sensitivity of stages as it is drawn."""

from __future__ import annotations

from pathlib import Path

from analysis.effects.sensitivity import measure_sensitivity
from analysis.figures.sensitivity import draw_sensitivity
from tests.analysis.effects.test_sensitivity import grid, trials_of


def test_the_paper_stands_beside_each_stage(tmp_path: Path) -> None:
    (axes,) = draw_sensitivity(measure_sensitivity(trials_of(tmp_path / "run", grid()))).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "stage 1\npaper: less sensitive",
        "stage 2\npaper: moderate",
        "stage 3\npaper: highly sensitive",
    ]


def test_error_bars_are_drawn_over_seeds_only(tmp_path: Path) -> None:
    for n_seeds in (1, 3):
        (axes,) = draw_sensitivity(measure_sensitivity(trials_of(tmp_path / str(n_seeds), grid(n_seeds)))).axes
        bars = [part for bars in axes.containers for part in bars.lines[2]]
        assert bool(bars) == (n_seeds > 1)
