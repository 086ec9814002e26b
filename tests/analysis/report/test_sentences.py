"""The wording of a report's findings, which other tests assert as values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.controls.findings import OrderKind
from analysis.energy.sources import EnergyKind
from analysis.findings import Estimate, Finding
from analysis.report.evidence import Evidence
from analysis.report.sentences import (
    BEST,
    SUMMARY,
    TRAINED,
    finding_sentence,
    status_sentence,
    trained_sentences,
    verdict_rule,
)
from analysis.report.status import StatusKind
from analysis.report.summary import SummaryKind, TrainedKind, left_open, supported
from tests.analysis.report.conftest import evidence_of, kinds_of
from tests.support.synthetic_runs import change_trials, write_run

WHOLE, SHARED = ({"charged_with_whole_host": n, "all": 8} for n in (8, 7))
SOME = {"trials": 3, "all": 8}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence_of(write_run(tmp_path_factory.mktemp("sentences") / "run"))


def summary(kind: SummaryKind, subjects: tuple[str, ...] = (), parts: tuple[Any, ...] = (), **counts: int) -> Any:
    return Finding(kind, subjects=subjects, counts=counts, parts=parts)


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (summary(SummaryKind.ON_FRONT, ("fixed_2", "fixed_3")), "Shown to be on the front: fixed_2 and fixed_3."),
        (
            summary(SummaryKind.DOMINATED, ("a",), (summary(SummaryKind.DOMINATED, ("a", "b")),), configurations=4),
            "Shown to be dominated: 1 of 4, a (by b).",
        ),
        (
            summary(SummaryKind.ONE_CONFIGURATION),
            "There is one configuration: the front is it alone, and nothing was compared.",
        ),
        (
            summary(SummaryKind.ONE_SEED, one_seed=4, configurations=4),
            "Every configuration has one seed: no interval is given and no verdict; differences may be chance.",
        ),
        (
            summary(SummaryKind.ONE_SEED_DECIDED, one_seed=1, configurations=4),
            "1 of 4 configurations have one seed: no interval is given and no verdict but those that follow from the "
            "bits alone; differences may be chance.",
        ),
        (
            summary(SummaryKind.UNDECIDED, ("a", "b"), configurations=3, least_seeds=2),
            "Undecided whether on the front: 2 of 3 configurations (a and b). More seeds show more: 5 or more.",
        ),
        (
            summary(SummaryKind.UNDECIDED, ("a",), configurations=3, least_seeds=5),
            "Undecided whether on the front: 1 of 3 configurations (a).",
        ),
        (
            summary(SummaryKind.UNMEASURED, unmeasured=1, configurations=4),
            "1 of 4 configurations lack a figure of the front in a seed and are not on it.",
        ),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Finding) else "",
)
def test_a_finding_of_the_summary_has_its_sentence(evidence: Evidence, finding: Finding[Any], text: str) -> None:
    assert finding_sentence(finding, evidence) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            SummaryKind.HIGHEST_ACCURACY,
            "Highest mean test accuracy: a, 80.00 ± 10.00 %; of several that are close, chance decides in part which "
            "is the highest.",
        ),
        (SummaryKind.ONLY_ACCURACY, "Mean test accuracy: a, 80.00 ± 10.00 %."),
        (SummaryKind.NO_ACCURACY, "No configuration has a test accuracy in every seed."),
    ],
)
def test_the_best_is_told_with_its_interval(evidence: Evidence, kind: SummaryKind, text: str) -> None:
    estimates = {"test_accuracy": Estimate(0.8, 0.7, 0.9)}
    finding = Finding(kind, False, "test_accuracy", ("a",), estimates, {"seeds": 3})
    assert finding_sentence(finding, evidence) == text


@pytest.mark.parametrize("kind", SummaryKind)
def test_every_kind_has_a_sentence(kind: SummaryKind) -> None:
    assert (kind in SUMMARY) + (kind in BEST) + (kind in (SummaryKind.NO_FRONT, SummaryKind.NO_CONTROLS)) == 1


def test_each_finding_of_a_report_is_one_sentence_with_a_capital_and_a_full_stop(evidence: Evidence) -> None:
    findings = [*supported(evidence), *left_open(evidence)]
    assert OrderKind.TOO_FEW_SCHEDULES in kinds_of(findings)
    for finding in findings:
        sentence = finding_sentence(finding, evidence)
        assert sentence[0] == sentence[0].upper()
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (Finding(TrainedKind.ENERGY, subjects=(EnergyKind.ESTIMATED,), counts=WHOLE), "are estimates: no counter"),
        (
            Finding(TrainedKind.ENERGY, subjects=(EnergyKind.ESTIMATED_IN_PART,), counts=WHOLE),
            "are estimates in part: not all of it was measured by counters",
        ),
        (
            Finding(TrainedKind.ENERGY, subjects=(EnergyKind.MEASURED,), counts=WHOLE),
            "each trial is charged with its whole host; emissions follow from a carbon intensity",
        ),
        (
            Finding(TrainedKind.ENERGY, subjects=(EnergyKind.MEASURED,), counts=SHARED),
            "what is one trial's share is modelled; emissions follow from a carbon intensity",
        ),
        (
            Finding(TrainedKind.ENERGY, subjects=(EnergyKind.NOT_MEASURED,), counts=WHOLE),
            "The energy of training is not measured.",
        ),
        (Finding(TrainedKind.CALIBRATED, counts=SOME), "3 of 8 trials only calibrate trained networks (ptq)"),
        (
            Finding(TrainedKind.STARTED_FROM_TRAINED, counts=SOME),
            "3 of 8 trials start from trained networks; the energy and emissions of that training are not in theirs",
        ),
    ],
)
def test_what_energies_are_is_told(finding: Finding[TrainedKind], words: str) -> None:
    assert words in TRAINED[finding.kind](finding)


def test_estimated_is_never_called_measured() -> None:
    finding = Finding(TrainedKind.ENERGY, subjects=(EnergyKind.ESTIMATED,), counts=WHOLE)
    assert "no counter of this machine measured them" in TRAINED[finding.kind](finding)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (StatusKind.UNFINISHED, "This is not the whole run: 3 of 8 trials have not been trained to their end."),
        (StatusKind.NO_END, "No end of the sweep is recorded: it still runs, or was killed."),
        (StatusKind.FAILED, "3 of 8 trials failed and are in no figure"),
        (StatusKind.STOPPED, "3 of 8 trials were stopped early by a rule and are in no figure."),
    ],
)
def test_what_is_incomplete_is_told(kind: StatusKind, words: str) -> None:
    assert words in status_sentence(Finding(kind, True, counts=SOME))


def test_what_was_trained_is_told_with_network_data_epochs_and_seeds(tmp_path: Path, evidence: Evidence) -> None:
    sentence = trained_sentences(evidence)[0]
    assert sentence.startswith("8 of 8 trials ran to their end and are looked at: 4 configurations (")
    assert " of resnet14 on digits, 2 epochs, 2 seeds each, on Test CPU." in sentence
    points = {"fixed_2": ((0.5, 0.6), 1e-6), "fixed_3": ((0.5,), 1e-6)}
    run = write_run(tmp_path / "run", points, n_epochs=1, config_changes={"width": 0.25})
    change_trials(run, "fixed_2", 1, status="failed")
    sentence = trained_sentences(evidence_of(run))[0]
    assert sentence == (
        "2 of 3 trials ran to their end and are looked at: 2 configurations (2 fixed) of resnet14 (width 0.25) on "
        "digits, 1 epoch, 1 seed each, on Test CPU."
    )


def test_the_rule_of_the_verdicts_names_tests_and_resamples(tmp_path: Path, evidence: Evidence) -> None:
    rule = verdict_rule(evidence)
    assert "all together right with 95 % confidence or more" in rule
    assert "2,000 resamples, no test" in rule
    assert "With one seed there is no test." not in rule
    one_seed = evidence_of(write_run(tmp_path / "run", {"fixed_2": ((0.5,), 1e-6), "fixed_3": ((0.6,), 2e-6)}))
    assert verdict_rule(one_seed).endswith("With one seed there is no test.")
