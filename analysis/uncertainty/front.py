"""Fronts with uncertainty: probability, verdict and intervals of each configuration, over its seeds.

The method and its sources: `verdicts` (with a family-wise error), `bootstrap` (probabilities), `hypervolume` (its
interval), `analysis.fronts.attainment` (surfaces).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fronts.replicates import Replicates, replicate_costs, split_replicates
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError, Objective
from analysis.runs.seeds import configuration_labels
from analysis.statistics import student_quantile
from analysis.uncertainty.bootstrap import is_on_front, on_front_probability
from analysis.uncertainty.verdicts import FAMILY_WISE_ERROR, Claims, Verdict, find_claims

INTERVAL_ERROR = 0.05
# What stands for a configuration that lacks a figure.
UNMEASURED: dict[str, Any] = {
    "verdict": Verdict.NOT_MEASURED,
    "dominated_by": "",
    "tied_with": "",
    "on_epsilon_front": False,
}
MOST_DOMINATORS = 3


def front_uncertainty(
    trials: pd.DataFrame,
    objectives: Sequence[Objective],
    *,
    select: Sequence[Objective] | None = None,
    epsilon: Mapping[str, float] | None = None,
    spread: str = "separate",
    error: float = FAMILY_WISE_ERROR,
    n_resamples: int = 2000,
    seed: int = 0,
    wanted: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return how sure each configuration's place is, by its key, as `analysis.runs.configurations.summarise_trials`.

    Args:
        trials: Finished trials, comparable with one another.
        objectives: Axes that are reported.
        select: Axes that decide, in the same order; the same without it.
        epsilon: Margins by deciding column, in its unit; a difference up to it is none.
        spread: ``separate`` or ``pooled``, see `analysis.uncertainty.verdicts`.
        error: Largest chance that one or more of all verdicts are false.
        n_resamples: Bootstrap resamples of the seeds.
        seed: Of the bootstrap.
        wanted: Configurations to give verdicts for, all without it; the others are ``not tested``. Each is compared
            with all.

    Returns:
        ``on_front_probability`` (NaN for one seed), ``verdict`` (a `Verdict`), ``dominated_by`` (names, empty where
        none), of every axis ``COLUMN_low`` and ``COLUMN_high``, the 95 % interval of that mean alone (Student, in its
        unit, NaN for one seed); with margins
        ``on_epsilon_front`` and ``tied_with``, those within them in every objective.

    Raises:
        AnalysisError: A margin is of no deciding axis, or negative.
    """
    deciding = tuple(select or objectives)
    decided, _ = split_replicates(trials, deciding, objectives)
    margins, labels = _margins(deciding, epsilon), configuration_names(trials)
    names = labels.reindex(decided.configurations).tolist()
    is_wanted = np.isin(decided.configurations, decided.configurations if wanted is None else np.asarray(wanted))
    claims = find_claims(decided, epsilon=margins, spread=spread, error=error, wanted=np.flatnonzero(is_wanted))
    probability = on_front_probability(decided, np.random.default_rng(seed), n_resamples, margins)
    places = _places(claims, decided, is_wanted, names) | _epsilon_places(decided, margins, names)
    found = pd.DataFrame({"on_front_probability": probability, **places}, index=decided.configurations)
    return _with_unmeasured(found, labels.index).join(_intervals(trials, list(dict.fromkeys([*objectives, *deciding]))))


def _places(claims: Claims, decided: Replicates, is_wanted: NDArray[np.bool_], names: Sequence[str]) -> dict[str, Any]:
    """Return the verdicts, and who dominates."""
    return {
        "verdict": _verdicts(claims, decided.n_seeds, is_wanted),
        "dominated_by": [_list_names(names, found) for found in claims.dominators],
    }


def _epsilon_places(decided: Replicates, margins: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Return what holds within the margins, nothing where there are none."""
    if not margins.any():
        return {}
    return {"on_epsilon_front": is_on_front(decided.means, margins), "tied_with": _ties(decided, margins, names)}


def _with_unmeasured(measured: pd.DataFrame, configurations: pd.Index) -> pd.DataFrame:
    """Return the rows of measured configurations with rows for the others."""
    frame = measured.reindex(configurations)
    for column, value in UNMEASURED.items():
        if column in frame:
            frame.loc[configurations.difference(measured.index), column] = value
    return frame


def configuration_names(trials: pd.DataFrame) -> pd.Series:
    """Return what to call each configuration, by its key."""
    return configuration_labels(trials).groupby(trials[CONFIGURATION], sort=False).first()


def _margins(deciding: Sequence[Objective], epsilon: Mapping[str, float] | None) -> NDArray[np.float64]:
    given = dict(epsilon or {})
    columns = [axis.column for axis in deciding]
    if not set(given) <= set(columns) or any(not 0 <= value < math.inf for value in given.values()):
        listed = ", ".join(f"{column}={value:g}" for column, value in given.items())
        raise AnalysisError(f"a margin is a number from 0 for one of {', '.join(columns)}, got {listed}")
    return np.array([given.get(column, 0.0) for column in columns])


def _verdicts(claims: Claims, n_seeds: NDArray[np.int64], is_wanted: NDArray[np.bool_]) -> list[Verdict]:
    undecided = [
        Verdict.ONE_SEED if n == 1 else Verdict.UNDECIDED if wanted else Verdict.NOT_TESTED
        for n, wanted in zip(n_seeds, is_wanted, strict=True)
    ]
    return [
        Verdict.ON_FRONT if shown else Verdict.DOMINATED if dominators else otherwise
        for shown, dominators, otherwise in zip(claims.on_front, claims.dominators, undecided, strict=True)
    ]


def _list_names(names: Sequence[str], found: Sequence[int]) -> str:
    more = f" and {len(found) - MOST_DOMINATORS} more" if len(found) > MOST_DOMINATORS else ""
    return "; ".join(names[index] for index in found[:MOST_DOMINATORS]) + more


def _ties(replicates: Replicates, margins: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    ties = []
    for row, own in enumerate(replicates.means):
        is_tied = (np.abs(replicates.means - own) <= margins * (1 + 1e-9)).all(axis=1)
        is_tied[row] = False
        ties.append("; ".join(names[int(index)] for index in np.flatnonzero(is_tied)))
    return ties


def _intervals(trials: pd.DataFrame, axes: Sequence[Objective]) -> pd.DataFrame:
    """Return the intervals of all axes, each of its own: an axis may be measured where another is not."""
    columns: dict[str, pd.Series] = {}
    for axis in axes:
        replicates = replicate_costs(trials, [axis])
        n, means = replicates.n_seeds, replicates.means[:, 0] * axis.sign
        half = np.full(len(n), np.nan)
        for count in np.unique(n[n > 1]):
            own = n == count
            quantile = student_quantile(INTERVAL_ERROR / 2, int(count) - 1)
            half[own] = quantile * np.sqrt(replicates.variances[own, 0] / count)
        for end, values in (("low", means - half), ("high", means + half)):
            columns[f"{axis.column}_{end}"] = pd.Series(values, index=replicates.configurations)
    return pd.DataFrame(columns)
