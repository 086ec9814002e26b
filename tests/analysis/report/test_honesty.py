"""Runs that lack something: each sentence is true of them, and no figure is empty."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.figures.style import FAMILY_STYLE
from analysis.fronts.attainment import attainment_surfaces
from analysis.report.page import write_page
from analysis.runs.configurations import FAMILIES, done_trials
from analysis.runs.load import AnalysisError, load_run
from tests.analysis.report.conftest import data_of, section_of, text_of, write_manifest
from tests.analysis.report.test_command import Capture, refused, report
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, write_run

ONE_SEED = {name: (values[:1], kg) for name, (values, kg) in POINTS.items()}
SIZE = [OBJECTIVES[0], {"column": "weight_mib", "direction": "minimize"}]
UNMEASURED = {"energy_kwh": None, "emissions_kg_co2eq": None}
MEASURED = {"cpu_source": "measured:rapl-package", "ram_source": "measured:rapl-dram"}


def figure_of(page: str, key: str) -> Any:
    """Return one figure of a page, None where it has none."""
    return next((figure for figure in data_of(page)["figures"] if figure["key"] == key), None)


def drop_epochs(run: Path, **wanted: object) -> Path:
    """Remove the tables of epochs of the trials with some values."""
    for row in pq.read_table(run / "trials.parquet").to_pylist():
        if all(row[name] == value for name, value in wanted.items()):
            (run / "epochs" / f"{row['trial_key']}.parquet").unlink()
    return run


@pytest.mark.parametrize("seeds", [(0.5,), (0.5, 0.6)], ids=len)
def test_one_configuration_is_not_shown_to_be_on_a_front(tmp_path: Path, seeds: tuple[float, ...]) -> None:
    summary = section_of(report(write_run(tmp_path / "run", {"fixed_2": (seeds, 1e-6)})), "summary")
    assert "Shown to be on the front" not in summary
    assert "There is one configuration: the front is it alone, and nothing was compared" in summary
    assert "Highest" not in summary


def test_full_precision_alone_is_not_told_to_lack_full_precision(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run", {"full_precision": POINTS["full_precision"]}))
    assert "No full precision" not in section_of(page, "summary") + section_of(page, "energy")
    assert "Full precision alone: no ratio" in section_of(page, "energy")


def test_verdicts_by_size_are_named_where_there_is_one_seed(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run", ONE_SEED, objectives=SIZE))
    summary = section_of(page, "summary")
    assert "Shown to be on the front: fixed_2." in summary, "nothing is smaller"
    assert "no verdict but those that follow from the bits alone" in summary


@pytest.mark.parametrize("points", [ONE_SEED, POINTS], ids=["one seed", "two seeds"])
def test_a_size_has_no_interval_and_lacks_none(tmp_path: Path, points: dict[str, Any]) -> None:
    front = section_of(report(write_run(tmp_path / "run", points, objectives=SIZE)), "front")
    assert "± 0 MiB" not in front
    assert "MiB (" not in front


def test_equal_seeds_have_no_interval_of_no_width(tmp_path: Path) -> None:
    points: dict[str, Any] = {"fixed_2": ((0.7, 0.7, 0.7), 1e-6), "fixed_3": ((0.7, 0.8, 0.9), 2e-6)}
    front = section_of(report(write_run(tmp_path / "run", points)), "front")
    assert "70.00 % (seeds alike, no interval)" in front
    assert "± 0" not in front
    assert "80.00 ± 24.84 %" in front, "4.303 x 10 / sqrt(3)"


@pytest.mark.parametrize("points", [ONE_SEED, POINTS], ids=["one seed", "two seeds"])
def test_ratios_that_may_be_chance_are_left_open(tmp_path: Path, points: dict[str, Any]) -> None:
    summary = section_of(report(write_run(tmp_path / "run", points)), "summary")
    supported, _, left_open = summary.partition("What the data leave open")
    is_doubtful = points is ONE_SEED
    assert ("training energy than full precision" in left_open) == is_doubtful
    assert ("training energy than full precision" in supported) != is_doubtful


def test_emissions_are_never_measured(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run", changes=MEASURED))
    title = figure_of(page, "front")["layout"]["xaxis"]["title"]["text"]
    assert title == "training emissions (mg CO2eq), from measured energy"
    summary = section_of(page, "summary")
    assert "each trial is charged with its whole host; emissions follow from a carbon intensity" in summary
    shared = section_of(
        report(write_run(tmp_path / "two", changes={**MEASURED, "share_method": "cpu-seconds"})), "summary"
    )
    assert "share is modelled" in shared


def test_sources_of_energies_that_were_not_recorded_do_not_count(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run", changes=UNMEASURED))
    assert "The energy of training is not measured" in section_of(page, "summary")
    ledgers = figure_of(page, "ledgers")
    assert [panel["title"] for panel in ledgers["panels"]] == ["modelled inference (45 nm)"]
    assert {trace["xaxis"] for trace in ledgers["data"]} == {"x"}
    assert "Training energy was not measured, and is not drawn" in ledgers["note"]


def test_without_a_front_nothing_is_said_of_ranks_verdicts_and_intervals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for schedule in POINTS:
        change_trials(run, schedule, 0, emissions_kg_co2eq=None)
    front = section_of(report(run), "front")
    assert "none has them measured in every seed" in front, "seed 1 has both"
    assert "no ranks and no verdicts without a front" in front
    assert not any(words in front for words in ("95 %", "resamples, no test", "all together right"))


def test_a_seed_without_a_figure_takes_its_configuration_out_of_the_surfaces(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 0, test_accuracy=math.nan)
    page = report(run)
    names = [trace.get("name") for trace in figure_of(page, "front")["data"]]
    assert "attainment: median" in names
    assert " 1.0 " not in section_of(page, "front"), "a rank is a whole number"
    runs = load_run(run)
    found = attainment_surfaces(done_trials(runs.trials), runs.objectives)
    assert found["n_seeds"].tolist() == [2] * len(found)


def test_infinite_figures_do_not_choose_the_unit(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 0, emissions_kg_co2eq=math.inf)
    assert figure_of(report(run), "front")["layout"]["xaxis"]["title"]["text"].startswith(
        "training emissions (mg CO2eq)"
    )


def test_calibration_is_told_and_has_no_empty_panels(tmp_path: Path) -> None:
    points = {name: values for name, values in POINTS.items() if name != "full_precision"}
    config = {"mode": "ptq", "quantizer": "minmax"}
    changes = {"train_loss": None, "train_accuracy": None}
    page = report(write_run(tmp_path / "run", points, n_epochs=1, config_changes=config, changes=changes))
    summary = section_of(page, "summary")
    assert ", 1 epoch, " in summary
    assert "6 of 6 trials only calibrate trained networks (ptq)" in summary
    assert "6 of 6 trials start from trained networks; the energy and emissions of that training are not in" in summary
    assert [panel["title"] for panel in figure_of(page, "curves")["panels"]] == ["test accuracy", "test loss"]
    series = data_of(page)["details"][0]["curves"]["series"]
    assert {quantity: list(images) for quantity, images in series.items()} == {"accuracy": ["test"], "loss": ["test"]}


def test_a_network_of_another_width_is_named(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run", config_changes={"width": 0.25}))
    assert "of resnet14 (width 0.25) on digits" in section_of(page, "summary")


def test_curves_without_epochs_of_a_seed_are_no_empty_figure(tmp_path: Path) -> None:
    page = report(drop_epochs(write_run(tmp_path / "run"), config_seed=1))
    assert "Not drawn: curves need epochs that were recorded in all seeds" in section_of(page, "curves")
    assert figure_of(page, "curves") is None
    assert all(detail["curves"] is None for detail in data_of(page)["details"])
    part = report(drop_epochs(write_run(tmp_path / "part"), schedule="fixed_2"))
    assert "Not drawn: 1 without an epoch" in section_of(part, "curves")
    for name in ("curves", "table"):
        assert "2 of 8 finished trials have no table of epochs, or one that lacks rows" in section_of(part, name)


def test_the_trial_that_keeps_validation_from_deciding_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 1, val_accuracy=float("nan"))
    assert "needs a number in every finished trial for that, and 1 of 8 (fixed_2 seed 1: run/" in text_of(report(run))


def test_damaged_epochs_are_not_called_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    next((run / "epochs").iterdir()).write_bytes(b"x")
    table = section_of(report(run), "table")
    assert "Over the epochs: not shown, results must be readable as Parquet" in table


def test_a_list_of_failures_says_how_many_it_leaves_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.5] * 21, 1e-6), "fixed_3": ([0.5], 1e-6)})
    for seed in range(21):
        change_trials(run, "fixed_2", seed, status="failed", error="boom")
    page = report(run)
    assert "The first 20 of 21 rows; all are in trials.parquet" in section_of(page, "provenance")
    assert "1 of 22 trials ran to their end and are looked at" in section_of(page, "summary")


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one" / "run", ONE_SEED), write_run(tmp_path / "two" / "run")
    out = tmp_path / "both.html"
    assert main(["report", str(one), str(two), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "<h1>one/run and two/run</h1>" in page
    for key in ("audit", "provenance"):
        assert "one/run" in section_of(page, key)


@pytest.mark.parametrize("out", [".", "/", "", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(AnalysisError, match="is no file; give --out FILE"):
        write_page("<!DOCTYPE html>", Path(out))
    assert Path("pipe").is_fifo()
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_only_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    data, page = tmp_path / "trials.parquet", tmp_path / "report.html"
    data.write_bytes(b"PAR1 and more")
    with pytest.raises(AnalysisError, match="only an earlier report is replaced, .*trials.parquet is something else"):
        write_page("<!DOCTYPE html>new", data)
    assert data.read_bytes() == b"PAR1 and more"
    for before in (b"", b"<!DOCTYPE html>old"):
        page.write_bytes(before)
        write_page("<!DOCTYPE html>new", page)
        assert page.read_text() == "<!DOCTYPE html>new"


def test_half_a_character_in_a_manifest_is_a_question_mark(tmp_path: Path) -> None:
    run = write_manifest(write_run(tmp_path / "run"))
    (run / "manifest.json").write_text(json.dumps({"space": {"name": "a\ud800b", "sha256": "0"}}))
    assert "search space a?b" in section_of(report(run), "provenance")


@pytest.mark.parametrize(
    ("column", "kind", "value", "words"),
    [
        ("test_accuracy", pa.string(), "x", "has the types of its schema"),
        ("bit_widths", pa.string(), "2,3,4", "has the types of its schema"),
        ("config_seed", pa.null(), None, "lacks config_seed"),
        ("bit_widths", pa.list_(pa.int32()), None, "lacks bit_widths"),
        ("family", pa.string(), "zigzag", "a family is one of"),
    ],
)
def test_trials_of_another_program_are_refused_in_one_line(
    tmp_path: Path, capsys: Capture, column: str, kind: pa.DataType, value: object, words: str
) -> None:
    run = write_run(tmp_path / "run")
    table = pq.read_table(run / "trials.parquet")
    changed = pa.array([value] * len(table), kind)
    pq.write_table(
        table.set_column(table.schema.get_field_index(column), pa.field(column, kind), changed), run / "trials.parquet"
    )
    assert words in refused(capsys, str(run))
    assert tuple(FAMILY_STYLE) == FAMILIES
