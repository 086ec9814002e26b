"""Pairs of configurations of equal cost, and the paired difference between them over the seeds they share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.controls.configurations import Configurations
from analysis.fronts.replicates import smallest_step
from analysis.statistics import (
    LEVEL,
    detectable,
    hedges_correction,
    holm,
    percentile_bootstrap,
    student_quantile,
    two_sided_p,
)

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
TOLERANCE = 0.02
# A full-precision network has whole channels, so few cost the same as a schedule. One that costs more by up to this
# share is compared all the same: a schedule that beats it beats more than an equal.
FULL_PRECISION_REACH = 0.5
_ROUNDING = 1e-12
MEASURES = {"weight_bits": "weight bits", "bitops": "BitOps"}
STATISTICS = [
    "n_seeds",
    "difference",
    "std",
    "t_low",
    "t_high",
    "simultaneous_low",
    "simultaneous_high",
    "bootstrap_low",
    "bootstrap_high",
    "p",
    "p_holm",
    "cohens_dz",
    "hedges_gz",
    "detectable",
]


def excess(first: Array, second: Array) -> Array:
    """Return by what share the larger cost is above the smaller one.

    >>> excess(np.array([100.0, 98.0]), np.array([102.0, 98.0])).round(2).tolist()
    [0.02, 0.0]
    """
    return np.maximum(first, second) / np.minimum(first, second) - 1


def find_pairs(table: pd.DataFrame, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Return the pairs of configurations of equal cost that differ in nothing but bits and width.

    Equal means weight bits, or BitOps, within ``tolerance`` of each other (larger over smaller), or the same sum of
    bits over the stages at the same width. Besides, a quantized configuration is paired with the cheapest network in
    full precision that costs more, if it costs up to 50 % more.

    Args:
        table: `Configurations.table`.
        tolerance: Share, 0 or more.

    Returns:
        Rows of the table in ``i`` and ``j``, the more ascending one first (then the one with more weight bits),
        ``equal_in`` (such as ``weight bits + BitOps``), and ``weight_bits_excess`` and ``bitops_excess``, cost of the
        first over that of the second, less 1.
    """
    n_rows = len(table)
    ranked = np.lexsort((np.arange(n_rows), -table["weight_bits"], -table["order"]))
    place = np.argsort(ranked)
    i, j = np.triu_indices(n_rows, k=1)
    i, j = np.where(place[i] < place[j], i, j), np.where(place[i] < place[j], j, i)
    group = table["group"].to_numpy()
    reasons = _reasons(table, i, j, tolerance)
    kept = np.flatnonzero((group[i] == group[j]) & np.any(list(reasons.values()), axis=0))
    named = [" + ".join(name for name, holds in reasons.items() if holds[pair]) for pair in kept]
    i, j = i[kept], j[kept]
    cost = {measure: table[measure].to_numpy() for measure in MEASURES}
    excesses = {f"{measure}_excess": values[i] / values[j] - 1 for measure, values in cost.items()}
    return pd.DataFrame({"i": i, "j": j, "equal_in": named, **excesses})


def _reasons(table: pd.DataFrame, i: Indices, j: Indices, tolerance: float) -> dict[str, NDArray[np.bool_]]:
    """Return which pairs are equal in each cost, and which are a configuration and the full precision next above it."""
    value = {name: table[name].to_numpy() for name in ("width", "sum_of_bits", *MEASURES)}
    is_same_shape = (value["width"][i] == value["width"][j]) & (_n_stages(table)[i] == _n_stages(table)[j])
    reasons: dict[str, NDArray[np.bool_]] = {
        name: excess(value[measure][i], value[measure][j]) <= tolerance + _ROUNDING
        for measure, name in MEASURES.items()
    }
    reasons["sum of bits"] = (value["sum_of_bits"][i] == value["sum_of_bits"][j]) & is_same_shape
    for measure, name in MEASURES.items():
        above = _next_full_precision(table, measure, tolerance)
        is_next = (above[i] == j) | (above[j] == i)
        reasons[f"full precision above in {name}"] = is_next & ~reasons[name]
    return reasons


def _n_stages(table: pd.DataFrame) -> Indices:
    return np.array([len(bits) for bits in table["bit_widths"]], dtype=np.int64)


def _next_full_precision(table: pd.DataFrame, measure: str, tolerance: float) -> Indices:
    """Return for each quantized configuration the full-precision network of its group that costs next more, else -1."""
    cost, group = table[measure].to_numpy(), table["group"].to_numpy()
    is_full = (table["schedule"] == "full_precision").to_numpy()
    found = np.full(len(table), -1, dtype=np.int64)
    for row in np.flatnonzero(table["is_quantized"]):
        ratio = cost / cost[row]
        is_rival = is_full & (group == group[row])
        is_equal = excess(cost, cost[row : row + 1]) <= tolerance + _ROUNDING
        fits = is_rival & ~is_equal & (ratio > 1) & (ratio <= 1 + FULL_PRECISION_REACH)
        if fits.any() and not (is_rival & is_equal).any():
            found[row] = np.flatnonzero(fits)[np.argmin(ratio[fits])]
    return found


def paired_statistics(values: Array, first: Indices, second: Indices) -> pd.DataFrame:
    """Return the statistics of the paired differences of a figure, first less second, over shared seeds.

    Student's t for paired differences holds at any number of seeds if the differences are normal; the percentile
    bootstrap stands beside it. A figure that moves in steps (an accuracy: of one image) has at least the
    spread of rounding to a step, which is step / sqrt(6) for a difference. One shared seed gives a difference alone.

    Args:
        values: Shape (n_configurations, n_seeds), NaN where not measured.
        first: Rows of the first of each pair, shape (n_pairs,).
        second: Rows of the second.

    Returns:
        One row per pair, columns `STATISTICS`: ``difference`` and ``std`` in the unit of the figure, a 95 % interval
        (``t_low``, ``t_high``), one that holds for all pairs at once (Bonferroni), the bootstrap's, ``p`` and
        ``p_holm``, Cohen's d_z and the same without its small-sample bias (Hedges), and the difference that would be
        detected in 80 % of cases at the level corrected for all pairs.
    """
    differences = values[first] - values[second]
    is_known = ~np.isnan(differences)
    frame = pd.DataFrame(np.nan, index=range(len(differences)), columns=STATISTICS)
    frame["n_seeds"] = is_known.sum(axis=1)
    n_tests = max(1, int((frame["n_seeds"] > 1).sum()))
    floor = smallest_step(values) / np.sqrt(6)
    for mask in np.unique(is_known, axis=0):
        rows = np.flatnonzero((is_known == mask).all(axis=1))
        if mask.any():
            _fill(frame, rows, differences[np.ix_(rows, np.flatnonzero(mask))], floor, n_tests)
    frame["p_holm"] = holm(frame["p"].to_numpy())
    return frame


def _fill(frame: pd.DataFrame, rows: Indices, differences: Array, floor: float, n_tests: int) -> None:
    """Write the statistics of pairs that share the same seeds into their rows."""
    n_seeds = differences.shape[1]
    mean = differences.mean(axis=1)
    found = {"difference": mean}
    if n_seeds > 1:
        df = n_seeds - 1
        spread = np.maximum(differences.std(axis=1, ddof=1), floor)
        error = spread / np.sqrt(n_seeds)
        is_spread = error > 1e-12 * np.abs(mean)
        error = np.where(is_spread, error, np.nan)
        low, high = percentile_bootstrap(differences)
        reach, wide = student_quantile(LEVEL / 2, df) * error, student_quantile(LEVEL / 2 / n_tests, df) * error
        effect = np.where(is_spread, mean / np.where(is_spread, spread, 1), np.nan)
        found |= {
            "std": spread,
            "t_low": mean - reach,
            "t_high": mean + reach,
            "simultaneous_low": mean - wide,
            "simultaneous_high": mean + wide,
            "bootstrap_low": low,
            "bootstrap_high": high,
            "p": two_sided_p(mean / error, df),
            "cohens_dz": effect,
            "hedges_gz": hedges_correction(df) * effect,
            "detectable": detectable(error, df, LEVEL / 2 / n_tests),
        }
    for name, column in found.items():
        frame.loc[rows, name] = column


def compare_pairs(configurations: Configurations, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair and figure: both configurations, which costs are equal, and `paired_statistics`.

    Args:
        configurations: With the figures to compare; each is a family of its own for the correction.
        pairs: From `find_pairs`.
    """
    table = configurations.table
    first, second = pairs["i"].to_numpy(), pairs["j"].to_numpy()
    who = {
        f"{side}_{name}": table[column].to_numpy()[rows]
        for side, rows in (("first", first), ("second", second))
        for name, column in (("schedule", "schedule"), ("width", "width"), ("label", "label"), ("order", "order"))
    }
    described = pd.DataFrame(who, index=pairs.index).join(pairs.drop(columns=["i", "j"]))
    return pd.concat(
        [
            pd.concat([described, paired_statistics(values, first, second)], axis=1).assign(column=column)
            for column, values in configurations.figures.items()
        ],
        ignore_index=True,
    )
