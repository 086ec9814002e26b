"""Which figures decide on the front, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.fronts.choice import ChoiceKind, choice_sentence, select_objectives, selection_doubts
from analysis.runs.load import AnalysisError, Objective, load_run
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
VALIDATION = Objective("val_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")


def test_validation_chooses_where_it_was_recorded(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", {"fixed_2": ([0.70, 0.72], 2e-6)})).trials
    objectives = [ACCURACY, EMISSIONS]
    chosen, choice = select_objectives(trials, objectives)
    assert chosen == (VALIDATION, EMISSIONS)
    assert (choice.kind, choice.subjects) == (ChoiceKind.BY_VALIDATION, ("val_accuracy",))
    assert choice_sentence(choice, with_option=False) == (
        "the front is chosen by val_accuracy and reported by test_accuracy"
    )
    assert choice_sentence(choice).endswith(" (--select test_accuracy to choose by what is reported)")
    assert select_objectives(trials, objectives, "val_accuracy")[0] == chosen
    assert selection_doubts(trials, objectives, chosen) == []
    as_reported, choice = select_objectives(trials, objectives, "test_accuracy")
    assert as_reported == tuple(objectives)
    assert (choice.kind, choice.subjects) == (ChoiceKind.BY_REPORTED_TEST, ("test_accuracy",))
    assert "which it also reports" in choice_sentence(choice)
    assert "looks better than it is" in choice_sentence(choice)
    _, choice = select_objectives(trials, [VALIDATION, EMISSIONS])
    assert choice_sentence(choice) == "the front is chosen by val_accuracy, emissions_kg_co2eq"
    partly = trials.assign(val_accuracy=[0.7, None])
    assert select_objectives(partly, objectives)[0] == tuple(objectives)
    assert len(selection_doubts(partly, objectives, objectives)) == 1
    assert selection_doubts(trials.assign(val_accuracy=None), objectives, objectives) == []
    with pytest.raises(
        AnalysisError, match=r"1 of 2 \(fixed_2 seed 1: .*\) has none; leave --select out, and test_acc"
    ):
        select_objectives(partly, objectives, "val_accuracy")
    with pytest.raises(AnalysisError, match="--select takes test_accuracy, val_accuracy, emissions_kg_co2eq"):
        select_objectives(trials, objectives, "train_accuracy")
