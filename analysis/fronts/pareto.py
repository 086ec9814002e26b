"""Fronts: non-dominated configurations, their ranks, and hypervolume. Costs are minimised throughout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.load import AnalysisError, Objective

Costs = NDArray[np.float64]

REFERENCE_MARGIN = 0.1
SORT_FROM_POINTS = 2500
LEADING = ("schedule", "family", "bit_widths", "on_front", "rank", "n_seeds")


def to_costs(frame: pd.DataFrame, objectives: Sequence[Objective]) -> Costs:
    """Return the objectives as costs, lower is better.

    Args:
        frame: Trials or configurations, n rows, with the columns of the objectives.
        objectives: What is minimised, or maximised and changes its sign.

    Returns:
        Shape (n, n_objectives), in the units of the columns, NaN where one was not measured.
    """
    return np.column_stack([objective.sign * frame[objective.column].to_numpy(dtype=float) for objective in objectives])


def is_nondominated(costs: Costs) -> NDArray[np.bool_]:
    """Return which points no other point dominates; of equal points all or none are.

    A point dominates another when it is no worse in every objective and better in one.

    Args:
        costs: Lower is better, shape (n, n_objectives), infinite ones among them or not.

    Returns:
        Shape (n,).

    >>> is_nondominated(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False, True]

    Raises:
        ValueError: A cost is NaN, which is neither better nor worse than any other.
    """
    if len(costs) == 0:
        return np.zeros(0, dtype=bool)
    is_nan = np.isnan(costs)
    if is_nan.any():
        raise ValueError(f"costs must be numbers to be compared, got NaN in {is_nan.any(axis=1).sum()} points")
    if costs.shape[1] == 2 and len(costs) >= SORT_FROM_POINTS:
        return _front_by_sorting(costs[:, 0], costs[:, 1])
    found: NDArray[np.bool_] = moocore.is_nondominated(costs, keep_weakly=True)
    return found


def _front_by_sorting(first: Costs, second: Costs) -> NDArray[np.bool_]:
    """Return the front of two objectives by one sort: along the first cost, the second must fall below all before.

    Kung, Luccio and Preparata 1975, J. ACM 22, 469. Kept beside moocore 0.3.2, which takes 1.3 to 1.8 times as long for
    10,000 to 1,000,000 points without ties and 2.4 to 3.4 times where many are equal; up to 2,000 points moocore is as
    fast or faster (points of `benchmarks.fronts`, medians of the ratio over 9 to 101 interleaved rounds, one thread on
    a loaded machine of 2 CPUs).
    """
    order = np.argsort(first)
    along, values = first[order], second[order]
    starts = np.flatnonzero(np.append(True, along[1:] != along[:-1]))
    best = np.minimum.reduceat(values, starts)
    is_new = np.append(True, best[1:] < np.minimum.accumulate(best)[:-1])
    sizes = np.diff(np.append(starts, len(first)))
    found = np.empty(len(first), dtype=bool)
    found[order] = (values == np.repeat(best, sizes)) & np.repeat(is_new, sizes)
    return found


def pareto_rank(costs: Costs) -> NDArray[np.int64]:
    """Return 1 for the front, 2 for the front of what is left without it, and so on.

    Args:
        costs: Numbers, lower is better, shape (n, n_objectives).

    Returns:
        Shape (n,).

    >>> pareto_rank(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).tolist()
    [1, 1, 2, 3]
    """
    if len(costs) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(moocore.pareto_rank(costs), dtype=np.int64) + 1


def reference_point(costs: Costs) -> Costs:
    """Return the point that hypervolume is measured from: the worst of each cost, and 10 % of its range beyond.

    Args:
        costs: Finite, shape (n, n_objectives), of one point or more.

    Returns:
        Shape (n_objectives,), in the units of the costs.

    >>> reference_point(np.array([[0.0, 10.0], [1.0, 30.0]])).tolist()
    [1.1, 32.0]
    """
    worst, best = costs.max(axis=0), costs.min(axis=0)
    reference: Costs = worst + REFERENCE_MARGIN * (worst - best)
    return reference


def hypervolume(costs: Costs, reference: Costs) -> float:
    """Return the volume that the points dominate below ``reference``, in the product of the units.

    Args:
        costs: Finite, shape (n, n_objectives); points beyond the reference add nothing.
        reference: Shape (n_objectives,).

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([3.0, 3.0]))
    3.0
    """
    return float(moocore.hypervolume(costs, ref=reference))


def knee_point(costs: Costs) -> int | None:
    """Return the point of a front that bulges farthest towards the ideal, None where none does.

    Costs are scaled to 0 at the ideal and 1 at the nadir of the front. The knee is the point farthest below the line
    through the extremes, in three objectives below the plane through (1, 0, 0), (0, 1, 0) and (0, 0, 1) (Das 1999,
    Structural Optimization 18, 107, with the front's own extremes).

    Args:
        costs: Points of the front, finite, shape (n, n_objectives).

    >>> knee_point(np.array([[0.0, 10.0], [1.0, 2.0], [4.0, 0.0]]))
    1
    >>> knee_point(np.array([[0.0, 10.0], [4.0, 0.0]])) is None
    True
    """
    if len(costs) < 3:
        return None
    ideal, nadir = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0)
    distance = (1 - scaled.sum(axis=1)) / np.sqrt(costs.shape[1])
    best = int(distance.argmax())
    return best if distance[best] > 1e-9 else None


def pareto_front(
    summary: pd.DataFrame, objectives: Sequence[Objective], select: Sequence[Objective] | None = None
) -> pd.DataFrame:
    """Return all configurations with ``on_front``, ``rank`` and more, the front first, each by its first cost.

    ``on_family_front`` is the same among the configurations of a family, where there are families; ``is_knee`` marks
    the `knee_point`. Configurations that lack an objective (not measured) have no rank and are on no front.

    Args:
        summary: Configurations, from `analysis.runs.configurations.summarise_trials`.
        objectives: Axes that are reported.
        select: Axes that decide instead, such as validation accuracy for test accuracy.

    Returns:
        The columns of ``summary``, ``on_front``, ``rank`` (from 1), ``on_family_front`` and ``is_knee``, by the index
        of ``summary``.

    Raises:
        AnalysisError: No configuration has all objectives.
    """
    reported, costs = to_costs(summary, objectives), to_costs(summary, select or objectives)
    is_known = np.isfinite(reported).all(axis=1) & np.isfinite(costs).all(axis=1)
    if not is_known.any():
        columns = " and ".join(objective.column for objective in objectives)
        raise AnalysisError(f"a front needs configurations with {columns}, none has them measured in every seed")
    ranked = summary.copy()
    ranked["on_front"] = mark(is_known, is_nondominated(costs[is_known]))
    ranked["rank"] = pd.array([None] * len(ranked), dtype="Int64")
    ranked.loc[is_known, "rank"] = pareto_rank(costs[is_known])
    for _, family in ranked[is_known].groupby("family") if "family" in ranked else []:
        rows = ranked.index.get_indexer(family.index)
        ranked.loc[family.index, "on_family_front"] = is_nondominated(costs[rows])
    if "family" in ranked:
        ranked["on_family_front"] = ranked["on_family_front"].eq(True)
    members = np.flatnonzero(ranked["on_front"])
    knee = knee_point(costs[members])
    ranked["is_knee"] = np.arange(len(ranked)) == (-1 if knee is None else members[knee])
    leading = [column for column in LEADING if column in ranked]
    ordered = ranked[[*leading, *(column for column in ranked if column not in leading)]]
    order = np.lexsort((reported[:, 0], ordered["rank"].fillna(len(ranked) + 1)))
    return ordered.iloc[order]


def mark(is_known: Any, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``values`` where known, else False, shape of ``is_known``."""
    marked = np.zeros(len(is_known), dtype=bool)
    marked[is_known] = values
    return marked
