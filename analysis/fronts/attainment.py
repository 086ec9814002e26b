"""Empirical attainment surfaces: what the front of one seed reaches at best, in half of the seeds, and always.

Grunert da Fonseca, Fonseca and Hall 2001 (EMO, LNCS 1993, 213); computed by moocore (Fonseca et al. 2011).
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
import pandas as pd

from analysis.fronts.replicates import Replicates, replicate_costs
from analysis.runs.load import AnalysisError, Objective

SURFACES = ("best", "median", "worst")


def attainment_surfaces(trials: pd.DataFrame, objectives: Sequence[Objective]) -> pd.DataFrame:
    """Return the corner points of the best, median and worst attainment surface over the seeds.

    Each seed gives one set of points, one for each configuration. ``best`` is attained by at least one seed,
    ``median`` by at least half of them, ``worst`` by all. They describe the seeds that were trained; with 2 to 5 of
    them, another seed may well lie outside. Test figures are the reported ones, whatever decided on the front.

    Args:
        trials: Finished trials, comparable with one another.
        objectives: Two or three axes.

    Returns:
        ``surface``, ``n_seeds`` and a column for each axis, in its unit; by surface, then along the first axis from
        its best value on.

    Raises:
        AnalysisError: There are more than three axes, or no two seeds that all configurations were trained with.
    """
    if len(objectives) > 3:
        raise AnalysisError(f"attainment surfaces are of two or three objectives, these are {len(objectives)}")
    costs = _common_costs(replicate_costs(trials, objectives).measured())
    n, n_seeds, n_axes = costs.shape
    sets = np.repeat(np.arange(n_seeds), n)
    points = costs.transpose(1, 0, 2).reshape(-1, n_axes)
    # Each surface apart: percentile and level are then exact, whatever the number of seeds.
    percentiles = dict(zip(SURFACES, (100 / n_seeds, 50.0, 100.0), strict=True))
    frames = []
    for surface, percentile in percentiles.items():
        corners = np.asarray(moocore.eaf(points, sets, percentiles=[percentile]))[:, :n_axes]
        corners = corners[np.lexsort(corners.T[::-1])]
        columns = {axis.column: axis.sign * corners[:, index] for index, axis in enumerate(objectives)}
        frames.append(pd.DataFrame({"surface": surface, "n_seeds": n_seeds, **columns}))
    return pd.concat(frames, ignore_index=True)


def _common_costs(replicates: Replicates) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    is_common = replicates.has_seed.all(axis=0)
    if is_common.sum() < 2:
        raise AnalysisError(
            "attainment surfaces need two or more seeds that all configurations were trained with, "
            f"these share {int(is_common.sum()) if len(replicates.costs) else 0}"
        )
    return replicates.costs[:, is_common]
