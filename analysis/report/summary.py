"""The beginning of a report as findings: what the data support, and what they leave open."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from analysis.effects.sensitivity import Sensitivity
from analysis.energy.findings import LedgerKind, find_in_ledgers
from analysis.findings import Estimate, Finding
from analysis.report.evidence import Evidence, Missing
from analysis.runs.comparability import WHOLE_HOST
from analysis.uncertainty.verdicts import Verdict

MOST_OPEN = 2  # findings of the controls at the top; all are in their section
RATIOS = (LedgerKind.USED_MORE, LedgerKind.USED_LESS)


class SummaryKind(Enum):
    """What a report says of its configurations as a whole."""

    NO_ACCURACY = "no configuration has an accuracy in every seed"
    ONLY_ACCURACY = "the accuracy of the only configuration that has one"
    HIGHEST_ACCURACY = "the configuration with the highest mean accuracy"
    ON_FRONT = "shown to be on the front"
    DOMINATED = "shown to be dominated"
    NO_FRONT = "there is no front"
    ONE_CONFIGURATION = "there is one configuration, which was compared with none"
    ONE_SEED = "configurations with one seed have no verdict"
    ONE_SEED_DECIDED = "configurations with one seed have only verdicts that follow from the bits alone"
    UNDECIDED = "not decided whether on the front"
    NO_CONTROLS = "pairs of equal cost were not compared"
    UNMEASURED = "configurations lack a figure of the front"


class TrainedKind(Enum):
    """What a report says of the training behind its figures."""

    ENERGY = "how energies were found; the subject is an `EnergyKind`"
    CALIBRATED = "trials only calibrate trained networks"
    STARTED_FROM_TRAINED = "trials start from trained networks"


def trained(evidence: Evidence) -> list[Finding[TrainedKind]]:
    """Return what energies and emissions are, and what is not in them."""
    done = evidence.done
    numbers = {
        TrainedKind.CALIBRATED: int((done["config_mode"] == "ptq").sum()),
        TrainedKind.STARTED_FROM_TRAINED: int((done["config_init_from"].fillna("scratch") != "scratch").sum()),
    }
    whole_hosts = {"charged_with_whole_host": int((done["share_method"] == WHOLE_HOST).sum()), "all": len(done)}
    return [
        Finding(TrainedKind.ENERGY, subjects=(evidence.energy_kind,), counts=whole_hosts),
        *(Finding(kind, counts={"trials": n, "all": len(done)}) for kind, n in numbers.items() if n),
    ]


def supported(evidence: Evidence) -> list[Finding[Any]]:
    """Return what the data support: verdicts, accuracy, order and size, energy."""
    return [
        _find_best(evidence),
        *_find_verdicts(evidence.front),
        *(finding for finding in _find_elsewhere(evidence) if not finding.is_open),
        *(finding for finding in _controls(evidence) if not finding.is_open),
    ]


def left_open(evidence: Evidence) -> list[Finding[Any]]:
    """Return what the data leave open, and why."""
    front = evidence.front
    found: list[Finding[Any]] = []
    if evidence.no_front:
        found.append(Finding(SummaryKind.NO_FRONT, True))
    elif len(front) == 1:
        found.append(Finding(SummaryKind.ONE_CONFIGURATION, True))
    found += [*_find_one_seed(front), *_find_undecided(front)]
    found += [finding for finding in _find_elsewhere(evidence) if finding.is_open]
    if not isinstance(evidence.controls, Missing):
        found += [finding for finding in _controls(evidence) if finding.is_open][:MOST_OPEN]
    elif len(front) > 1:
        found.append(Finding(SummaryKind.NO_CONTROLS, True))
    if not isinstance(evidence.ledgers, Missing):
        ledgers = find_in_ledgers(evidence.ledgers)
        found += [finding for finding in ledgers if finding.kind is LedgerKind.NO_FULL_PRECISION]
    n_unmeasured = int(front["rank"].isna().sum()) if not evidence.no_front else 0
    if n_unmeasured:
        counts = {"unmeasured": n_unmeasured, "configurations": len(front)}
        found.append(Finding(SummaryKind.UNMEASURED, True, counts=counts))
    return found


def _find_best(evidence: Evidence) -> Finding[SummaryKind]:
    """Return the highest mean accuracy, with its interval over seeds."""
    column = f"{evidence.images}_accuracy"
    known = evidence.front[np.isfinite(evidence.front[column].to_numpy(dtype=float))]
    if known.empty:
        return Finding(SummaryKind.NO_ACCURACY, True, column)
    row = known.loc[known[column].astype(float).idxmax()]
    kind = SummaryKind.ONLY_ACCURACY if len(known) == 1 else SummaryKind.HIGHEST_ACCURACY
    ends = (float(row.get(f"{column}_{end}", math.nan)) for end in ("low", "high"))
    return Finding(
        kind,
        False,
        column,
        (row["label"],),
        {column: Estimate(float(row[column]), *ends)},
        {"seeds": int(row["n_seeds"])},
    )


def _find_verdicts(front: pd.DataFrame) -> list[Finding[SummaryKind]]:
    found = []
    shown = front.loc[front["verdict"] == Verdict.ON_FRONT, "label"]
    if len(front) > 1 and len(shown):
        found.append(Finding(SummaryKind.ON_FRONT, subjects=tuple(shown)))
    dominated = front[front["verdict"] == Verdict.DOMINATED]
    if len(dominated):
        parts = tuple(
            Finding(SummaryKind.DOMINATED, subjects=(label, by))
            for label, by in dominated[["label", "dominated_by"]].itertuples(index=False, name=None)
        )
        counts = {"configurations": len(front)}
        found.append(Finding(SummaryKind.DOMINATED, subjects=tuple(dominated["label"]), counts=counts, parts=parts))
    return found


def _find_one_seed(front: pd.DataFrame) -> list[Finding[SummaryKind]]:
    single = front[front["n_seeds"] == 1]
    if single.empty:
        return []
    is_decided = len(front) > 1 and single["verdict"].isin([Verdict.ON_FRONT, Verdict.DOMINATED]).any()
    kind = SummaryKind.ONE_SEED_DECIDED if is_decided else SummaryKind.ONE_SEED
    return [Finding(kind, True, counts={"one_seed": len(single), "configurations": len(front)})]


def _find_undecided(front: pd.DataFrame) -> list[Finding[SummaryKind]]:
    undecided = front.loc[front["verdict"] == Verdict.UNDECIDED, "label"]
    if undecided.empty:
        return []
    counts = {"configurations": len(front), "least_seeds": int(front["n_seeds"].min())}
    return [Finding(SummaryKind.UNDECIDED, True, subjects=tuple(undecided), counts=counts)]


def _find_elsewhere(evidence: Evidence) -> list[Finding[Any]]:
    """Return how the last stage compares with the first, and training energies with those of full precision."""
    found: list[Finding[Any]] = []
    if isinstance(evidence.sensitivity, Sensitivity):
        found.append(evidence.sensitivity.contrast)
    if not isinstance(evidence.ledgers, Missing):
        found += [finding for finding in find_in_ledgers(evidence.ledgers) if finding.kind in RATIOS]
    return found


def _controls(evidence: Evidence) -> list[Finding[Any]]:
    return [] if isinstance(evidence.controls, Missing) else evidence.controls.findings
