"""Trials as an array of replicates: means, variances, and what counts as measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.fronts.replicates import Replicates, replicate_costs, smallest_step
from analysis.runs.load import Objective, load_run
from tests.support.synthetic_runs import change_trials, write_run

ACCURACY = Objective("test_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
NAN = np.nan
# Three configurations, three seeds, two objectives: one has all, one lacks a seed, one an objective.
COSTS = np.array(
    [
        [[1.0, 10.0], [2.0, 10.5], [6.0, 11.0]],
        [[4.0, 12.0], [NAN, NAN], [8.0, 13.0]],
        [[1.0, NAN], [2.0, NAN], [3.0, NAN]],
    ]
)


def replicates(costs: np.ndarray) -> Replicates:
    return Replicates(costs, np.array([False, False]), np.arange(5, 5 + len(costs)))


def test_means_and_variances_are_over_the_seeds_that_a_configuration_has() -> None:
    found = replicates(COSTS)
    assert found.has_seed.tolist() == [[True] * 3, [True, False, True], [False] * 3]
    assert found.n_seeds.tolist() == [3, 2, 0]
    assert not found.is_complete
    assert found.means[:2].tolist() == [[3.0, 10.5], [6.0, 12.5]]
    assert np.isnan(found.means[2]).all()
    assert found.residuals[1, 2].tolist() == [2.0, 0.5]
    assert found.variances[:2].tolist() == [[7.0, 0.25], [8.0, 0.5]]  # (4 + 1 + 9) / 2, (4 + 4) / 1
    assert replicates(COSTS[:1, :1]).variances.tolist() == [[0.0, 0.0]], "one seed"


def test_rounding_takes_a_twelfth_of_the_squared_step_off_each_objective() -> None:
    assert replicates(COSTS[:1]).least_variance.tolist() == pytest.approx([1 / 12, 0.25 / 12])
    assert replicates(COSTS[:1, :1]).least_variance.tolist() == [0.0, 0.0]


def test_configurations_with_all_objectives_are_kept_with_the_seeds_that_any_of_them_has() -> None:
    costs = np.concatenate([COSTS, np.full((3, 1, 2), NAN)], axis=1)
    costs[2, 3, 0] = 7.0  # a seed that only the unmeasured configuration has
    found = replicates(costs).measured()
    assert found.configurations.tolist() == [5, 6]
    assert np.array_equal(found.costs, COSTS[:2], equal_nan=True)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([], 0.0),
        ([2.0, 2.0], 0.0),
        ([1.0, 1.5], 0.5),
        ([0.0, 4.0, 5.0, NAN, np.inf], 1.0),
        ([0.0, 1e-10, 1.0], 1.0),
        ([0.0, 1e-9, 1.0], 1.0),
    ],
)
def test_the_smallest_step_is_between_finite_values_and_more_than_rounding(values: list[float], step: float) -> None:
    assert smallest_step(np.array(values)) == pytest.approx(step)


def test_configurations_are_in_order_of_appearance_and_seeds_ascend(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_3": ([0.5, 0.6], 2e-6), "fixed_2": ([0.7, 0.8, 0.9], 1e-6)})
    trials = load_run(run).trials
    found = replicate_costs(trials.iloc[::-1], [ACCURACY, EMISSIONS])
    assert found.costs[..., 0].tolist()[0] == [-0.7, -0.8, -0.9]
    assert found.costs[1, :2, 1].tolist() == [2e-6, 2e-6]
    assert np.isnan(found.costs[1, 2]).all()
    assert not found.is_exact.any()
    assert replicate_costs(trials, [ACCURACY, Objective("weight_bits", "minimize")]).is_exact.tolist() == [False, True]


@pytest.mark.parametrize("value", [None, float("inf")])
def test_a_figure_that_one_trial_lacks_is_one_that_its_configuration_lacks(value: float | None, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_3": ([0.5, 0.6], 2e-6), "fixed_2": ([0.7, 0.8], 1e-6)})
    change_trials(run, "fixed_2", 1, emissions_kg_co2eq=value)
    found = replicate_costs(load_run(run).trials, [ACCURACY, EMISSIONS])
    assert found.n_seeds.tolist() == [2, 0]
