"""The findings of the controls as sentences, a sentence or two each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.controls.findings import INSEPARABLE_ORDERS, AdviceKind, OrderKind, PairKind, PairsKind, SizeKind
from analysis.controls.pairs import MEASURES
from analysis.findings import Estimate, Finding
from analysis.wording import per_cent
from lwq_tune.results.schema import COLUMNS

MOST_NAMED = 5
TERMS = {
    "order": "order",
    "mean_weight_bits": "mean weight bits",
    "log2_bitops": "BitOps",
    "log2_width": "width",
}
CORRELATED = {"mean_weight_bits": "mean weight bits", "bitops": "BitOps"}
UNTESTED_PAIRS = {
    PairKind.NO_SHARED_SEED: "no shared seed: nothing can be said",
    PairKind.ONE_SHARED_SEED: "one shared seed: no interval, nothing can be said",
    PairKind.NO_SPREAD: "no spread between seeds at all: no interval, nothing can be said",
}


def _is_accuracy(column: str) -> bool:
    return column.endswith("accuracy")


def _number(value: float, column: str, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.2f}" if _is_accuracy(column) else f"{value:{sign}.3g}"


def _unit(column: str) -> str:
    return "points" if _is_accuracy(column) else COLUMNS[column].unit


def amount(value: float, column: str, *, signed: bool = False) -> str:
    """Return a difference of a figure with its unit; of an accuracy, in percentage points.

    >>> amount(0.0123, "test_accuracy", signed=True), amount(2e-6, "energy_kwh")
    ('+1.23 points', '2e-06 kWh')
    """
    return f"{_number(value, column, signed=signed)} {_unit(column)}"


def span(estimate: Estimate, column: str) -> str:
    """Return the interval of an estimate with its unit.

    >>> span(Estimate(0.0, -0.01, 0.02), "test_accuracy")
    '95 % interval -1.00 to +2.00 points'
    """
    low = _number(estimate.low, column, signed=True)
    return f"95 % interval {low} to {amount(estimate.high, column, signed=True)}"


def pair_sentence(finding: Finding[PairKind]) -> str:
    """Return what a pair says, with the excess of each cost that is not equal."""
    if finding.kind in UNTESTED_PAIRS:
        return UNTESTED_PAIRS[finding.kind]
    difference = finding.estimates["difference"]
    if finding.kind is PairKind.NO_DIFFERENCE:
        return f"no detectable difference ({_detectable(difference, finding.column)} would have been)"
    higher = finding.subjects[0 if finding.kind is PairKind.FIRST_IS_HIGHER else 1]
    unequal = [
        f"{per_cent(abs(finding.estimates[measure].value))} "
        f"{'more' if finding.estimates[measure].value > 0 else 'fewer'} {name}"
        for measure, name in MEASURES.items()
        if measure in finding.estimates
    ]
    costs = " and ".join(unequal) or "equal weight bits and BitOps"
    return f"{higher} is higher by {amount(abs(difference.value), finding.column)}, at {costs}"


def _detectable(estimate: Estimate, column: str) -> str:
    """Return what would have been detected; an accuracy cannot differ by more than 1."""
    if _is_accuracy(column) and estimate.detectable > 1:
        return "nothing, with so few seeds,"
    return f"about {amount(estimate.detectable, column)}"


def control_sentence(finding: Finding[Any], *, with_examples: bool = True) -> str:
    """Return a finding of `analysis.controls.findings.find_controls` as text.

    Args:
        finding: What was found.
        with_examples: Whether single pairs are named.
    """
    kind = finding.kind
    if isinstance(kind, PairsKind):
        return _on_pairs(finding, with_examples=with_examples)
    if isinstance(kind, SizeKind):
        return _on_size(finding)
    if kind is AdviceKind.MORE_SEEDS:
        return "With one seed the regression rests on the spread between schedules alone; train more seeds."
    return _on_order(finding)


def _on_pairs(finding: Finding[PairsKind], *, with_examples: bool) -> str:
    counts, metric = finding.counts, finding.column
    tolerance = finding.estimates["tolerance"].value
    pairs = f"{counts['pairs']} pairs of equal cost (within {tolerance:.3g}, or the same sum of bits)"
    if finding.kind is PairsKind.NONE_TESTED:
        return f"{pairs}, and none with a second shared seed that varies: no interval can be given; train more seeds."
    if counts["tested"] < counts["pairs"]:
        pairs = f"the {counts['tested']} with two or more shared seeds that vary, of {pairs}"
    if finding.kind is PairsKind.NONE_DIFFERS:
        return (
            f"No detectable difference of {metric} in any of {pairs}, with 5 % for all together (Holm); in the median "
            f"pair {_detectable(finding.estimates['difference'], metric)} would have been detected in 80 % of cases."
        )
    statement = (
        f"{counts['different']} of {pairs} differ in {metric}, with 5 % for all together (Holm): in "
        f"{counts['higher_with_more_weight_bits']} the one with more weight bits is higher, in "
        f"{counts['equal_in_both']} both weight bits and BitOps are equal."
    )
    if not with_examples:
        return statement
    named = "; ".join(
        f"{part.subjects[0]} against {part.subjects[1]}: {pair_sentence(part)}" for part in finding.parts[:MOST_NAMED]
    )
    return f"{statement} {named}{'; …' if len(finding.parts) > MOST_NAMED else ''}."


def _on_order(finding: Finding[OrderKind]) -> str:
    kind, metric = finding.kind, finding.column
    if kind is OrderKind.NOT_COMPARED:
        return "Fewer than two quantized schedules share a seed, so nothing can be said on order."
    if kind in INSEPARABLE_ORDERS:
        return f"The data cannot tell order from size: {_why_inseparable(finding)}; {_advice(finding)}."
    if kind is OrderKind.OVERLAPS_OTHER_TERMS:
        return (
            f"The other terms explain {per_cent(finding.estimates['explained_by_others'].value)} of order here "
            f"({_correlations(finding.estimates)}), which makes its interval "
            f"{math.sqrt(finding.estimates['vif'].value):.1f} times as wide; for a sharper answer {_advice(finding)}."
        )
    order = finding.estimates["order"]
    effect = (
        f"{amount(order.value, metric, signed=True)} for each bit that {_more(finding)}, at equal mean weight bits and "
        f"BitOps ({span(order, metric)}; {finding.counts['configurations']} quantized configurations, the units of "
        "evidence)"
    )
    if kind is OrderKind.HAS_EFFECT:
        which = "ascending" if order.value > 0 else "descending"
        return f"Bits in the right place: {metric} is higher in {which} order, {effect}."
    return (
        f"No detectable difference by order: {effect}; about {amount(order.detectable, metric)} would have been "
        "detected in 80 % of cases."
    )


def _on_size(finding: Finding[SizeKind]) -> str:
    """Return how size goes with the figure, and what order looks like if size is not looked at."""
    metric = finding.column
    size, alone = finding.estimates["mean_weight_bits"], finding.estimates["order_alone"]
    if finding.kind is SizeKind.NOT_SEPARABLE:
        told = "The effect of more bits cannot be separated from the other terms here"
    else:
        told = (
            f"{'More bits' if finding.kind is SizeKind.HAS_EFFECT else 'No detectable difference by size'}: "
            f"{amount(size.value, metric, signed=True)} for each mean weight bit, at equal order and BitOps "
            f"({span(size, metric)})"
        )
    if math.isnan(alone.low):
        return f"{told}."
    return (
        f"{told}. Without regard to size and BitOps, order alone would seem to give "
        f"{amount(alone.value, metric, signed=True)} ({span(alone, metric)})."
    )


def _why_inseparable(finding: Finding[OrderKind]) -> str:
    who = f"{finding.counts['configurations']} quantized configurations"
    correlations = _correlations(finding.estimates)
    if finding.kind is OrderKind.SAME_ORDER:
        return "all quantized schedules have the same order score"
    if finding.kind is OrderKind.TOO_FEW_SCHEDULES:
        return f"{who} are too few for {finding.counts['terms']} terms beside the level ({correlations})"
    if finding.kind is OrderKind.GOES_WITH_OTHER_TERMS:
        others = ", ".join(TERMS[term] for term in finding.subjects)
        return f"in these {who} it goes with {others} ({correlations})"
    if finding.kind is OrderKind.INTERVAL_TOO_WIDE:
        return f"{who} leave an interval that is wider than accuracy itself ({correlations})"
    return f"{who} leave no degree of freedom for an interval, or one of them alone decides"


def _correlations(estimates: Mapping[str, Estimate]) -> str:
    return ", ".join(
        f"correlation with {name} {estimates[f'correlation_{column}'].value:+.2f}"
        for column, name in CORRELATED.items()
        if f"correlation_{column}" in estimates
    )


def _more(finding: Finding[OrderKind]) -> str:
    """Return what has a bit more where the order is one higher."""
    if n_units := finding.counts.get("units"):
        return f"the last of {n_units} units has more than the first (slope over the depth)"
    return "a stage has more than the one before"


def _advice(finding: Finding[OrderKind]) -> str:
    (advice,) = finding.parts
    if advice.kind is AdviceKind.ONE_NETWORK:
        return "train more schedules of one network"
    listed = ", ".join(advice.subjects)
    if "units" in finding.counts:  # the space is of three stages
        return f"add {listed} (bits x units, shallow to deep)"
    return f"add {listed}, or train the space controls_iso_size"
