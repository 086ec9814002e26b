"""What a report says in sentences: what was trained, how complete it is, its findings, what the verdicts rest on."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.controls.findings import AdviceKind, OrderKind, PairsKind, SizeKind
from analysis.controls.sentences import control_sentence
from analysis.effects.sensitivity import StagesKind
from analysis.effects.sentences import contrast_sentence
from analysis.energy.findings import LedgerKind
from analysis.energy.sentences import ledger_sentence
from analysis.energy.sources import EnergyKind
from analysis.figures.style import make_axis
from analysis.findings import Finding
from analysis.report.evidence import Evidence, Missing
from analysis.report.formatting import estimate_text
from analysis.report.status import StatusKind
from analysis.report.summary import SummaryKind, TrainedKind, trained
from analysis.runs.load import Objective
from analysis.uncertainty.verdicts import FAMILY_WISE_ERROR, Verdict
from analysis.wording import as_sentence, counted, counted_range, join_words, per_cent

FEW_SEEDS = 5
Sentence = Callable[[Finding[Any]], str]


def trained_sentences(evidence: Evidence) -> list[str]:
    """Return what was trained, on what, and how its energy was found."""
    done, n_all = evidence.done, len(evidence.runs.trials)

    def values(column: str) -> str:
        return join_words([str(value) for value in done[column].dropna().unique()]) or "not recorded"

    epochs = values("config_epochs")
    families = evidence.front["family"].value_counts()
    listed = join_words([f"{count} {str(family).replace('_', ' ')}" for family, count in families.items()])
    dataset = join_words(list(dict.fromkeys(Path(str(name)).name for name in done["config_dataset"].unique())))
    return [
        f"{len(done)} of {n_all} trials ran to their end and are looked at: "
        f"{counted(len(evidence.front), 'configuration')} ({listed}) of {values('config_model')}{_width(done)} on "
        f"{dataset}, {epochs} epoch{'' if epochs == '1' else 's'}, "
        f"{counted_range(evidence.front['n_seeds'].astype(int), 'seed', ' to ')} each, on {values('cpu_model')}.",
        *(TRAINED[finding.kind](finding) for finding in trained(evidence)),
    ]


def _width(done: pd.DataFrame) -> str:
    """Return how wide the networks are, where any is not as its name says."""
    widths = sorted(done["config_width"].dropna().unique())
    return "" if widths in ([], [1.0]) else f" (width {join_words([f'{width:g}' for width in widths])})"


def _energy(finding: Finding[TrainedKind]) -> str:
    """Return what energies and emissions are."""
    is_whole = finding.counts["charged_with_whole_host"] == finding.counts["all"]
    scope = "each trial is charged with its whole host" if is_whole else "what is one trial's share is modelled"
    (kind,) = finding.subjects
    sentences: dict[str, str] = {
        EnergyKind.ESTIMATED: "All energies and emissions are estimates: no counter of this machine measured them.",
        EnergyKind.ESTIMATED_IN_PART: "Energies and emissions are estimates in part: not all of it was measured by "
        "counters.",
        EnergyKind.MEASURED: f"Energies were measured by counters of the machine; {scope}; emissions follow from a "
        "carbon intensity.",
    }
    return sentences.get(kind, f"The energy of training is {kind}.")


def _calibrated(finding: Finding[TrainedKind]) -> str:
    return (
        f"{finding.counts['trials']} of {finding.counts['all']} trials only calibrate trained networks (ptq): what is "
        "called their training energy is that of the calibration."
    )


def _started_from_trained(finding: Finding[TrainedKind]) -> str:
    return (
        f"{finding.counts['trials']} of {finding.counts['all']} trials start from trained networks; the energy and "
        "emissions of that training are not in theirs, on no axis and in no ratio (init_energy_kwh has the energy)."
    )


def status_sentence(finding: Finding[StatusKind]) -> str:
    """Return what keeps the runs from being complete as text."""
    if finding.kind is StatusKind.NO_END:
        return "No end of the sweep is recorded: it still runs, or was killed. Figures and verdicts may change."
    n, n_all = finding.counts["trials"], finding.counts["all"]
    return {
        StatusKind.UNFINISHED: f"This is not the whole run: {n} of {n_all} trials have not been trained to their end. "
        "Figures and verdicts are of the others and may change.",
        StatusKind.FAILED: f"{n} of {n_all} trials failed and are in no figure; the list is under Provenance. A mean "
        "over the seeds that are left may look better or worse than it is.",
        StatusKind.STOPPED: f"{n} of {n_all} trials were stopped early by a rule and are in no figure.",
    }[finding.kind]


def finding_sentence(finding: Finding[Any], evidence: Evidence) -> str:
    """Return a finding of the summary as text; examples that its section has are left out."""
    kind = finding.kind
    if kind is SummaryKind.NO_FRONT:
        return f"There is no front: {evidence.no_front}."
    if kind is SummaryKind.NO_CONTROLS:
        reason = as_sentence(evidence.controls.reason) if isinstance(evidence.controls, Missing) else ""
        return f"More bits, or bits in the right place: not answered here. {reason}"
    if kind in BEST:
        return _best(finding, evidence)
    sentence = SUMMARY[kind] if isinstance(kind, SummaryKind) else ELSEWHERE[type(kind)]
    return as_sentence(sentence(finding))


def _on_front(finding: Finding[SummaryKind]) -> str:
    return f"Shown to be on the front: {join_words(finding.subjects)}."


def _dominated(finding: Finding[SummaryKind]) -> str:
    named = join_words([f"{part.subjects[0]} (by {part.subjects[1]})" for part in finding.parts], most=3)
    return f"Shown to be dominated: {len(finding.parts)} of {finding.counts['configurations']}, {named}."


def _undecided(finding: Finding[SummaryKind]) -> str:
    more = " More seeds show more: 5 or more." if finding.counts["least_seeds"] < FEW_SEEDS else ""
    return (
        f"Undecided whether on the front: {len(finding.subjects)} of {finding.counts['configurations']} configurations "
        f"({join_words(finding.subjects)}).{more}"
    )


def _unmeasured(finding: Finding[SummaryKind]) -> str:
    return (
        f"{finding.counts['unmeasured']} of {finding.counts['configurations']} configurations lack a figure of the "
        "front in a seed and are not on it."
    )


def _one_seed(finding: Finding[SummaryKind]) -> str:
    n_single, n_all = finding.counts["one_seed"], finding.counts["configurations"]
    who = "Every configuration has" if n_single == n_all else f"{n_single} of {n_all} configurations have"
    is_decided = finding.kind is SummaryKind.ONE_SEED_DECIDED
    verdict = "no verdict but those that follow from the bits alone" if is_decided else "no verdict"
    return f"{who} one seed: no interval is given and {verdict}; differences may be chance."


def _best(finding: Finding[SummaryKind], evidence: Evidence) -> str:
    axis = make_axis(Objective(finding.column, "maximize"), evidence.done[finding.column])
    if finding.kind is SummaryKind.NO_ACCURACY:
        return f"No configuration has a {axis.name} in every seed."
    figure = estimate_text(finding.estimates[finding.column], finding.counts["seeds"], axis)
    if finding.kind is SummaryKind.ONLY_ACCURACY:
        return f"Mean {axis.name}: {finding.subjects[0]}, {figure}."
    return (
        f"Highest mean {axis.name}: {finding.subjects[0]}, {figure}; of several that are close, chance decides in "
        "part which is the highest."
    )


def verdict_rule(evidence: Evidence) -> str:
    """Return what the verdicts rest on."""
    rule = (
        f"Verdicts: all together right with {per_cent(1 - FAMILY_WISE_ERROR)} confidence or more (paired t tests over "
        f"seeds, Holm's correction); share of resamples: bootstrap of the seeds, {evidence.n_resamples:,} "
        "resamples, no test."
    )
    n_untested = int((evidence.front["verdict"] == Verdict.NOT_TESTED).sum())
    if n_untested:
        rule += (
            f" Of {len(evidence.front):,} configurations the first {len(evidence.front) - n_untested:,} by rank were "
            "tested, each against all; levels are those of all, so that the error is kept."
        )
    if (evidence.front["verdict"] == Verdict.ONE_SEED).any():
        rule += " With one seed there is no test."
    return rule


def _control_statement(finding: Finding[Any]) -> str:
    return control_sentence(finding, with_examples=False)


TRAINED: dict[TrainedKind, Sentence] = {
    TrainedKind.ENERGY: _energy,
    TrainedKind.CALIBRATED: _calibrated,
    TrainedKind.STARTED_FROM_TRAINED: _started_from_trained,
}
BEST = (SummaryKind.NO_ACCURACY, SummaryKind.ONLY_ACCURACY, SummaryKind.HIGHEST_ACCURACY)
SUMMARY: dict[SummaryKind, Sentence] = {
    SummaryKind.ON_FRONT: _on_front,
    SummaryKind.DOMINATED: _dominated,
    SummaryKind.ONE_CONFIGURATION: lambda _: (
        "There is one configuration: the front is it alone, and nothing was compared."
    ),
    SummaryKind.ONE_SEED: _one_seed,
    SummaryKind.ONE_SEED_DECIDED: _one_seed,
    SummaryKind.UNDECIDED: _undecided,
    SummaryKind.UNMEASURED: _unmeasured,
}
ELSEWHERE: dict[type[Enum], Sentence] = {
    **dict.fromkeys((PairsKind, OrderKind, SizeKind, AdviceKind), _control_statement),
    StagesKind: contrast_sentence,
    LedgerKind: ledger_sentence,
}
