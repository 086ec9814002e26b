"""What the controls support, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.controls.advice import schedules_to_add
from analysis.controls.configurations import Configurations
from analysis.controls.pairs import MEASURES
from analysis.controls.regression import INSEPARABLE, ORDER_ALONE, SIZE_AND_ORDER
from analysis.statistics import LEVEL
from lwq_tune.results.schema import COLUMNS

HIGH_VIF = 5.0
MOST_NAMED = 5
BOTH_EQUAL = "at equal weight bits and BitOps"
Record = Mapping[Any, Any]
TERMS = {
    "order": "order",
    "mean_weight_bits": "mean weight bits",
    "log2_bitops": "BitOps",
    "log2_width": "width",
}


def amount(value: float, column: str, *, signed: bool = False) -> str:
    """Return a difference of a figure with its unit; of an accuracy, in percentage points.

    >>> amount(0.0123, "test_accuracy", signed=True), amount(2e-6, "energy_kwh")
    ('+1.23 points', '2e-06 kWh')
    """
    is_accuracy = column.endswith("accuracy")
    unit = "points" if is_accuracy else COLUMNS[column].unit
    number = 100 * value if is_accuracy else value
    return f"{number:{'+' if signed else ''}{'.2f' if is_accuracy else '.3g'}} {unit}"


def span(low: float, high: float, column: str) -> str:
    """Return an interval with its unit.

    >>> span(-0.01, 0.02, "test_accuracy")
    '95 % interval -1.00 to +2.00 points'
    """
    first = amount(low, column, signed=True)
    return f"95 % interval {first.split()[0]} to {amount(high, column, signed=True)}"


def is_found(row: Record) -> bool:
    """Return whether a pair differs, all pairs of its family taken together."""
    return bool(row["p_holm"] < LEVEL)


def pair_verdict(row: Record, tolerance: float) -> str:
    """Return what a pair of `analysis.controls.pairs.compare_pairs` says; of a cost that is not equal, its excess."""
    column = row["column"]
    if row["n_seeds"] == 0:
        return "no shared seed: nothing can be said"
    if row["n_seeds"] == 1:
        return "one shared seed: no interval, nothing can be said"
    if math.isnan(row["p"]):
        return "no spread between seeds at all: no interval, nothing can be said"
    if not is_found(row):
        return f"no detectable difference ({_detectable(row['detectable'], column)} would have been)"
    is_first = row["difference"] > 0
    name = row["first_label"] if is_first else row["second_label"]
    words = f"{name} is higher by {amount(abs(row['difference']), column)}"
    unequal = [_unequal(row, measure, is_first=is_first, tolerance=tolerance) for measure in MEASURES]
    more = " and ".join(filter(None, unequal))
    return f"{words}, at {more}" if more else f"{words}, {BOTH_EQUAL}"


def _detectable(value: float, column: str) -> str:
    """Return a detectable difference in words; an accuracy cannot differ by more than 1."""
    return (
        "nothing, with so few seeds," if column.endswith("accuracy") and value > 1 else f"about {amount(value, column)}"
    )


def _unequal(row: Record, measure: str, *, is_first: bool, tolerance: float) -> str:
    ratio = 1 + row[f"{measure}_excess"]
    ratio = ratio if is_first else 1 / ratio
    if max(ratio, 1 / ratio) - 1 <= tolerance + 1e-12:
        return ""
    return f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'fewer'} {MEASURES[measure]}".replace("%", " %")


def sentences(
    configurations: Configurations, pairs: pd.DataFrame, regression: pd.DataFrame, metric: str, tolerance: float
) -> list[str]:
    """Return what pairs and regression support, a sentence each; "no detectable difference" is among them.

    Args:
        configurations: What was trained.
        pairs: Rows of the metric.
        regression: From `analysis.controls.regression.regress`.
        metric: What they explain.
        tolerance: Up to which share costs count as equal.
    """
    return [*_on_pairs(pairs, metric, tolerance), *_on_order(configurations, regression, metric)]


def _on_pairs(pairs: pd.DataFrame, metric: str, tolerance: float) -> list[str]:
    tested = pairs[pairs["p"].notna()]
    kind = f"{len(pairs)} pairs of equal cost (within {tolerance:.3g}, or the same sum of bits)"
    if tested.empty:
        return [f"{kind}, and none with a second shared seed that varies: no interval can be given; train more seeds."]
    found = tested[tested["p_holm"] < LEVEL].sort_values("p")
    if len(tested) < len(pairs):
        kind = f"the {len(tested)} with two or more shared seeds that vary, of {kind}"
    typical = _detectable(float(tested["detectable"].median()), metric)
    if found.empty:
        return [
            f"No detectable difference of {metric} in any of {kind}, with 5 % for all together (Holm); in the median "
            f"pair {typical} would have been detected in 80 % of cases."
        ]
    n_equal = sum(verdict.endswith(BOTH_EQUAL) for verdict in found["verdict"])
    named = "; ".join(
        f"{row['first_label']} against {row['second_label']}: {row['verdict']}"
        for row in found.head(MOST_NAMED).to_dict("records")
    )
    return [
        f"{len(found)} of {kind} differ in {metric}, with 5 % for all together (Holm): in "
        f"{_favours_more_weight_bits(found, tolerance)} the one with more weight bits is higher, in {n_equal} both "
        f"weight bits and BitOps are equal. {named}{'; …' if len(found) > MOST_NAMED else ''}."
    ]


def _favours_more_weight_bits(found: pd.DataFrame, tolerance: float) -> int:
    is_unequal = found["weight_bits_excess"].abs() > tolerance
    return int((is_unequal & (np.sign(found["difference"]) == np.sign(found["weight_bits_excess"]))).sum())


def _on_order(configurations: Configurations, regression: pd.DataFrame, metric: str) -> list[str]:
    records: list[dict[Any, Any]] = regression.to_dict("records")
    full = {row["term"]: row for row in records if row["model"] == SIZE_AND_ORDER}
    alone = [row for row in records if row["model"] == ORDER_ALONE]
    if not full:
        return ["Fewer than two quantized schedules share a seed, so nothing can be said on order."]
    quantized = configurations.table[configurations.table["is_quantized"]]
    order = full["order"]
    # A single degree of freedom may leave an interval that holds every accuracy there is.
    is_vacuous = metric.endswith("accuracy") and order["detectable"] >= 1
    if math.isnan(order["std_error"]) or is_vacuous:
        return [_cannot_tell(quantized, full)]
    effect = (
        f"{amount(order['coefficient'], metric, signed=True)} for each bit that a stage has more than the one before, "
        f"at equal mean weight bits and BitOps ({span(order['low'], order['high'], metric)}; "
        f"{order['n_configurations']} quantized configurations, the units of evidence)"
    )
    if order["p"] < LEVEL:
        which = "ascending" if order["coefficient"] > 0 else "descending"
        first = f"Bits in the right place: {metric} is higher in {which} order, {effect}."
    else:
        first = (
            f"No detectable difference by order: {effect}; about {amount(order['detectable'], metric)} would have been "
            "detected in 80 % of cases."
        )
    return [first, _on_size(full, alone[0], metric), *_warnings(configurations, quantized, order)]


def _on_size(full: Mapping[str, Record], alone: Record, metric: str) -> str:
    """Return how size goes with the figure, and what order looks like if size is not looked at."""
    size = full["mean_weight_bits"]
    if math.isnan(size["std_error"]):
        told = "What more bits do cannot be told from the rest here"
    else:
        told = (
            f"{'More bits' if size['p'] < LEVEL else 'No detectable difference by size'}: "
            f"{amount(size['coefficient'], metric, signed=True)} for each mean weight bit, at equal order and BitOps "
            f"({span(size['low'], size['high'], metric)})"
        )
    if math.isnan(alone["std_error"]):
        return f"{told}."
    return (
        f"{told}. Without regard to size and BitOps, order alone would seem to give "
        f"{amount(alone['coefficient'], metric, signed=True)} ({span(alone['low'], alone['high'], metric)})."
    )


def _cannot_tell(quantized: pd.DataFrame, full: Mapping[str, Record]) -> str:
    """Return why order cannot be told from size, and the schedules that would tell."""
    order = full["order"]
    who = f"{order['n_configurations']} quantized configurations"
    if quantized["order"].nunique() == 1:
        reason = "all quantized schedules have the same order score"
    elif order["n_configurations"] <= len(full):
        reason = f"{who} are too few for {len(full)} terms beside the level ({_correlations(quantized)})"
    elif order["explained_by_others"] >= INSEPARABLE:
        others = ", ".join(TERMS[term] for term in full if term != "order")
        reason = f"in these {who} it goes with {others} ({_correlations(quantized)})"
    elif math.isfinite(order["std_error"]):
        reason = f"{who} leave an interval that is wider than accuracy itself ({_correlations(quantized)})"
    else:
        reason = f"{who} leave no degree of freedom for an interval, or one of them alone decides"
    return f"The data cannot tell order from size: {reason}; {_advice(quantized)}."


def _correlations(quantized: pd.DataFrame) -> str:
    """Return the correlation of order with each cost over the configurations."""
    parts = []
    for column, words in (("mean_weight_bits", "mean weight bits"), ("bitops", "BitOps")):
        if quantized[column].nunique() > 1 and quantized["order"].nunique() > 1:
            value = np.corrcoef(quantized["order"], quantized[column].astype(float))[0, 1]
            parts.append(f"correlation with {words} {value:+.2f}")
    return ", ".join(parts)


def _advice(quantized: pd.DataFrame) -> str:
    present = [tuple(int(bits) for bits in widths) for widths in quantized["bit_widths"]]
    if len({len(widths) for widths in present}) != 1:
        return "train more schedules of one network"
    listed = ", ".join("-".join(map(str, widths)) for widths in schedules_to_add(present))
    return f"add {listed}, or train the space controls_iso_size"


def _warnings(configurations: Configurations, quantized: pd.DataFrame, order: Record) -> list[str]:
    """Return what weakens the regression: terms that nearly coincide, and a single seed."""
    words = []
    if order["vif"] > HIGH_VIF:
        words.append(
            f"The other terms explain {100 * order['explained_by_others']:.0f} % of order here "
            f"({_correlations(quantized)}), which makes its interval {math.sqrt(order['vif']):.1f} times as wide; for "
            f"a sharper answer {_advice(quantized)}."
        )
    if len(configurations.seeds) == 1:
        words.append("With one seed the regression rests on the spread between schedules alone; train more seeds.")
    return words
