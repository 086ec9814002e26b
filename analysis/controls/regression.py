"""A regression that separates more bits from bits in the right place, with configurations as the units of evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.block_regression import PanelData, estimate
from analysis.controls.configurations import Configurations

UNITS = {
    "order": "per bit that a stage has more than the one before",
    "mean_weight_bits": "per mean weight bit",
    "log2_bitops": "per doubling of BitOps",
    "log2_width": "per doubling of the width",
}
OVER_DEPTH = "per bit that the last unit has more than the first, by a line through all"
SIZE_AND_ORDER, ORDER_ALONE = "order, size, BitOps", "order alone"


def make_panel(configurations: Configurations, metric: str) -> PanelData:
    """Return the rows of the quantized configurations; full precision is no schedule and would outweigh all others.

    The width is a term of its own where it varies.

    Args:
        configurations: With the figure ``metric``.
        metric: The figure.
    """
    table, values = configurations.table, configurations.figures[metric]
    rows, seeds = np.nonzero(~np.isnan(values) & table["is_quantized"].to_numpy()[:, None])
    of_block = table["group"].to_numpy()[rows] * values.shape[1] + seeds
    is_compared = np.bincount(of_block, minlength=1)[of_block] > 1  # alone in its block, a row says nothing
    rows, seeds = rows[is_compared], seeds[is_compared]
    kept, numbers = np.unique(rows, return_inverse=True)
    used = table.iloc[kept].reset_index(drop=True)
    terms = used[["order", "mean_weight_bits"]].assign(log2_bitops=np.log2(used["bitops"]))
    if used["width"].nunique() > 1:
        terms["log2_width"] = np.log2(used["width"])
    blocks = used["group"].to_numpy()[numbers] * values.shape[1] + seeds
    return PanelData(values[rows, seeds], terms, numbers, np.unique(blocks, return_inverse=True)[1])


def fit(panel: PanelData, model: str, *, over_depth: bool = False) -> pd.DataFrame:
    """Return the coefficients of a regression.

    Args:
        panel: Rows.
        model: Its name, for the table.
        over_depth: Whether order is the slope over the depth of the network, see `Configurations`.

    Returns:
        One row per term, ``model``, ``term``, ``unit``, and what `analysis.block_regression.estimate` says of it.
    """
    found = estimate(panel)
    units = UNITS | ({"order": OVER_DEPTH} if over_depth else {})
    named = {"model": model, "term": found["term"], "unit": found["term"].map(units)}
    return pd.DataFrame(named).join(found.drop(columns="term"))


def regress(panel: PanelData, *, over_depth: bool = False) -> pd.DataFrame:
    """Return the regression on order, mean weight bits and BitOps, and the one on order alone, which they confound.

    Args:
        panel: From `make_panel`.
        over_depth: As in `fit`.

    Returns:
        As `fit`, the rows of both; empty without two quantized configurations.
    """
    if len(panel.terms) < 2:
        return fit(PanelData(np.zeros(2), _NO_TERMS, np.arange(2), np.zeros(2, dtype=np.int64)), "").iloc[:0]
    alone = PanelData(panel.figure, panel.terms[["order"]], panel.configuration, panel.block)
    models = {SIZE_AND_ORDER: panel, ORDER_ALONE: alone}
    return pd.concat([fit(one, name, over_depth=over_depth) for name, one in models.items()], ignore_index=True)


_NO_TERMS = pd.DataFrame({"order": [0.0, 1.0]})
