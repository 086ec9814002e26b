"""Figures of every triple of bits over three stages, the untrained triples included."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError
from analysis.runs.seeds import check_one_dataset, configuration_labels, seed_means

N_STAGES = 3
FULL_PRECISION_BITS = 32


def heatmap_frame(trials: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return one row for every triple over the bits that each stage has in the run, the untrained included.

    Args:
        trials: Finished trials of networks with three stages.
        columns: Figures, in the units of the table of trials.

    Returns:
        ``bits_1``, ``bits_2``, ``bits_3``, ``n_seeds`` (0 where no trial ended) and for each figure its mean over seeds
        and ``_std`` (ddof 1, NaN for one seed); NaN where it was not measured or is not finite. Full precision in all
        stages, which has no place in the panels, is the last row where it was trained.

    Raises:
        AnalysisError: Other numbers of stages, several data sets, or several configurations of one triple.
    """
    check_one_dataset(trials)
    _check_stages(trials)
    _check_one_per_triple(trials)
    by_seed = seed_means(trials, columns).replace([np.inf, -np.inf], np.nan)
    names = [f"bits_{stage}" for stage in range(1, N_STAGES + 1)]
    by_seed = by_seed.join(pd.DataFrame(by_seed["bit_widths"].tolist(), index=by_seed.index, columns=names))
    groups = by_seed.groupby(names)[list(columns)]
    spreads = groups.std(ddof=1, skipna=False).add_suffix("_std")
    known = pd.concat([groups.size().rename("n_seeds"), groups.mean(skipna=False), spreads], axis=1)
    reference = (FULL_PRECISION_BITS,) * N_STAGES
    trained = set(by_seed["bit_widths"])
    levels = [sorted({triple[stage] for triple in trained - {reference}}) for stage in range(N_STAGES)]
    cells = [*itertools.product(*levels), *([reference] if reference in trained else [])]
    frame = pd.DataFrame(cells, columns=names, dtype=int).join(known, on=names)
    return frame.assign(n_seeds=frame["n_seeds"].fillna(0).astype(int))


def _check_stages(trials: pd.DataFrame) -> None:
    counts = sorted(set(trials["bit_widths"].map(len)))
    if counts != [N_STAGES]:
        raise AnalysisError(
            f"a heat map draws networks of {N_STAGES} residual stages, these have {' and '.join(map(str, counts))}; "
            "`curves` and `sensitivity` draw any number of stages, `pareto` draws all schedules as points"
        )


def _check_one_per_triple(trials: pd.DataFrame) -> None:
    labels = configuration_labels(trials)
    counts = trials.groupby("bit_widths", sort=False)[CONFIGURATION].nunique()
    if (counts > 1).any():
        triple = counts.index[counts > 1][0]
        several = "; ".join(dict.fromkeys(labels[trials["bit_widths"] == triple]))
        raise AnalysisError(f"a heat map has one configuration per triple, got {several}; draw runs of one setting")


def is_full_precision(frame: pd.DataFrame) -> pd.Series:
    """Return which rows of a `heatmap_frame` are full precision in all stages, which is no cell of a panel."""
    bits = frame[[f"bits_{stage}" for stage in range(1, N_STAGES + 1)]]
    return (bits == FULL_PRECISION_BITS).all(axis=1)
