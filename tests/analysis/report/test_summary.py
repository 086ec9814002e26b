"""What the beginning of a report supports and leaves open, as findings; one sentence for each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.controls.findings import OrderKind, PairsKind
from analysis.effects.sensitivity import StagesKind
from analysis.energy.findings import LedgerKind
from analysis.findings import Finding
from analysis.report.evidence import Evidence, gather
from analysis.report.sentences import BEST, SUMMARY, finding_sentence
from analysis.report.summary import SummaryKind, left_open, supported
from analysis.runs.configurations import done_trials
from analysis.runs.load import load_run
from tests.support.synthetic_runs import OBJECTIVES, POINTS, write_run

SIZE = [OBJECTIVES[0], {"column": "weight_mib", "direction": "minimize"}]


def evidence_of(folder: Path, *args: Any, **values: Any) -> Evidence:
    runs = load_run(write_run(folder, *args, **values))
    return gather(runs, done_trials(runs.trials), [folder], [])


def kinds(findings: list[Finding[Any]]) -> list[Any]:
    return [finding.kind for finding in findings]


def test_two_seeds_support_the_best_and_ratios_and_leave_the_front_open(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run")
    best, *ratios = supported(evidence)
    assert (best.kind, best.subjects) == (SummaryKind.HIGHEST_ACCURACY, ("full_precision",))
    assert best.estimates["test_accuracy"].value == pytest.approx(0.91)
    assert kinds(ratios) == [LedgerKind.USED_MORE, LedgerKind.USED_LESS]
    undecided, *others = left_open(evidence)
    assert undecided.kind is SummaryKind.UNDECIDED
    assert set(undecided.subjects) == set(POINTS)
    assert kinds(others)[0] is PairsKind.NONE_DIFFERS
    assert all(finding.is_open for finding in others)


def test_one_seed_leaves_ratios_stages_and_verdicts_open(tmp_path: Path) -> None:
    accuracies = {
        "full_precision": 0.9,
        "fixed_2": 0.7,
        "descending_322": 0.72,
        "mixed_232": 0.73,
        "ascending_223": 0.71,
    }
    points = {name: ([accuracy], 1e-6) for name, accuracy in accuracies.items()}
    evidence = evidence_of(tmp_path / "run", points)
    assert kinds(supported(evidence)) == [SummaryKind.HIGHEST_ACCURACY]
    found = kinds(left_open(evidence))
    assert found[0] is SummaryKind.ONE_SEED
    assert StagesKind.ONE_SEED in found
    assert LedgerKind.USED_LESS in found
    assert PairsKind.NONE_TESTED in found


def test_verdicts_by_size_alone_are_told_from_those_of_tests(tmp_path: Path) -> None:
    evidence = evidence_of(
        tmp_path / "run", {name: (values[:1], kg) for name, (values, kg) in POINTS.items()}, objectives=SIZE
    )
    shown = next(finding for finding in supported(evidence) if finding.kind is SummaryKind.ON_FRONT)
    assert shown.subjects == ("fixed_2",)
    assert SummaryKind.ONE_SEED_DECIDED in kinds(left_open(evidence))


def test_one_configuration_was_compared_with_none(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run", {"fixed_2": ((0.5, 0.6), 1e-6)})
    assert kinds(supported(evidence)) == [SummaryKind.ONLY_ACCURACY]
    found = kinds(left_open(evidence))
    assert found == [SummaryKind.ONE_CONFIGURATION, LedgerKind.NO_FULL_PRECISION]


def test_without_emissions_there_is_no_front_and_without_pairs_no_controls(tmp_path: Path) -> None:
    points = {"fixed_2": ((0.5, 0.6), 1e-6), "fixed_4": ((0.6, 0.7), 1e-6)}
    evidence = evidence_of(tmp_path / "run", points, changes={"emissions_kg_co2eq": None})
    found = kinds(left_open(evidence))
    assert found[0] is SummaryKind.NO_FRONT
    assert SummaryKind.NO_CONTROLS in found


@pytest.mark.parametrize("kind", SummaryKind)
def test_every_kind_has_a_sentence(kind: SummaryKind) -> None:
    assert (kind in SUMMARY) + (kind in BEST) + (kind in (SummaryKind.NO_FRONT, SummaryKind.NO_CONTROLS)) == 1


def test_each_finding_of_a_report_is_one_sentence_with_a_capital_and_a_full_stop(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run")
    findings = [*supported(evidence), *left_open(evidence)]
    assert OrderKind.TOO_FEW_SCHEDULES in kinds(findings)
    for finding in findings:
        sentence = finding_sentence(finding, evidence)
        assert sentence[0] == sentence[0].upper()
        assert sentence.endswith(".")
