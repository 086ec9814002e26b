"""Controls: is it more bits, or bits in the right place? Pairs of equal cost, a regression, and what both support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.controls.configurations import read_configurations
from analysis.controls.findings import find_controls, find_in_pair
from analysis.controls.pairs import MEASURES, TOLERANCE, compare_pairs, excess, find_pairs
from analysis.controls.regression import make_panel, regress
from analysis.controls.sentences import control_sentence
from analysis.findings import Finding
from analysis.runs.comparability import refuse_incomparable, without_origins
from analysis.runs.configurations import check_comparable
from analysis.runs.load import AnalysisError, Objective
from lwq_tune.results.schema import METRICS

ENERGIES = ("energy_kwh", "emissions_kg_co2eq")
METRIC_COLUMNS = tuple(column.name for column in METRICS)
SPACE = "python -m lwq_tune sweep --space controls_iso_size"


@dataclass(frozen=True)
class Controls:
    """What the controls say.

    Attributes:
        pairs: One row per pair and figure, see `analysis.controls.pairs.compare_pairs`, with its ``finding``;
            `analysis.controls.tables.pairs_table` is the same as text.
        regression: One row per term and model, see `analysis.controls.regression.fit`.
        findings: What the data support and leave open.
        warnings: What makes energies hard to compare.
    """

    pairs: pd.DataFrame
    regression: pd.DataFrame
    findings: list[Finding[Any]]
    warnings: list[str]

    @property
    def sentences(self) -> list[str]:
        """The findings as text."""
        return [control_sentence(finding) for finding in self.findings]


def run_controls(trials: pd.DataFrame, metric: str = "test_accuracy", tolerance: float = TOLERANCE) -> Controls:
    """Return the controls of finished trials.

    Args:
        trials: Finished trials of one or several runs, from `analysis.runs.configurations.done_trials`.
        metric: Column to explain; training energy and emissions are compared beside it, where they are comparable.
        tolerance: Up to which share weight bits, or BitOps, count as equal.

    Raises:
        AnalysisError: Trials are not comparable, the metric is unknown or was not measured, or no two configurations
            cost the same.
    """
    if metric not in METRIC_COLUMNS:
        raise AnalysisError(f"--metric must be one of {', '.join(METRIC_COLUMNS)}, got {metric}")
    if not 0 <= tolerance < 1:
        raise AnalysisError(f"--tolerance must be in [0, 1), a share of the cost, got {tolerance:g}")
    check_comparable(without_origins(trials))
    measured = trials[trials[metric].notna()]
    if measured.empty:
        raise AnalysisError(f"controls explain a figure that was measured, {metric} was not in any trial")
    columns, warnings = _comparable_energies(measured)
    configurations = read_configurations(measured, [metric, *columns])
    pairs = find_pairs(configurations.table, tolerance)
    if pairs.empty:
        raise AnalysisError(_no_pair(configurations.table, tolerance))
    compared = compare_pairs(configurations, pairs)
    found = [find_in_pair(row, tolerance) for row in compared.to_dict("records")]
    compared["finding"] = pd.Series(found, index=compared.index, dtype=object)
    regression = regress(make_panel(configurations, metric), over_depth=configurations.is_over_depth)
    of_metric = compared[compared["column"] == metric]
    findings = find_controls(configurations, of_metric, regression, metric, tolerance)
    return Controls(compared, regression, findings, warnings)


def _comparable_energies(trials: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the energies that can be compared over these trials, and warnings."""
    columns: list[str] = []
    warnings: list[str] = []
    for column in ENERGIES:
        if trials[column].isna().all():
            continue
        try:
            warnings += refuse_incomparable(trials, allow=False, objectives=[Objective(column, "minimize")])
        except AnalysisError as error:
            warnings.append(f"{column} is left out: {error}")
            continue
        columns.append(column)
    return columns, list(dict.fromkeys(warnings))


def _no_pair(table: pd.DataFrame, tolerance: float) -> str:
    """Return the message where no two configurations cost the same, with the nearest ones."""
    message = (
        f"controls need two configurations of equal cost (weight bits or BitOps within {tolerance:.3g}, or the same "
        f"sum of bits), that differ in bits or width alone; of {len(table)} there are none"
    )
    nearest = _nearest(table)
    return f"{message}{nearest}; `{SPACE}` trains such pairs" + ("; or raise --tolerance" if nearest else "")


def _nearest(table: pd.DataFrame) -> str:
    found: list[tuple[float, str]] = []
    for _, group in table.groupby("group"):
        labels: Sequence[str] = group["label"].tolist()
        for measure, name in MEASURES.items():
            cost = group[measure].to_numpy()
            order = cost.argsort()
            gaps = excess(cost[order][1:], cost[order][:-1])
            if len(gaps):
                at = int(gaps.argmin())
                names = f"{labels[order[at]]} and {labels[order[at + 1]]}"
                found.append((float(gaps[at]), f", the nearest are {names}, {gaps[at]:.1%} apart in {name}"))
    return min(found)[1] if found else ""
