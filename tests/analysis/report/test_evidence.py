"""What is computed once, what is left out of large runs, and what stands in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.controls.controls import run_controls
from analysis.report import evidence
from analysis.report.details import describe, detail_data
from analysis.report.evidence import Evidence, Missing, attempt, thin_epochs
from analysis.report.sentences import verdict_rule
from analysis.runs.configurations import summarise_trials
from analysis.runs.load import AnalysisError
from analysis.uncertainty.front import front_uncertainty
from tests.analysis.report.conftest import NOISE, TRIPLES, accuracy_of, evidence_of
from tests.support.synthetic_runs import write_run


@pytest.fixture(scope="module")
def found(grid: Path) -> Evidence:
    return evidence_of(grid)


def test_the_front_of_the_report_is_that_of_the_other_commands(found: Evidence) -> None:
    summary = summarise_trials(found.done)
    verdicts = front_uncertainty(found.done, found.objectives, select=None)["verdict"]
    by_number = found.front
    assert by_number["label"].sort_index().tolist() == found.done["label"].drop_duplicates().tolist()
    assert by_number["test_accuracy"].sort_index().tolist() == summary["test_accuracy"].tolist()
    assert by_number["verdict"].sort_index().tolist() == verdicts.tolist()
    assert found.front["label"].iloc[0] == "full_precision"


def test_figures_of_a_configuration_stand_under_its_own_number(found: Evidence) -> None:
    assert not isinstance(found.ledgers, Missing)
    by_number = found.front
    for number, label in found.ledgers["label"].items():
        assert by_number.loc[number, "label"] == label
    for detail in detail_data(found, describe(found)):
        series = detail["curves"]["series"]["accuracy"]["test"]
        row = by_number.loc[detail["number"]]
        assert series[0][-1] == pytest.approx(100 * row["test_accuracy"], abs=0.006)
        # Accuracies of the seeds spread by 0.2 points to either side.
        assert series[2][-1] - series[1][-1] == pytest.approx(100 * (NOISE[-1] - NOISE[0]), abs=0.011)


def test_controls_are_those_of_their_command(found: Evidence) -> None:
    assert not isinstance(found.controls, Missing)
    assert found.controls.findings == run_controls(found.done, "test_accuracy").findings


def test_all_27_triples_have_their_accuracy_in_the_heat_map(found: Evidence) -> None:
    assert not isinstance(found.heatmap, Missing)
    cells = found.heatmap.set_index(["bits_1", "bits_2", "bits_3"])["test_accuracy"]
    assert len(cells) == 28
    for triple in TRIPLES:
        assert cells[triple] == pytest.approx(accuracy_of(triple))


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 400])
def test_thinned_curves_keep_first_and_last_epoch_of_every_trial(n: int) -> None:
    frame = pd.DataFrame({"epoch": [*range(1, n + 1), *range(1, n // 2 + 2)]}, index=[7] * n + [3] * (n // 2 + 1))
    thin = thin_epochs(frame, most=100)
    assert thin.loc[[7], "epoch"].tolist()[0] == 1
    assert thin.loc[[7], "epoch"].tolist()[-1] == n
    assert thin.loc[[3], "epoch"].tolist()[-1] == n // 2 + 1
    assert len(thin.loc[[7]]) == min(n, 100) + (n > 100 and n // 2 + 1 not in set(thin["epoch"]))
    assert np.diff(thin.loc[[7], "epoch"]).max(initial=1) <= -(-n // 99) + 1


def test_large_runs_are_shown_in_part_and_say_so(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_SHOWN", 5)
    monkeypatch.setattr(evidence, "MOST_CONTROLLED", 20)
    part = evidence_of(grid)
    assert len(part.front) == 28
    assert part.shown["label"].tolist() == part.front["label"].head(5).tolist()
    assert part.shown_trials["label"].nunique() == 5
    whole = front_uncertainty(part.done, part.objectives)["verdict"]
    tested = part.front[part.front["verdict"] != "not tested"]["verdict"]
    assert len(tested) == 5
    assert tested.to_dict() == whole.loc[tested.index].to_dict(), "the levels are those of all"
    assert "the first 5 by rank were tested, each against all" in verdict_rule(part)
    for missing, command in ((part.controls, "controls"), (part.sensitivity, "sensitivity")):
        assert isinstance(missing, Missing)
        assert f"`python -m analysis {command} RUN_DIR` compares all" in missing.reason


def test_full_precision_is_shown_whatever_its_rank(grid: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = {"fixed_2": ([0.9], 1e-6), "fixed_3": ([0.8], 2e-6), "full_precision": ([0.5], 9e-6)}
    monkeypatch.setattr(evidence, "MOST_SHOWN", 1)
    assert evidence_of(write_run(tmp_path / "run", points)).shown["label"].tolist() == ["fixed_2", "full_precision"]


def test_many_epochs_are_left_to_the_audit_itself(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_EPOCH_ROWS", 419)
    (audit,) = evidence_of(grid).audits  # 28 x 5 x 3 = 420 rows
    assert audit.figures is None
    assert "420 rows of epochs" in audit.reason
    monkeypatch.setattr(evidence, "MOST_EPOCH_ROWS", 420)
    assert "adds up the intervals" in evidence_of(grid).audits[0].reason


def test_what_cannot_be_answered_is_a_reason_and_other_errors_are_errors() -> None:
    def refuse() -> int:
        raise AnalysisError("rule, value, way out")

    assert attempt(refuse) == Missing("rule, value, way out")
    assert attempt(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 // 0)
