"""The wording of the controls' findings, which other tests assert as values."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import pytest

from analysis.controls.findings import INSEPARABLE_ORDERS, AdviceKind, OrderKind, PairKind, PairsKind, SizeKind
from analysis.controls.sentences import amount, control_sentence, pair_sentence, span
from analysis.findings import Estimate, Finding

METRIC = "test_accuracy"
ADVICE = (Finding(AdviceKind.ADD_SCHEDULES, subjects=("2-4-3", "4-2-3")),)
ORDER = {
    "order": Estimate(0.0123, 0.001, 0.02, 0.011),
    "explained_by_others": Estimate(0.84),
    "vif": Estimate(6.25),
    "correlation_mean_weight_bits": Estimate(0.913),
    "correlation_bitops": Estimate(-0.2),
}
PAIRS = {"tolerance": Estimate(0.02), "difference": Estimate(math.nan, detectable=0.0345)}


def pair(kind: PairKind, value: float = 0.05, detectable: float = 0.01, **excesses: float) -> Finding[PairKind]:
    difference = Estimate(value, detectable=detectable)
    estimates = {"difference": difference} | {name: Estimate(excess) for name, excess in excesses.items()}
    return Finding(kind, False, METRIC, ("one", "two"), estimates)


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (pair(PairKind.NO_SHARED_SEED), "no shared seed: nothing can be said"),
        (pair(PairKind.ONE_SHARED_SEED), "one shared seed: no interval, nothing can be said"),
        (pair(PairKind.NO_SPREAD), "no spread between seeds at all: no interval, nothing can be said"),
        (pair(PairKind.NO_DIFFERENCE), "no detectable difference (about 1.00 points would have been)"),
        (
            pair(PairKind.NO_DIFFERENCE, detectable=1.5),
            "no detectable difference (nothing, with so few seeds, would have been)",
        ),
        (pair(PairKind.FIRST_IS_HIGHER), "one is higher by 5.00 points, at equal weight bits and BitOps"),
        (
            pair(PairKind.FIRST_IS_HIGHER, weight_bits=0.564),
            "one is higher by 5.00 points, at 56 % more weight bits",
        ),
        (
            pair(PairKind.SECOND_IS_HIGHER, -0.05, weight_bits=0.1, bitops=-0.25),
            "two is higher by 5.00 points, at 10 % more weight bits and 25 % fewer BitOps",
        ),
    ],
)
def test_a_pair_has_its_sentence(finding: Finding[PairKind], expected: str) -> None:
    assert pair_sentence(finding) == expected


def test_every_kind_of_pair_has_a_sentence() -> None:
    assert all(pair_sentence(pair(kind)) for kind in PairKind)


def finding_of(kind: Enum, counts: dict[str, int] | None = None, **changes: Any) -> Finding[Any]:
    estimates = PAIRS if isinstance(kind, PairsKind) else ORDER
    parts = ADVICE if isinstance(kind, OrderKind) else ()
    return Finding(
        kind,
        **{
            "column": METRIC,
            "estimates": estimates,
            "parts": parts,
            "counts": {"configurations": 5, "terms": 3, "pairs": 9, "tested": 9} | (counts or {}),
            **changes,
        },
    )


SIZES = {"mean_weight_bits": Estimate(0.02, 0.01, 0.03), "order_alone": Estimate(0.03, 0.02, 0.04)}


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (
            finding_of(PairsKind.NONE_TESTED, {"tested": 0}),
            "9 pairs of equal cost (within 0.02, or the same sum of bits), and none with a second shared seed that "
            "varies: no interval can be given; train more seeds.",
        ),
        (
            finding_of(PairsKind.NONE_DIFFERS, {"tested": 4}),
            "No detectable difference of test_accuracy in any of the 4 with two or more shared seeds that vary, of 9 "
            "pairs of equal cost (within 0.02, or the same sum of bits), with 5 % for all together (Holm); in the "
            "median pair about 3.45 points would have been detected in 80 % of cases.",
        ),
        (
            finding_of(OrderKind.HAS_EFFECT),
            "Bits in the right place: test_accuracy is higher in ascending order, +1.23 points for each bit that a "
            "stage has more than the one before, at equal mean weight bits and BitOps (95 % interval +0.10 to +2.00 "
            "points; 5 quantized configurations, the units of evidence).",
        ),
        (
            finding_of(OrderKind.HAS_EFFECT, estimates={"order": Estimate(-0.01, -0.02, -0.001)}),
            "test_accuracy is higher in descending order, -1.00 points for each bit",
        ),
        (finding_of(OrderKind.NO_EFFECT), "about 1.10 points would have been detected in 80 % of cases."),
        (finding_of(OrderKind.NOT_COMPARED), "so nothing can be said on order."),
        (
            finding_of(OrderKind.SAME_ORDER),
            "all quantized schedules have the same order score; add 2-4-3, 4-2-3, or tr",
        ),
        (
            finding_of(OrderKind.TOO_FEW_SCHEDULES),
            "The data cannot tell order from size: 5 quantized configurations are too few for 3 terms beside the level "
            "(correlation with mean weight bits +0.91, correlation with BitOps -0.20); add 2-4-3, 4-2-3, or train the "
            "space controls_iso_size.",
        ),
        (
            finding_of(OrderKind.GOES_WITH_OTHER_TERMS, subjects=("mean_weight_bits", "log2_bitops")),
            "in these 5 quantized configurations it goes with mean weight bits, BitOps (correlation",
        ),
        (finding_of(OrderKind.INTERVAL_TOO_WIDE), "leave an interval that is wider than accuracy itself"),
        (finding_of(OrderKind.NO_DEGREE_OF_FREEDOM), "leave no degree of freedom for an interval, or one of them"),
        (
            finding_of(OrderKind.SAME_ORDER, parts=(Finding(AdviceKind.ONE_NETWORK),)),
            "the same order score; train more schedules of one network.",
        ),
        (
            finding_of(OrderKind.OVERLAPS_OTHER_TERMS),
            "The other terms explain 84 % of order here (correlation with mean weight bits +0.91, correlation with "
            "BitOps -0.20), which makes its interval 2.5 times as wide; for a sharper answer add 2-4-3, 4-2-3",
        ),
        (
            finding_of(SizeKind.HAS_EFFECT, estimates=SIZES),
            "More bits: +2.00 points for each mean weight bit, at equal order and BitOps (95 % interval +1.00 to +3.00 "
            "points). Without regard to size and BitOps, order alone would seem to give +3.00 points (95 % interval "
            "+2.00 to +4.00 points).",
        ),
        (finding_of(SizeKind.NO_EFFECT, estimates=SIZES), "No detectable difference by size: +2.00 points"),
        (
            finding_of(SizeKind.NOT_SEPARABLE, estimates=SIZES | {"order_alone": Estimate(0.03)}),
            "The effect of more bits cannot be separated from the other terms here.",
        ),
        (finding_of(AdviceKind.MORE_SEEDS), "With one seed the regression rests on the spread between schedules alone"),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Finding) else "",
)
def test_a_finding_has_its_sentence(finding: Finding[Any], expected: str) -> None:
    assert expected in control_sentence(finding)


def test_pairs_that_differ_are_counted_and_the_surest_are_named_unless_only_the_statement_is_wanted() -> None:
    counts = {"different": 6, "higher_with_more_weight_bits": 2, "equal_in_both": 1}
    finding = finding_of(PairsKind.SOME_DIFFER, counts, parts=(pair(PairKind.FIRST_IS_HIGHER),) * 6)
    statement = (
        "6 of 9 pairs of equal cost (within 0.02, or the same sum of bits) differ in test_accuracy, with 5 % for all "
        "together (Holm): in 2 the one with more weight bits is higher, in 1 both weight bits and BitOps are equal."
    )
    assert control_sentence(finding, with_examples=False) == statement
    whole = control_sentence(finding)
    assert whole.startswith(f"{statement} one against two: one is higher by 5.00 points")
    assert whole.count("one against two") == 5
    assert whole.endswith("; ….")


def test_five_pairs_are_all_named_and_nothing_hints_at_more() -> None:
    counts = {"different": 5, "higher_with_more_weight_bits": 2, "equal_in_both": 1}
    five = control_sentence(finding_of(PairsKind.SOME_DIFFER, counts, parts=(pair(PairKind.FIRST_IS_HIGHER),) * 5))
    assert five.count("one against two") == 5
    assert five.endswith("at equal weight bits and BitOps.")


def test_a_difference_of_the_whole_range_can_be_detected_and_one_of_more_cannot() -> None:
    for detectable, expected in ((1.0, "about 100.00 points would have been"), (1.01, "nothing, with so few seeds,")):
        assert expected in pair_sentence(pair(PairKind.NO_DIFFERENCE, detectable=detectable))
    estimate = Estimate(2e-6, detectable=1.5)
    energy = Finding(PairKind.NO_DIFFERENCE, True, "energy_kwh", ("one", "two"), {"difference": estimate})
    assert pair_sentence(energy) == "no detectable difference (about 1.5 kWh would have been)"
    higher = Finding(PairKind.FIRST_IS_HIGHER, False, "energy_kwh", ("one", "two"), {"difference": estimate})
    assert pair_sentence(higher) == "one is higher by 2e-06 kWh, at equal weight bits and BitOps"


def test_figures_of_other_columns_than_accuracy_have_their_unit_and_sign() -> None:
    estimate = Estimate(-2e-6, -3e-6, 1e-6)
    assert span(estimate, "energy_kwh") == "95 % interval -3e-06 to +1e-06 kWh"
    assert amount(-2e-6, "energy_kwh", signed=True) == "-2e-06 kWh"
    assert amount(0.5, "val_accuracy") == "50.00 points"


def test_every_reason_why_order_cannot_be_told_from_size_is_said_as_such() -> None:
    for kind in INSEPARABLE_ORDERS:
        assert control_sentence(finding_of(kind)).startswith("The data cannot tell order from size: ")
