"""Heat maps as they are drawn: cells, hatches, size and note."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.effects.heatmap import HeatmapUnits, choose_units, heatmap_frame
from analysis.figures.heatmap import draw_heatmap, heatmap_note
from analysis.runs.load import Objective, load_run
from lwq_tune.quantization.schedules import schedule_name
from tests.analysis.effects.test_heatmap import accuracy_of, five_points, frame_of, full_grid
from tests.support.synthetic_networks import write_network_run
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
STAGES = ("stage 1", "stage 2", "stage 3")
TRIPLES = HeatmapUnits(1, 2, 3, STAGES)


@pytest.mark.parametrize("panels_by", [1, 2, 3])
def test_each_number_stands_in_the_cell_of_its_triple(tmp_path: Path, panels_by: int) -> None:
    frame = frame_of(tmp_path / "run", full_grid())
    row_stage, column_stage = (stage for stage in (1, 2, 3) if stage != panels_by)
    figure = draw_heatmap(frame, [ACCURACY], HeatmapUnits(row_stage, column_stage, panels_by, STAGES))
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"stage {panels_by}: {bits} bit" for bits in (2, 3, 4)]
    assert panels[0].get_ylabel() == f"bits of stage {row_stage}"
    assert panels[0].get_xlabel() == f"bits of stage {column_stage}"
    for bits, axes in zip((2, 3, 4), panels, strict=True):
        for text in axes.texts:
            x, y = text.get_position()
            triple = {panels_by: bits, column_stage: 2 + x, row_stage: 2 + y}
            expected = 100 * accuracy_of(tuple(int(triple[stage]) for stage in (1, 2, 3))) + 1
            assert float(text.get_text()) == pytest.approx(expected, abs=0.051)


def test_a_column_holds_the_27_and_more_bits_are_wider(tmp_path: Path) -> None:
    small = draw_heatmap(frame_of(tmp_path / "a", full_grid()), [ACCURACY, EMISSIONS], TRIPLES)
    wide = {schedule_name(t): ([0.5], 1e-6) for t in itertools.product((2, 3, 4, 8), repeat=3)}
    assert small.get_figwidth() == 3.5
    assert draw_heatmap(frame_of(tmp_path / "b", wide), [ACCURACY, EMISSIONS], TRIPLES).get_figwidth() == 7.0


def test_the_command_draws_accuracy_and_emissions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", full_grid())
    assert main(["heatmap", str(run), "--panels-by", "1"]) == 0
    assert "mean over 2 seeds" in capsys.readouterr().out
    assert len(pd.read_csv(run / "analysis" / "heatmap.csv")) == 27
    assert {file.name for file in (run / "analysis").iterdir()} == {
        f"heatmap.{s}" for s in ("csv", "svg", "pdf", "png")
    }


def test_without_emissions_the_accuracies_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", full_grid(), changes={"emissions_kg_co2eq": None})
    assert main(["heatmap", str(run)]) == 0
    assert "emissions were not measured" in capsys.readouterr().err
    assert "emissions_kg_co2eq" not in pd.read_csv(run / "analysis" / "heatmap.csv")


def test_what_was_not_trained_is_hatched_and_has_no_number(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 1e-6), "ascending_234": ([0.6], 1e-6), "full_precision": ([0.9], 1e-6)}
    frame = frame_of(tmp_path / "run", points)
    figure = draw_heatmap(frame, [ACCURACY], TRIPLES)
    drawn = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sorted(drawn) == ["", "", "50.0", "60.0"]
    hatched = [patch for axes in figure.axes for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 2
    note = heatmap_note(frame, [ACCURACY], TRIPLES)
    assert "2 of 4 schedules not trained" in note
    assert "Full precision: 90.0 %" in note


def test_a_figure_that_is_no_number_is_drawn_as_not_measured(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5, math.nan], 1e-6), "fixed_3": ([math.inf], 1e-6), "fixed_4": ([0.5], 1e-6)}
    frame = frame_of(tmp_path / "run", points)
    drawn = [text.get_text() for axes in draw_heatmap(frame, [ACCURACY], TRIPLES).axes for text in axes.texts]
    assert drawn.count("n/a") == 2
    assert "n/a: not measured" in heatmap_note(frame, [ACCURACY], TRIPLES)


def test_a_map_of_two_of_many_units_has_their_names_and_says_what_its_cells_are(tmp_path: Path) -> None:
    trials = load_run(write_network_run(tmp_path / "run", five_points())).trials
    units = choose_units(trials, ["test_accuracy"])
    frame = heatmap_frame(trials, ["test_accuracy"], units)
    (axes,) = (axes for axes in draw_heatmap(frame, [ACCURACY], units).axes if axes.texts)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("bits of features.2", "bits of features.5")
    assert sorted(text.get_text() for text in axes.texts) == ["62.0", "66.0", "70.0", "74.0"]
    note = heatmap_note(frame, [ACCURACY], units)
    assert "mean over the 4 configurations with these bits, whatever the other 3 units of 5 have" in note
    assert "explain most of the variance of test accuracy: features.2 (80 %) and features.5 (20 %)" in note
    assert "Standard deviation over configurations of a cell" in note


def test_the_command_draws_the_units_that_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_network_run(tmp_path / "run", five_points())
    assert main(["heatmap", str(run), "--units", "features.3", "4"]) == 0
    assert "whatever the other 3 units of 5 have; each is a mean over 1 seed" in capsys.readouterr().out
    assert list(pd.read_csv(run / "analysis" / "heatmap.csv").columns[:2]) == ["bits_3", "bits_4"]
