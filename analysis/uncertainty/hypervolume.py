"""Hypervolumes of fronts and their intervals: of the front of all configurations, and of each family's own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.fronts.pareto import Costs, hypervolume, is_nondominated
from analysis.fronts.replicates import Replicates, split_replicates
from analysis.runs.load import Objective
from analysis.statistics import student_quantile


def front_hypervolume(
    trials: pd.DataFrame,
    objectives: Sequence[Objective],
    reference: Costs,
    select: Sequence[Objective] | None = None,
) -> tuple[float, float, float]:
    """Return the hypervolume of the front of means and both ends of its 95 % interval, NaN where there is none.

    Args:
        trials: Finished trials.
        objectives: Axes that are reported, and span the volume.
        reference: Point that it is measured from, in costs, shape (n_objectives,).
        select: Axes that decide on the front; the same without it.

    Returns:
        Value, low, high, in the product of the units of the objectives. The ends are NaN where the configurations do
        not share two seeds or more.
    """
    decided, reported = split_replicates(trials, tuple(select or objectives), objectives)
    return hypervolume_interval(decided, reported, reference)


def family_fronts(
    trials: pd.DataFrame,
    front: pd.DataFrame,
    objectives: Sequence[Objective],
    reference: Costs,
    select: Sequence[Objective] | None = None,
) -> pd.DataFrame:
    """Return what each family reaches without the others, the greatest hypervolume first.

    With one reference point, hypervolumes can be compared with one another and with that of the whole front. A family
    of few configurations tends to have less: the volume says what was found, not why.

    Args:
        trials: Finished trials, comparable with one another.
        front: Their configurations, from `analysis.fronts.pareto.pareto_front`, with a ``label`` from
            `analysis.uncertainty.front.configuration_names`.
        objectives: Axes that are reported, and span the volume.
        reference: Point that hypervolume is measured from, in costs, shape (n_objectives,).
        select: Axes that decide on the fronts; the same without it.

    Returns:
        One row per family with a measured configuration: ``family``, ``n_configurations`` (measured ones),
        ``hypervolume`` (in the product of the units), ``hypervolume_low`` and ``hypervolume_high`` (ends of its 95 %
        interval, see `front_hypervolume`; NaN where the family's configurations do not share two
        seeds) and ``members`` (labels of its own front, by rank and first cost, joined by "; ").
    """
    rows = []
    for family, own in front[front["rank"].notna()].groupby("family", sort=False):
        value, low, high = front_hypervolume(trials[trials["family"] == family], objectives, reference, select)
        rows.append(
            {
                "family": family,
                "n_configurations": len(own),
                "hypervolume": value,
                "hypervolume_low": low,
                "hypervolume_high": high,
                "members": "; ".join(own.loc[own["on_family_front"], "label"]),
            }
        )
    return pd.DataFrame(rows).sort_values("hypervolume", ascending=False, kind="stable", ignore_index=True)


def hypervolume_interval(
    decided: Replicates, reported: Replicates, reference: Costs, error: float = 0.05
) -> tuple[float, float, float]:
    """Return the hypervolume of the front of means, and both ends of its interval.

    Jackknife over the seeds with Student's t on n - 1 degrees of freedom (Miller 1974, Biometrika 61, 1): without one
    seed after the other, the front is found again. The reference point stays where it is. Where configurations tie,
    noise puts more of them on the front of means than belong there, which no interval over seeds repairs: then it
    covers less often.

    Args:
        decided: Measured replicates of the objectives that decide on the front.
        reported: The same configurations and seeds, objectives that are reported.
        reference: Shape (n_objectives,).
        error: Chance that the interval does not cover, where the means are normal and the front does not change.

    Returns:
        Value, low, high; NaN for the ends where the configurations do not share two seeds or more.
    """
    value = _front_hypervolume(decided.means, reported.means, reference)
    n = decided.costs.shape[1]
    if n < 2 or not (decided.is_complete and reported.is_complete):
        return value, math.nan, math.nan
    without = [
        _front_hypervolume(
            np.delete(decided.costs, seed, axis=1).mean(axis=1),
            np.delete(reported.costs, seed, axis=1).mean(axis=1),
            reference,
        )
        for seed in range(n)
    ]
    standard_error = math.sqrt((n - 1) / n * float(np.sum((np.array(without) - np.mean(without)) ** 2)))
    half = student_quantile(error / 2, n - 1) * standard_error
    return value, max(0.0, value - half), value + half


def _front_hypervolume(decided: Costs, reported: Costs, reference: Costs) -> float:
    return hypervolume(reported[is_nondominated(decided)], reference)
