"""The command: what it writes, and one clear word for each input that it cannot use."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.energy.findings import LedgerKind, find_in_ledgers
from analysis.energy.sentences import ledger_sentence, ledger_sentences
from analysis.energy.sources import EnergyKind
from analysis.report.evidence import Missing
from analysis.report.figures.heatmap import draw_heatmaps
from analysis.report.sentences import status_sentence
from analysis.report.status import find_status
from analysis.report.summary import SummaryKind, left_open, trained
from analysis.runs.load import load_run
from analysis.uncertainty.verdicts import Verdict
from analysis.wording import as_sentence
from lwq_tune.results.schema import TRIAL_COLUMNS
from lwq_tune.results.tables import write_table
from tests.analysis.report.conftest import data_of, evidence_of, kinds_of, section_of, write_manifest
from tests.support.synthetic_networks import write_network_run
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, ledger_run, write_run

pytestmark = pytest.mark.slow  # whole reports

SECTIONS = (
    "summary",
    "front",
    "controls",
    "parallel",
    "heatmaps",
    "curves",
    "energy",
    "lifetime",
    "sensitivity",
    "table",
    "audit",
    "provenance",
)
Capture = pytest.CaptureFixture[str]


def report(run: Path, *flags: str) -> str:
    """Return the page of a run."""
    out = run.parent / "page.html"
    assert main(["report", str(run), "--out", str(out), *flags]) == 0
    return out.read_text(encoding="utf-8")


def refused(capsys: Capture, *arguments: str) -> str:
    """Return the one message of a call that is refused."""
    assert main(["report", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in message
    return message


def test_the_report_stands_in_the_run_folder_and_has_all_sections(grid_report: Path) -> None:
    page = grid_report.read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == list(SECTIONS)
    assert [path.name for path in grid_report.parent.iterdir()] == ["report.html"], "nothing is left beside it"
    assert 'lang="en"' in page
    assert '<meta name="viewport"' in page


def test_the_page_names_no_address_and_loads_nothing(grid_report: Path) -> None:
    page = grid_report.read_text(encoding="utf-8")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"<(?:link|img|iframe|script)\b[^>]*\b(?:src|href)=", own)
    assert not re.findall(r"url\(|@import", own)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert html.unescape(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_a_missing_folder_and_a_run_that_has_just_begun_are_told_apart(tmp_path: Path, capsys: Capture) -> None:
    assert "run `python -m lwq_tune sweep` first" in refused(capsys, str(tmp_path / "none"))
    begun = tmp_path / "begun"
    begun.mkdir()
    write_manifest(begun)
    assert "no trial has ended yet" in refused(capsys, str(begun))


def test_an_empty_run_and_one_of_failures_only_are_refused(tmp_path: Path, capsys: Capture) -> None:
    empty = tmp_path / "empty"
    write_table(empty / "trials.parquet", TRIAL_COLUMNS, [], {"run": "empty", "objectives": OBJECTIVES})
    assert "got none at all" in refused(capsys, str(empty))
    failed = write_run(tmp_path / "failed", changes={"status": "failed", "error": "CUDA out of memory"})
    assert "an analysis needs trials that ran to their end, got 8 failed" in refused(capsys, str(failed))
    assert not (failed / "analysis").exists()


def test_another_schema_version_and_a_missing_column_are_refused(tmp_path: Path, capsys: Capture) -> None:
    run = write_run(tmp_path / "run")
    file = run / "trials.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["test_accuracy"]), file)
    assert "lacks test_accuracy" in refused(capsys, str(run))
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"99"}), file)
    assert "has 99; use the lwq_tune that wrote it" in refused(capsys, str(run))


def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path, capsys: Capture) -> None:
    run = write_run(tmp_path / "run")
    (run / "manifest.json").write_text("{")
    assert "manifest.json must be readable JSON" in refused(capsys, str(run))


def test_mixed_intensities_are_refused_unless_they_are_asked_for(tmp_path: Path, capsys: Capture) -> None:
    one = write_run(tmp_path / "one")
    two = write_run(tmp_path / "two", changes={"carbon_intensity_g_per_kwh": 56.0})
    out = tmp_path / "both.html"
    arguments = [str(one), str(two), "--out", str(out)]
    assert "carbon intensities (500.0, 56.0)" in refused(capsys, *arguments)
    assert not out.exists()
    assert main(["report", *arguments, "--mixed-sources"]) == 0
    (banner,) = re.findall(r'<aside class="alert".*?</aside>', out.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "carbon_intensity_g_per_kwh" in banner


def test_several_data_sets_are_refused(tmp_path: Path, capsys: Capture) -> None:
    one = write_run(tmp_path / "one")
    two = write_run(tmp_path / "two", config_changes={"dataset": "cifar10"})
    message = refused(capsys, str(one), str(two), "--out", str(tmp_path / "both.html"))
    assert "data sets (cifar10, digits)" in message


def test_two_runs_need_a_file_and_are_both_named(tmp_path: Path, capsys: Capture) -> None:
    one = write_run(tmp_path / "one", {"fixed_2": ([0.6, 0.8], 1e-6)})
    two = write_run(tmp_path / "two", {"fixed_2": ([0.7, 0.9], 1e-6)})
    assert "give --out" in refused(capsys, str(one), str(two))
    out = tmp_path / "new" / "both.html"
    assert main(["report", str(one), str(two), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "<h1>one and two</h1>" in page
    assert "75.00 ± " in section_of(page, "front"), "seed by seed 0.65 and 0.85"


@pytest.mark.parametrize("kind", ["a file in the way", "a folder of that name"])
def test_a_file_that_cannot_be_written_is_one_message(tmp_path: Path, capsys: Capture, kind: str) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "way").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    out = tmp_path / "way" / "page.html" if kind == "a file in the way" else tmp_path / "folder"
    assert "the report must be writable" in refused(capsys, str(run), "--out", str(out))
    assert not list(tmp_path.glob("**/.*.tmp"))


def test_a_report_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    out = tmp_path / "page.html"
    out.write_text("<!DOCTYPE html> of an earlier call")
    assert report(run).startswith("<!DOCTYPE html>")
    assert report(run) == report(run), "the same run gives the same page"


def test_a_run_that_goes_on_and_its_failures_stand_at_the_top(tmp_path: Path) -> None:
    run = write_manifest(write_run(tmp_path / "run"))
    change_trials(run, "fixed_2", 0, status="pending")
    change_trials(run, "fixed_2", 1, status="failed", error="boom TOKEN=abc\nmore")
    page = report(run)
    (banner,) = re.findall(r'<aside class="alert".*?</aside>', page, flags=re.DOTALL)
    assert page.index(banner) < page.index('id="summary"')
    assert banner.count("<li>") >= 2, "one trial is unfinished, one failed"
    for finding in find_status(load_run(run).trials, []):
        assert status_sentence(finding) in banner
    assert "boom TOKEN=***" in section_of(page, "provenance")
    assert "fixed_2" not in section_of(page, "front")


def test_one_seed_gets_no_interval_no_band_and_no_verdict(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {name: (values[:1], kg) for name, (values, kg) in POINTS.items()})
    evidence = evidence_of(run)
    assert evidence.front[["test_accuracy_low", "test_accuracy_high"]].isna().all(axis=None)
    assert set(evidence.front["verdict"]) == {Verdict.ONE_SEED}
    page = report(run)
    assert "±" not in section_of(page, "front")
    data = data_of(page)
    traces = [trace for figure in data["figures"] for trace in figure["data"]]
    assert not any({"error_x", "error_y"} & set(trace) or trace.get("fill") for trace in traces)
    by_quantity = [images for detail in data["details"] for images in detail["curves"]["series"].values()]
    assert by_quantity
    assert all(len(series) == 1 for images in by_quantity for series in images.values())


def test_without_emissions_there_is_no_front_and_the_rest_is_shown(tmp_path: Path) -> None:
    unmeasured = {
        "emissions_kg_co2eq": None,
        "energy_kwh": None,
        "coverage": None,
        "cpu_source": "none",
        "ram_source": "none",
        "share_method": None,
    }
    run = write_run(tmp_path / "run", changes=unmeasured)
    evidence = evidence_of(run)
    assert evidence.no_front
    assert evidence.energy_kind is EnergyKind.NOT_MEASURED
    page = report(run)
    assert evidence.no_front in section_of(page, "front")
    keys = [figure["key"] for figure in data_of(page)["figures"]]
    assert "front" not in keys
    assert {"heatmap-accuracy", "curves", "parallel"} <= set(keys)
    assert "91.00 ± 1.41" in section_of(page, "table")


def test_accuracies_that_are_no_numbers_are_on_no_front_and_that_is_said(tmp_path: Path, capsys: Capture) -> None:
    run = write_run(tmp_path / "run")
    for seed in (0, 1):
        change_trials(run, "fixed_2", seed, test_accuracy=float("nan"), val_accuracy=float("nan"))
    page = report(run)
    assert SummaryKind.UNMEASURED in kinds_of(left_open(evidence_of(run)))
    front = next(figure for figure in data_of(page)["figures"] if figure["key"] == "front")
    drawn = [text for trace in front["data"] for text in trace.get("hovertext", [])]
    assert len(drawn) == 3
    assert not any("fixed_2<" in text for text in drawn)
    none = write_run(tmp_path / "none", changes={"test_accuracy": None, "val_accuracy": None})
    assert "no test or validation accuracy was measured" in refused(capsys, str(none))


def test_one_unit_has_no_heat_map_and_the_reason(tmp_path: Path) -> None:
    run = write_network_run(tmp_path / "run", {(2,): ([0.5, 0.6], 1e-6), (4,): ([0.6, 0.7], 2e-6)})
    missing = draw_heatmaps(evidence_of(run))
    assert isinstance(missing, Missing)
    assert missing.reason in section_of(report(run), "heatmaps")


def test_the_audit_of_a_ledger_stands_in_the_report(tmp_path: Path) -> None:
    plain = write_run(tmp_path / "plain")
    (audit,) = evidence_of(plain).audits
    assert audit.figures is None
    assert audit.reason.removeprefix("not audited: ") in section_of(report(plain), "audit")
    run = write_run(tmp_path / "run")
    rows = ledger_run()
    rows.intervals[0]["energy_kwh"] *= 2
    (tmp_path / "ledger").mkdir()
    rows.write(tmp_path / "ledger")
    (tmp_path / "ledger" / "energy").rename(run / "energy")
    (audit,) = evidence_of(run).audits
    assert audit.figures is not None
    failed = [check["name"] for check in audit.figures["checks"] if check["failures"]]
    assert failed
    section = section_of(report(run), "audit")
    assert all(name in section for name in failed)


def test_findings_of_the_ledgers_stand_in_the_summary_and_beside_the_ledgers(grid: Path, grid_report: Path) -> None:
    page = grid_report.read_text(encoding="utf-8")
    ledgers = evidence_of(grid).ledgers
    assert not isinstance(ledgers, Missing)
    (more,) = (finding for finding in find_in_ledgers(ledgers) if finding.kind is LedgerKind.USED_MORE)
    for key in ("summary", "energy"):
        assert as_sentence(ledger_sentence(more)) in section_of(page, key)
    assert all(as_sentence(sentence) in section_of(page, "energy") for sentence in ledger_sentences(ledgers))


def test_estimated_is_never_called_measured(tmp_path: Path) -> None:
    labels = {"cpu_source": "estimated:tdp*load^3", "ram_source": "estimated:dimm-heuristic"}
    run = write_run(tmp_path / "run", changes=labels)
    (energy,) = trained(evidence_of(run))
    assert energy.subjects == (EnergyKind.ESTIMATED,)
    page = report(run)
    front = next(figure for figure in data_of(page)["figures"] if figure["key"] == "front")
    assert front["panels"][0]["xTitle"]["remark"] == EnergyKind.ESTIMATED
    assert "measured" not in re.sub("not measured", "", section_of(page, "energy")).replace("no measurement", "")
