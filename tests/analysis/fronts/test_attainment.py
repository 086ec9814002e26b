from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.fronts.attainment import attainment_surfaces
from analysis.runs.load import AnalysisError, Objective, load_run
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
AXES = [ACCURACY, EMISSIONS, Objective("train_time_s", "minimize")]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    names = {name: ([0.5] * 4, 1e-6) for name in ("fixed_2", "fixed_3", "fixed_4")}
    return load_run(write_run(tmp_path_factory.mktemp("attainment") / "run", names)).trials


def attained_by(costs: np.ndarray, point: np.ndarray) -> int:
    """Return how many seeds have a configuration that is no worse than a point in any objective."""
    return int((costs <= point).all(axis=2).any(axis=0).sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(2, 3), st.data())
def test_surfaces_are_attained_by_one_by_half_and_by_all_seeds(
    trials: pd.DataFrame, n_seeds: int, n_axes: int, data: st.DataObject
) -> None:
    drawn = st.lists(st.integers(0, 4), min_size=3 * n_seeds * n_axes, max_size=3 * n_seeds * n_axes)
    costs = np.array(data.draw(drawn), dtype=float).reshape(3, n_seeds, n_axes)
    frame = trials[trials["config_seed"] < n_seeds].copy()
    for index, axis in enumerate(AXES[:n_axes]):
        frame[axis.column] = axis.sign * costs[..., index].ravel()
    surfaces = attainment_surfaces(frame, AXES[:n_axes])
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * n_axes), axis=-1).reshape(-1, n_axes)
    for surface, level in (("best", 1), ("median", math.ceil(n_seeds / 2)), ("worst", n_seeds)):
        part = surfaces[surfaces["surface"] == surface]
        corners = np.column_stack([axis.sign * part[axis.column] for axis in AXES[:n_axes]])
        for point in grid:
            is_below = bool((corners <= point).all(axis=1).any())
            assert is_below == (attained_by(costs, point) >= level), (surface, point)


def test_surfaces_need_two_seeds_that_all_share_and_at_most_three_axes(trials: pd.DataFrame) -> None:
    lacking = trials[(trials["schedule"] != "fixed_2") | (trials["config_seed"] == 0)]
    with pytest.raises(AnalysisError, match="two or more seeds that all configurations were trained with"):
        attainment_surfaces(lacking, [ACCURACY, EMISSIONS])
    with pytest.raises(AnalysisError, match="these are 4"):
        attainment_surfaces(trials, [*AXES, Objective("val_accuracy", "maximize")])


def test_a_seed_that_one_configuration_lacks_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.7, 0.8, 0.99], 2e-6), "fixed_3": ([0.9, 0.9], 3e-6)})
    surfaces = attainment_surfaces(load_run(run).trials, [ACCURACY, EMISSIONS])
    assert surfaces["n_seeds"].unique().tolist() == [2]
    best = surfaces[surfaces["surface"] == "best"]
    assert surfaces.index.tolist() == list(range(len(surfaces)))
    assert best["test_accuracy"].tolist() == [0.9, 0.8], "from the best of the first axis on, in its unit"


def test_configurations_that_share_one_seed_or_none_are_told_how_many(trials: pd.DataFrame) -> None:
    one = trials[(trials["schedule"] != "fixed_2") | (trials["config_seed"] == 0)]
    with pytest.raises(AnalysisError, match="these share 1$"):
        attainment_surfaces(one, [ACCURACY, EMISSIONS])
    none = trials[(trials["schedule"] == "fixed_2") == (trials["config_seed"] == 0)]
    for lacking in (none, trials.assign(test_accuracy=np.nan)):
        with pytest.raises(AnalysisError, match="these share 0$"):
            attainment_surfaces(lacking, [ACCURACY, EMISSIONS])
