"""Which figures decide on the front, where some trials lack one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.fronts.choice import ChoiceKind, choice_sentence, select_objectives, selection_doubts
from analysis.runs.load import AnalysisError, Objective, load_run
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
LOSS = Objective("test_loss", "minimize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
VALIDATION = Objective("val_accuracy", "maximize")


def trials(n: int = 4, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": "r",
            "trial_key": [f"key{number}" for number in range(n)],
            "schedule": "fixed_2",
            "config_seed": range(n),
            "test_accuracy": 0.7,
            "val_accuracy": 0.8,
            "test_loss": 1.0,
            "val_loss": 1.1,
            "emissions_kg_co2eq": 1e-6,
            **columns,
        }
    )


def test_each_figure_of_test_images_is_replaced_by_its_own_of_validation_images() -> None:
    chosen, choice = select_objectives(trials(), [LOSS, EMISSIONS, ACCURACY])
    assert chosen == (Objective("val_loss", "minimize"), EMISSIONS, VALIDATION)
    assert choice.kind is ChoiceKind.BY_VALIDATION
    assert choice.subjects == ("val_loss", "val_accuracy")
    assert choice_sentence(choice) == (
        "the front is chosen by val_loss and reported by test_loss, val_accuracy and reported by test_accuracy "
        "(--select test_loss to choose by what is reported)"
    )
    chosen, choice = select_objectives(trials(), [LOSS, ACCURACY], "test_loss")
    assert chosen == (LOSS, VALIDATION)
    assert choice.subjects == ("val_accuracy",)


def test_two_figures_of_test_images_that_decide_are_both_named() -> None:
    _, choice = select_objectives(trials(val_loss=None, val_accuracy=None), [LOSS, ACCURACY, EMISSIONS])
    assert (choice.kind, choice.subjects) == (ChoiceKind.BY_REPORTED_TEST, ("test_loss", "test_accuracy"))
    assert choice_sentence(choice) == (
        "the front is chosen by test_loss, test_accuracy, which it also reports: what was chosen looks better than it "
        "is"
    )


def test_trials_without_the_axis_itself_need_no_figure_of_validation_images() -> None:
    partly = trials(test_accuracy=[0.7, 0.7, 0.7, None], val_accuracy=[0.8, 0.8, 0.8, None])
    assert select_objectives(partly, [ACCURACY])[0] == (VALIDATION,)
    nowhere = trials(test_accuracy=None, val_accuracy=None)
    assert select_objectives(nowhere, [ACCURACY])[0] == (ACCURACY,)
    without_column = trials().drop(columns="val_accuracy")
    assert select_objectives(without_column, [ACCURACY])[0] == (ACCURACY,)
    assert selection_doubts(without_column, [ACCURACY], [ACCURACY]) == [], "all lack it: nothing kept it from deciding"


def test_a_doubt_says_how_many_trials_keep_a_figure_from_deciding() -> None:
    lacking = trials(val_accuracy=[0.8, None, None, 0.8])
    (doubt,) = selection_doubts(lacking, [ACCURACY, EMISSIONS], [ACCURACY, EMISSIONS])
    assert doubt.startswith("test_accuracy decides on the front, since val_accuracy needs a number in every finished")
    assert "and 2 of 4 (fixed_2 seed 1" in doubt
    assert doubt.endswith(") have none")
    (doubt,) = selection_doubts(trials(val_accuracy=[0.8, None, 0.8, 0.8]), [ACCURACY], [ACCURACY])
    assert doubt.endswith(") has none")
    assert selection_doubts(lacking, [ACCURACY], [VALIDATION]) == [], "somebody asked for it"


def test_what_is_asked_for_must_be_there_in_every_trial() -> None:
    with pytest.raises(AnalysisError, match="--select val_accuracy needs a number in every finished trial, 1 of 4"):
        select_objectives(trials(val_accuracy=[0.8, None, 0.8, 0.8]), [ACCURACY, EMISSIONS], "val_accuracy")
    with pytest.raises(AnalysisError, match="--select takes emissions_kg_co2eq, test_loss, val_loss in these runs"):
        select_objectives(trials(), [EMISSIONS, LOSS], "val_accuracy")


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
