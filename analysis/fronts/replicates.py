"""Finished trials as one array: configurations x seeds x objectives, all costs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fronts.pareto import to_costs
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import Objective
from lwq_tune.results.schema import COSTS

# These follow from the configuration alone: no seed can change them, so a difference in them is no estimate.
EXACT_COLUMNS = frozenset(column.name for column in COSTS)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Replicates:
    """What each configuration cost with each seed.

    Attributes:
        costs: Lower is better, shape (n_configurations, n_seeds, n_objectives); NaN where a configuration was not
            trained with a seed, or an objective of it was not measured.
        is_exact: Which objectives no seed can change, shape (n_objectives,).
        configurations: Keys of the configurations, shape (n_configurations,).
    """

    costs: Array
    is_exact: NDArray[np.bool_]
    configurations: NDArray[np.int64]

    @functools.cached_property
    def has_seed(self) -> NDArray[np.bool_]:
        """Which configurations were trained with which seeds, shape (n_configurations, n_seeds)."""
        return np.logical_not(np.isnan(self.costs).any(axis=2))

    @functools.cached_property
    def n_seeds(self) -> NDArray[np.int64]:
        """Seeds of each configuration, 0 where an objective was not measured."""
        return np.asarray(self.has_seed.sum(axis=1))

    @functools.cached_property
    def is_complete(self) -> bool:
        """Whether every configuration was trained with every seed."""
        return bool(self.has_seed.all())

    @functools.cached_property
    def means(self) -> Array:
        """Mean over the seeds of each configuration, shape (n_configurations, n_objectives), NaN where it has none."""
        means: Array = np.full((self.costs.shape[0], self.costs.shape[2]), np.nan)
        is_measured = self.n_seeds > 0
        means[is_measured] = np.nanmean(self.costs[is_measured], axis=1)
        return means

    @functools.cached_property
    def residuals(self) -> Array:
        """Costs less the mean of their configuration, shape of ``costs``."""
        return self.costs - self.means[:, None]

    @functools.cached_property
    def variances(self) -> Array:
        """Variance over the seeds, ddof 1, shape (n_configurations, n_objectives); 0 for one seed."""
        squares = np.nansum(self.residuals**2, axis=1)
        return np.asarray(squares / np.maximum(self.n_seeds - 1, 1)[:, None])

    @functools.cached_property
    def least_variance(self) -> Array:
        """Variance of what rounding takes off each objective, shape (n_objectives,).

        An accuracy moves in steps of one image. Replicates that are equal to the last digit then say that the spread
        is below a step, not that there is none; an error even over a step has a variance of step^2 / 12.
        """
        steps = [smallest_step(self.costs[..., axis]) for axis in range(self.costs.shape[2])]
        return np.array(steps) ** 2 / 12

    def measured(self) -> Replicates:
        """Return the configurations with all objectives, and the seeds that any of them has."""
        is_measured = self.n_seeds > 0
        kept = self.costs[is_measured]
        has_seed = ~np.isnan(kept).any(axis=2).all(axis=0)
        return Replicates(kept[:, has_seed], self.is_exact, self.configurations[is_measured])


def smallest_step(values: Array) -> float:
    """Return the smallest difference between two values that is more than rounding, 0 where there is none.

    >>> smallest_step(np.array([0.5, 0.75, 0.625, 0.75 + 1e-15, np.nan]))
    0.125
    """
    ordered = np.unique(values[np.isfinite(values)])
    if len(ordered) < 2:
        return 0.0
    steps = np.diff(ordered)
    return float(steps[steps > 1e-9 * (ordered[-1] - ordered[0])].min())


def replicate_costs(trials: pd.DataFrame, objectives: Sequence[Objective]) -> Replicates:
    """Return the costs of finished trials, configurations in the order in which they come first.

    A seed that several runs trained counts once, by the mean of its repetitions. Where a figure was not measured in
    one trial, or is infinite, the configuration has none, as in the table of means.

    Args:
        trials: Finished trials, comparable with one another.
        objectives: Axes; their columns are in ``trials``.
    """
    numbers, configurations = pd.factorize(trials[CONFIGURATION])
    seeds, seed_labels = pd.factorize(trials["config_seed"], sort=True)
    costs = to_costs(trials, objectives)
    shape = (len(configurations), len(seed_labels))
    sums, counts = np.zeros((*shape, len(objectives))), np.zeros(shape)
    np.add.at(sums, (numbers, seeds), costs)
    np.add.at(counts, (numbers, seeds), 1)
    with np.errstate(invalid="ignore"):
        means = sums / counts[..., None]
    is_unmeasured = np.zeros(shape[0], dtype=bool)
    np.logical_or.at(is_unmeasured, numbers, ~np.isfinite(costs).all(axis=1))
    means[is_unmeasured] = np.nan
    is_exact = np.array([objective.column in EXACT_COLUMNS for objective in objectives])
    return Replicates(means, is_exact, configurations.to_numpy())


def split_replicates(
    trials: pd.DataFrame, select: Sequence[Objective], objectives: Sequence[Objective]
) -> tuple[Replicates, Replicates]:
    """Return the replicates of configurations that have all axes, by the deciding and by the reported axes."""
    axes = list(dict.fromkeys([*select, *objectives]))
    measured = replicate_costs(trials, axes).measured()

    def part(wanted: Sequence[Objective]) -> Replicates:
        columns = [axes.index(axis) for axis in wanted]
        return Replicates(measured.costs[..., columns], measured.is_exact[columns], measured.configurations)

    return part(select), part(objectives)
