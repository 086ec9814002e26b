"""Configurations for controls: what each costs, how its bits are ordered, and its figures by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.keys import CONFIGURATION, SETTINGS, first_trials
from analysis.runs.networks import FEW_UNITS
from analysis.runs.seeds import configuration_labels

FULL_PRECISION_BITS = 32
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Configurations:
    """Configurations of one or several runs.

    Attributes:
        table: One row per configuration, by its key, in order of appearance: ``label`` (schedule, and what else tells
            it apart), ``schedule``, ``bit_widths``, ``width``, ``group`` (number of its settings other than bits and
            width), ``order`` (`order_score`, or over the depth), ``sum_of_bits``, ``weight_bits``,
            ``mean_weight_bits``, ``bitops`` and ``is_quantized`` (no unit in full precision).
        figures: Of each column, an array of shape (n_configurations, n_seeds), rows as in ``table``, NaN where it was
            not measured.
        seeds: The seeds, ascending.
        is_over_depth: Whether ``order`` is the slope over the depth of the network, from 0 at its first unit to 1 at
            its last, as it is where a network has more than six units; else it is the slope from unit to unit.
    """

    table: pd.DataFrame
    figures: dict[str, Array]
    seeds: tuple[int, ...]
    is_over_depth: bool = False


def order_score(bit_widths: Sequence[int]) -> float:
    """Return the slope of the bits over the units by least squares: bits that a unit has more than the one before.

    Ascending schedules have a positive one, descending schedules a negative one, fixed ones and a single unit 0.

    >>> [order_score(bits) for bits in [(2, 3, 4), (4, 3, 2), (3, 3, 3), (2, 4, 3), (8,)]]
    [1.0, -1.0, 0.0, 0.5, 0.0]
    >>> order_score((2, 2, 4, 4))
    0.8
    """
    stages = np.arange(len(bit_widths)) - (len(bit_widths) - 1) / 2
    square = float(stages @ stages)
    return float(stages @ np.asarray(bit_widths, dtype=float)) / square if square else 0.0


def order_over_depth(bit_widths: Sequence[int]) -> float:
    """Return the same slope over the depth: bits that the last unit has more than the first, by the line through all.

    >>> order_over_depth((2, 3, 4)), order_over_depth(range(2, 9))
    (2.0, 6.0)
    """
    return order_score(bit_widths) * (len(bit_widths) - 1)


def read_configurations(trials: pd.DataFrame, columns: Sequence[str]) -> Configurations:
    """Return the configurations of finished trials; a seed that several runs trained counts once, by its mean.

    Args:
        trials: Finished trials, comparable with one another.
        columns: Figures to keep by seed.
    """
    first = first_trials(trials)
    by_seed = trials.groupby([CONFIGURATION, "config_seed"])[[*columns]].mean(skipna=False).astype(float)
    seeds = tuple(sorted(int(seed) for seed in trials["config_seed"].unique()))
    figures = {
        column: by_seed[column].unstack().reindex(index=first.index, columns=list(seeds)).to_numpy(dtype=float)
        for column in columns
    }
    is_over_depth = bool((first["bit_widths"].map(len) > FEW_UNITS).any())
    return Configurations(_describe(first, over_depth=is_over_depth), figures, seeds, is_over_depth)


def _describe(first: pd.DataFrame, *, over_depth: bool) -> pd.DataFrame:
    """Return `Configurations.table` from one trial of each configuration."""
    others = [key for key in SETTINGS if key in first and key != "config_width"]
    groups = first[others].map(str).agg("|".join, axis=1) if others else pd.Series("", index=first.index)
    bits = first["bit_widths"]
    return pd.DataFrame(
        {
            "label": configuration_labels(first),
            "schedule": first["schedule"],
            "bit_widths": bits,
            "width": first["config_width"].astype(float).fillna(1.0),  # networks that have no width
            "group": pd.factorize(groups)[0],
            "order": bits.map(order_over_depth if over_depth else order_score),
            "sum_of_bits": bits.map(sum),
            "weight_bits": first["weight_bits"].astype(float),
            "mean_weight_bits": first["mean_weight_bits"].astype(float),
            "bitops": first["bitops"].astype(float),
            "is_quantized": bits.map(lambda widths: FULL_PRECISION_BITS not in widths),
        }
    )
