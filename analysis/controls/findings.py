"""What pairs of equal cost and the regression find, as values; `analysis.controls.sentences` says them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from analysis.block_regression import INSEPARABLE
from analysis.controls.advice import schedules_to_add
from analysis.controls.configurations import Configurations
from analysis.controls.pairs import MEASURES
from analysis.controls.regression import ORDER_ALONE, SIZE_AND_ORDER
from analysis.findings import Estimate, Finding
from analysis.runs.networks import bits_text
from analysis.statistics import LEVEL

HIGH_VIF = 5.0
Record = Mapping[Any, Any]


class PairKind(Enum):
    """What a pair of configurations of equal cost says about one figure."""

    NO_SHARED_SEED = "no shared seed"
    ONE_SHARED_SEED = "one shared seed"
    NO_SPREAD = "no spread between seeds"
    NO_DIFFERENCE = "no detectable difference"
    FIRST_IS_HIGHER = "the first is higher"
    SECOND_IS_HIGHER = "the second is higher"


class PairsKind(Enum):
    """What all pairs together say about the metric."""

    NONE_TESTED = "none tested"
    NONE_DIFFERS = "none differs"
    SOME_DIFFER = "some differ"


class OrderKind(Enum):
    """What the regression says about the order of the bits over the units."""

    NOT_COMPARED = "fewer than two quantized schedules share a seed"
    SAME_ORDER = "all quantized schedules have the same order score"
    TOO_FEW_SCHEDULES = "too few schedules for the terms"
    GOES_WITH_OTHER_TERMS = "order goes with the other terms"
    INTERVAL_TOO_WIDE = "the interval is wider than accuracy itself"
    NO_DEGREE_OF_FREEDOM = "no degree of freedom is left, or one schedule decides"
    HAS_EFFECT = "order has an effect"
    NO_EFFECT = "no detectable effect of order"
    OVERLAPS_OTHER_TERMS = "other terms explain most of order"


class SizeKind(Enum):
    """What the regression says about the mean weight bits."""

    NOT_SEPARABLE = "size cannot be separated from the other terms"
    HAS_EFFECT = "size has an effect"
    NO_EFFECT = "no detectable effect of size"


class AdviceKind(Enum):
    """What would answer more."""

    ADD_SCHEDULES = "add schedules"
    ONE_NETWORK = "train more schedules of one network"
    MORE_SEEDS = "train more seeds"


INSEPARABLE_ORDERS = frozenset(
    {
        OrderKind.SAME_ORDER,
        OrderKind.TOO_FEW_SCHEDULES,
        OrderKind.GOES_WITH_OTHER_TERMS,
        OrderKind.INTERVAL_TOO_WIDE,
        OrderKind.NO_DEGREE_OF_FREEDOM,
    }
)


def find_in_pair(row: Record, tolerance: float) -> Finding[PairKind]:
    """Return what a pair of `analysis.controls.pairs.compare_pairs` says.

    Args:
        row: One row.
        tolerance: Up to which share costs count as equal.

    Returns:
        Subjects are the first and the second configuration; ``difference`` is the first less the second. Where one is
        higher, an excess for each cost that is not equal, named as in `MEASURES`: of the higher one over the other.
    """
    kind = _kind_of_pair(row)
    estimates = {
        "difference": Estimate(row["difference"], row["t_low"], row["t_high"], row["detectable"]),
        **_unequal_costs(row, kind, tolerance),
    }
    is_open = kind not in (PairKind.FIRST_IS_HIGHER, PairKind.SECOND_IS_HIGHER)
    return Finding(kind, is_open, row["column"], (row["first_label"], row["second_label"]), estimates)


def _kind_of_pair(row: Record) -> PairKind:
    if row["n_seeds"] == 0:
        return PairKind.NO_SHARED_SEED
    if row["n_seeds"] == 1:
        return PairKind.ONE_SHARED_SEED
    if math.isnan(row["p"]):
        return PairKind.NO_SPREAD
    if not row["p_holm"] < LEVEL:
        return PairKind.NO_DIFFERENCE
    return PairKind.FIRST_IS_HIGHER if row["difference"] > 0 else PairKind.SECOND_IS_HIGHER


def _unequal_costs(row: Record, kind: PairKind, tolerance: float) -> dict[str, Estimate]:
    if kind not in (PairKind.FIRST_IS_HIGHER, PairKind.SECOND_IS_HIGHER):
        return {}
    ratios = {measure: 1 + row[f"{measure}_excess"] for measure in MEASURES}
    of_higher = {name: ratio if kind is PairKind.FIRST_IS_HIGHER else 1 / ratio for name, ratio in ratios.items()}
    return {
        name: Estimate(ratio - 1) for name, ratio in of_higher.items() if max(ratio, 1 / ratio) - 1 > tolerance + 1e-12
    }


def find_controls(
    configurations: Configurations, pairs: pd.DataFrame, regression: pd.DataFrame, metric: str, tolerance: float
) -> list[Finding[Any]]:
    """Return what pairs and regression support and leave open, "no detectable difference" included.

    Args:
        configurations: What was trained.
        pairs: Rows of the metric, with a ``finding`` each from `find_in_pair`.
        regression: From `analysis.controls.regression.regress`.
        metric: What they explain.
        tolerance: Up to which share costs count as equal.
    """
    return [_find_in_pairs(pairs, metric, tolerance), *_find_in_regression(configurations, regression, metric)]


def _find_in_pairs(pairs: pd.DataFrame, metric: str, tolerance: float) -> Finding[PairsKind]:
    tested = pairs[pairs["p"].notna()]
    found = tested[tested["p_holm"] < LEVEL].sort_values("p")
    counts = {"pairs": len(pairs), "tested": len(tested), "different": len(found)}
    estimates = {"tolerance": Estimate(tolerance)}
    if tested.empty:
        return Finding(PairsKind.NONE_TESTED, True, metric, estimates=estimates, counts=counts)
    estimates["difference"] = Estimate(math.nan, detectable=float(tested["detectable"].median()))
    if found.empty:
        return Finding(PairsKind.NONE_DIFFERS, True, metric, estimates=estimates, counts=counts)
    parts: tuple[Finding[PairKind], ...] = tuple(found["finding"])
    counts |= {
        "higher_with_more_weight_bits": _count_higher_with_more_weight_bits(found, tolerance),
        "equal_in_both": sum(not set(MEASURES) & set(part.estimates) for part in parts),
    }
    return Finding(PairsKind.SOME_DIFFER, False, metric, estimates=estimates, counts=counts, parts=parts)


def _count_higher_with_more_weight_bits(found: pd.DataFrame, tolerance: float) -> int:
    is_unequal = found["weight_bits_excess"].abs() > tolerance
    return int((is_unequal & (np.sign(found["difference"]) == np.sign(found["weight_bits_excess"]))).sum())


def _find_in_regression(configurations: Configurations, regression: pd.DataFrame, metric: str) -> list[Finding[Any]]:
    records: list[dict[Any, Any]] = regression.to_dict("records")
    full = {row["term"]: row for row in records if row["model"] == SIZE_AND_ORDER}
    alone = [row for row in records if row["model"] == ORDER_ALONE]
    if not full:
        return [Finding(OrderKind.NOT_COMPARED, True, metric)]
    quantized = configurations.table[configurations.table["is_quantized"]]
    order = full["order"]
    counts = {"configurations": int(order["n_configurations"]), "terms": len(full)}
    if configurations.is_over_depth:
        counts["units"] = int(quantized["bit_widths"].map(len).max())
    estimates = {
        "order": _estimate(order),
        "explained_by_others": Estimate(order["explained_by_others"]),
        "vif": Estimate(order["vif"]),
        **_correlations(quantized),
    }
    # A single degree of freedom may leave an interval that holds every accuracy there is.
    is_vacuous = metric.endswith("accuracy") and order["detectable"] >= 1
    if math.isnan(order["std_error"]) or is_vacuous:
        others = tuple(term for term in full if term != "order")
        return [Finding(_why_inseparable(quantized, full), True, metric, others, estimates, counts, _advice(quantized))]
    kind = OrderKind.HAS_EFFECT if order["p"] < LEVEL else OrderKind.NO_EFFECT
    found: list[Finding[Any]] = [
        Finding(kind, kind is OrderKind.NO_EFFECT, metric, estimates=estimates, counts=counts),
        _find_size(full["mean_weight_bits"], alone[0], metric),
    ]
    if order["vif"] > HIGH_VIF:
        found.append(Finding(OrderKind.OVERLAPS_OTHER_TERMS, True, metric, (), estimates, counts, _advice(quantized)))
    if len(configurations.seeds) == 1:
        found.append(Finding(AdviceKind.MORE_SEEDS, True, metric))
    return found


def _find_size(size: Record, alone: Record, metric: str) -> Finding[SizeKind]:
    """Return how size goes with the figure, and what order looks like if size is not looked at."""
    kind = SizeKind.NO_EFFECT
    if math.isnan(size["std_error"]):
        kind = SizeKind.NOT_SEPARABLE
    elif size["p"] < LEVEL:
        kind = SizeKind.HAS_EFFECT
    estimates = {"mean_weight_bits": _estimate(size), "order_alone": _estimate(alone)}
    return Finding(kind, kind is not SizeKind.HAS_EFFECT, metric, estimates=estimates)


def _estimate(row: Record) -> Estimate:
    return Estimate(row["coefficient"], row["low"], row["high"], row["detectable"])


def _why_inseparable(quantized: pd.DataFrame, full: Mapping[str, Record]) -> OrderKind:
    order = full["order"]
    if quantized["order"].nunique() == 1:
        return OrderKind.SAME_ORDER
    if order["n_configurations"] <= len(full):
        return OrderKind.TOO_FEW_SCHEDULES
    if order["explained_by_others"] >= INSEPARABLE:
        return OrderKind.GOES_WITH_OTHER_TERMS
    return OrderKind.INTERVAL_TOO_WIDE if math.isfinite(order["std_error"]) else OrderKind.NO_DEGREE_OF_FREEDOM


def _correlations(quantized: pd.DataFrame) -> dict[str, Estimate]:
    """Return the correlation of order with each cost over the configurations, without costs that are constant."""
    return {
        f"correlation_{column}": Estimate(float(np.corrcoef(quantized["order"], quantized[column].astype(float))[0, 1]))
        for column in ("mean_weight_bits", "bitops")
        if quantized[column].nunique() > 1 and quantized["order"].nunique() > 1
    }


def _advice(quantized: pd.DataFrame) -> tuple[Finding[AdviceKind]]:
    """Return the schedules that would separate order from size."""
    present = [tuple(int(bits) for bits in widths) for widths in quantized["bit_widths"]]
    if len({len(widths) for widths in present}) != 1:
        return (Finding(AdviceKind.ONE_NETWORK, True),)
    added = tuple(map(bits_text, schedules_to_add(present)))
    return (Finding(AdviceKind.ADD_SCHEDULES, True, subjects=added),)
