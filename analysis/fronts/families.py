"""Fronts of each family of schedules alone, beside the front of all."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.fronts.pareto import Costs
from analysis.runs.load import Objective
from analysis.uncertainty.front import front_hypervolume


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
