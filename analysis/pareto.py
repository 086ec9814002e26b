"""Fronts: non-dominated configurations, their ranks, and hypervolume. Costs are minimised throughout."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.load import AnalysisError, Objective

Costs = NDArray[np.float64]

REFERENCE_MARGIN = 0.1


def to_costs(frame: pd.DataFrame, objectives: Sequence[Objective]) -> Costs:
    """Return the objectives as costs, lower is better; shape (n, n_objectives)."""
    return np.column_stack([objective.sign * frame[objective.column].to_numpy(dtype=float) for objective in objectives])


def is_nondominated(costs: Costs) -> NDArray[np.bool_]:
    """Return which points no other point dominates; of equal points all or none are.

    A point dominates another when it is no worse in every objective and better in one.

    >>> is_nondominated(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    if len(costs) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(costs, keep_weakly=True), dtype=bool)


def pareto_rank(costs: Costs) -> NDArray[np.int64]:
    """Return 1 for the front, 2 for the front of what is left without it, and so on.

    >>> pareto_rank(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).tolist()
    [1, 1, 2, 3]
    """
    if len(costs) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(moocore.pareto_rank(costs), dtype=np.int64) + 1


def reference_point(costs: Costs) -> Costs:
    """Return the point that hypervolume is measured from: the worst of each cost, and 10 % of its range beyond.

    >>> reference_point(np.array([[0.0, 10.0], [1.0, 30.0]])).tolist()
    [1.1, 32.0]
    """
    worst, best = costs.max(axis=0), costs.min(axis=0)
    reference: Costs = worst + REFERENCE_MARGIN * (worst - best)
    return reference


def hypervolume(costs: Costs, reference: Costs) -> float:
    """Return the volume that the points dominate below ``reference``, in the product of the units.

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
    3.0
    """
    return float(moocore.hypervolume(costs, ref=reference))


def pareto_front(summary: pd.DataFrame, objectives: Sequence[Objective]) -> pd.DataFrame:
    """Return all configurations with ``on_front`` and ``rank``, the front first, each by its first cost.

    Configurations that lack an objective (not measured) have no rank and are not on the front.

    Raises:
        AnalysisError: No configuration has all objectives.
    """
    costs = to_costs(summary, objectives)
    is_known = np.isfinite(costs).all(axis=1)
    if not is_known.any():
        columns = " and ".join(objective.column for objective in objectives)
        raise AnalysisError(f"a front needs configurations with {columns}, no trial has both measured")
    ranked = summary.copy()
    ranked["on_front"] = False
    ranked.loc[is_known, "on_front"] = is_nondominated(costs[is_known])
    ranked["rank"] = pd.array([None] * len(ranked), dtype="Int64")
    ranked.loc[is_known, "rank"] = pareto_rank(costs[is_known])
    leading = [*(c for c in ("schedule", "family", "bit_widths", "on_front", "rank", "n_seeds") if c in ranked)]
    ordered = ranked[[*leading, *(column for column in ranked if column not in leading)]]
    return ordered.iloc[np.lexsort((costs[:, 0], ordered["rank"].fillna(len(ranked) + 1)))].reset_index(drop=True)
