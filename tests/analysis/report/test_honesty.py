"""Runs that lack something: each finding is true of them, and no figure is empty."""

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
from analysis.energy.findings import LedgerKind, find_in_ledgers
from analysis.energy.sources import EnergyKind
from analysis.figures.style import FAMILY_STYLE
from analysis.fronts.choice import ChoiceKind
from analysis.report.blocks import FigureBox, Note, Paragraph, Table
from analysis.report.details import describe, hover_texts
from analysis.report.evidence import Missing
from analysis.report.figures.curves import draw_curves
from analysis.report.page import write_page
from analysis.report.sections import curves_section, front_section, provenance_section, table_section
from analysis.report.summary import TrainedKind, left_open, supported, trained
from analysis.runs.configurations import FAMILIES
from analysis.runs.load import AnalysisError
from analysis.uncertainty.verdicts import Verdict
from analysis.wording import as_sentence
from tests.analysis.report.conftest import blocks_of, data_of, evidence_of, kinds_of, section_of, write_manifest
from tests.analysis.report.test_command import Capture, refused, report
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, write_run

ONE_SEED = {name: (values[:1], kg) for name, (values, kg) in POINTS.items()}
SIZE = [OBJECTIVES[0], {"column": "weight_mib", "direction": "minimize"}]
UNMEASURED = {"energy_kwh": None, "emissions_kg_co2eq": None}
MEASURED = {"cpu_source": "measured:rapl-package", "ram_source": "measured:rapl-dram"}


def figure_of(page: str, key: str) -> Any:
    """Return one figure of a page."""
    return next(figure for figure in data_of(page)["figures"] if figure["key"] == key)


def drop_epochs(run: Path, **wanted: object) -> Path:
    """Remove the tables of epochs of the trials with some values."""
    for row in pq.read_table(run / "trials.parquet").to_pylist():
        if all(row[name] == value for name, value in wanted.items()):
            (run / "epochs" / f"{row['trial_key']}.parquet").unlink()
    return run


def test_full_precision_alone_does_not_lack_full_precision(tmp_path: Path) -> None:
    evidence = evidence_of(write_run(tmp_path / "run", {"full_precision": POINTS["full_precision"]}))
    assert not isinstance(evidence.ledgers, Missing)
    assert LedgerKind.FULL_PRECISION_ALONE in kinds_of(find_in_ledgers(evidence.ledgers))
    assert LedgerKind.NO_FULL_PRECISION not in kinds_of([*supported(evidence), *left_open(evidence)])


def test_equal_seeds_have_an_interval_of_no_width(tmp_path: Path) -> None:
    points: dict[str, Any] = {"fixed_2": ((0.7, 0.7, 0.7), 1e-6), "fixed_3": ((0.7, 0.8, 0.9), 2e-6)}
    front = evidence_of(write_run(tmp_path / "run", points)).front.set_index("label")
    ends = front[["test_accuracy_low", "test_accuracy_high"]]
    assert ends.loc["fixed_2"].tolist() == pytest.approx([0.7, 0.7])
    half = 4.302653 * 0.1 / math.sqrt(3)  # t(0.975, 2)
    assert ends.loc["fixed_3"].tolist() == pytest.approx([0.8 - half, 0.8 + half], abs=1e-6)


def test_emissions_are_never_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", changes=MEASURED)
    assert figure_of(report(run), "front")["panels"][0]["xTitle"] == {
        "name": "training emissions",
        "unit": "mg CO2eq",
        "remark": "from measured energy",
    }
    (whole,) = trained(evidence_of(run))
    assert (whole.kind, whole.subjects) == (TrainedKind.ENERGY, (EnergyKind.MEASURED,))
    assert whole.counts == {"charged_with_whole_host": 8, "all": 8}
    (shared,) = trained(evidence_of(write_run(tmp_path / "two", changes={**MEASURED, "share_method": "cpu-seconds"})))
    assert shared.counts == {"charged_with_whole_host": 0, "all": 8}


def test_sources_of_energies_that_were_not_recorded_do_not_count(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", changes=UNMEASURED)
    (energy,) = trained(evidence_of(run))
    assert energy.subjects == (EnergyKind.NOT_MEASURED,)
    ledgers = figure_of(report(run), "ledgers")
    (panel,) = ledgers["panels"]
    assert panel["xTitle"]["name"] == "energy per 1,000 images"
    assert {trace["xaxis"] for trace in ledgers["data"]} == {"x"}
    assert ledgers["title"] == "Modelled inference energy"


def test_without_a_front_there_are_no_ranks_verdicts_and_intervals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for schedule in POINTS:
        change_trials(run, schedule, 0, emissions_kg_co2eq=None)
    evidence = evidence_of(run)
    assert evidence.no_front, "seed 1 has both"
    assert evidence.front["rank"].isna().all()
    assert set(evidence.front["verdict"]) == {Verdict.NOT_MEASURED}
    section = front_section(evidence, {})
    assert not blocks_of(section, FigureBox)
    (rule,) = blocks_of(section, Paragraph)
    assert rule.text == evidence.origin, "nothing is said of tests and resamples"


def test_a_seed_without_a_figure_takes_its_configuration_out_of_the_surfaces(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 0, test_accuracy=math.nan)
    page = report(run)
    names = [trace.get("name") for trace in figure_of(page, "front")["data"]]
    assert "attainment: median" in names
    evidence = evidence_of(run)
    (table,) = blocks_of(front_section(evidence, hover_texts(describe(evidence))), Table)
    ranks = [row[table.columns.index("rank")] for row in table.rows]
    assert sorted(ranks) == ["-", "1", "1", "2"], "a rank is a whole number"
    assert not isinstance(evidence.surfaces, Missing)
    assert evidence.surfaces["n_seeds"].tolist() == [2] * len(evidence.surfaces)


def test_infinite_figures_do_not_choose_the_unit(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 0, emissions_kg_co2eq=math.inf)
    assert figure_of(report(run), "front")["panels"][0]["xTitle"]["unit"] == "mg CO2eq"


def test_calibration_is_told_and_has_no_empty_panels(tmp_path: Path) -> None:
    points = {name: values for name, values in POINTS.items() if name != "full_precision"}
    config = {"mode": "ptq", "quantizer": "minmax"}
    changes = {"train_loss": None, "train_accuracy": None}
    run = write_run(tmp_path / "run", points, n_epochs=1, config_changes=config, changes=changes)
    _, calibrated, started = trained(evidence_of(run))
    assert (calibrated.kind, started.kind) == (TrainedKind.CALIBRATED, TrainedKind.STARTED_FROM_TRAINED)
    assert calibrated.counts == started.counts == {"trials": 6, "all": 6}
    page = report(run)
    assert [panel["title"] for panel in figure_of(page, "curves")["panels"]] == ["test accuracy", "test loss"]
    series = data_of(page)["details"][0]["curves"]["series"]
    assert {quantity: list(images) for quantity, images in series.items()} == {"accuracy": ["test"], "loss": ["test"]}


def test_curves_without_epochs_of_a_seed_are_no_empty_figure(tmp_path: Path) -> None:
    run = drop_epochs(write_run(tmp_path / "run"), config_seed=1)
    assert isinstance(draw_curves(evidence_of(run)), Missing)
    data = data_of(report(run))
    assert "curves" not in [figure["key"] for figure in data["figures"]]
    assert all(detail["curves"] is None for detail in data["details"])


def test_trials_without_epochs_are_noted_where_epochs_are_shown(tmp_path: Path) -> None:
    evidence = evidence_of(drop_epochs(write_run(tmp_path / "run"), schedule="fixed_2"))
    (line,) = evidence.lacking_epochs
    assert "fixed_2 seed 0" in line
    assert "fixed_2 seed 1" in line
    for section in (curves_section(evidence), table_section(evidence)):
        assert [note.text for note in blocks_of(section, Note)] == [as_sentence(line)]
    (figure,) = blocks_of(curves_section(evidence), FigureBox)
    assert not [trace for trace in figure.figure.data if trace["name"] == "fixed_2"]


def test_the_trial_that_keeps_validation_from_deciding_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 1, val_accuracy=float("nan"))
    evidence = evidence_of(run)
    assert evidence.choice is not None
    assert evidence.choice.kind is ChoiceKind.BY_REPORTED_TEST
    assert any("fixed_2 seed 1: run/" in line for line in evidence.warnings)


def test_damaged_epochs_are_not_called_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    next((run / "epochs").iterdir()).write_bytes(b"x")
    evidence = evidence_of(run)
    assert isinstance(evidence.epochs, Missing)
    (note,) = blocks_of(table_section(evidence), Note)
    assert evidence.epochs.reason in note.text


def test_a_list_of_failures_says_how_many_it_leaves_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.5] * 21, 1e-6), "fixed_3": ([0.5], 1e-6)})
    for seed in range(21):
        change_trials(run, "fixed_2", seed, status="failed", error="boom")
    evidence = evidence_of(run)
    (table,) = blocks_of(provenance_section(evidence, [{}], ""), Table)
    assert len(table.rows) == 20
    assert "20 of 21" in table.caption
    assert (len(evidence.done), len(evidence.runs.trials)) == (1, 22)


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
