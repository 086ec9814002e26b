"""The sensitivity of stages as it is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.effects.sensitivity import measure_sensitivity
from analysis.figures.sensitivity import draw_sensitivity
from analysis.runs.load import load_run
from tests.analysis.effects.test_sensitivity import grid, trials_of
from tests.support.synthetic_networks import SeedPoints, lowered_one_by_one, searched_points, write_network_run


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


@pytest.mark.parametrize("points", [searched_points(20), lowered_one_by_one(20)], ids=["search", "one by one"])
def test_many_units_have_a_bar_each_by_name_with_its_interval(tmp_path: Path, points: SeedPoints) -> None:
    found = measure_sensitivity(load_run(write_network_run(tmp_path / "run", points)).trials)
    (axes,) = draw_sensitivity(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"features.{unit}" for unit in range(1, 21)]
    bars = [bar.get_width() for bar in axes.patches]
    assert bars == pytest.approx([100 * mean for mean in found.by_unit["mean"]])
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first unit is on top"
    assert [part for part in axes.collections if len(part.get_segments()) == 20], "intervals"
