"""Which schedules are advised, against least squares written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.controls import advice
from analysis.controls.advice import schedules_to_add, terms_of

Schedule = tuple[int, ...]
PRESENT: list[Schedule] = [(2, 3, 4), (4, 3, 2), (3, 3, 3), (2, 4, 3), (4, 2, 3)]


def variance_of_order(schedules: list[Schedule]) -> float:
    rows = []
    for bits in schedules:
        shares = [4**stage for stage in range(len(bits))]
        size = sum(bit * share for bit, share in zip(bits, shares, strict=True)) / sum(shares)
        mean_square = sum(bit * bit for bit in bits) / len(bits)
        rows.append([1.0, np.polyfit(range(len(bits)), bits, 1)[0], size, np.log2(mean_square)])
    design = np.array(rows)
    return float(np.linalg.inv(design.T @ design)[1, 1])


def test_each_schedule_that_is_added_lowers_the_variance_of_order_most() -> None:
    added = schedules_to_add(PRESENT)
    assert len(added) == 3
    chosen = list(PRESENT)
    for schedule in added:
        others = [bits for bits in itertools.product((2, 3, 4), repeat=3) if bits not in chosen]
        least = min(variance_of_order([*chosen, bits]) for bits in others)
        assert variance_of_order([*chosen, schedule]) == pytest.approx(least, rel=1e-6)
        chosen.append(schedule)


@pytest.mark.parametrize(
    ("present", "n_added"),
    [([(2, 3, 4)], 6), (PRESENT[:2], 5), ([*PRESENT[:2], *PRESENT[:2]], 5), (PRESENT[:3], 4), (PRESENT[:4], 3)],
)
def test_so_many_are_added_that_three_degrees_of_freedom_are_left_and_three_at_least(
    present: list[Schedule], n_added: int
) -> None:
    added = schedules_to_add(present)
    assert len(added) == len(set(added)) == n_added
    assert not set(added) & set(present)


@pytest.mark.parametrize(
    ("present", "bits"),
    [
        ([(3, 3, 3)], {3, 4, 5}),  # at least three values
        ([(2, 2, 2), (2, 2, 6)], {2, 3, 4, 5, 6}),
        ([bits for bits in itertools.product((2, 3, 4), repeat=2) if bits != (4, 4)], {2, 3, 4, 5}),  # nearly all
        (list(itertools.product((2, 3, 4), repeat=3))[:-3], {2, 3, 4}),  # three are left
        (list(itertools.product((2, 3, 4), repeat=3))[:-2], {2, 3, 4, 5}),
        ([(2, 2, 2, 2, 8), (2, 2, 2, 8, 2)], {2, 3, 4}),  # 7^5 schedules are too many to try
    ],
)
def test_schedules_are_over_the_bits_that_are_there_or_a_few_more(present: list[Schedule], bits: set[int]) -> None:
    added = schedules_to_add(present)
    assert {bit for schedule in added for bit in schedule} <= bits
    assert max(bit for schedule in added for bit in schedule) == max(bits)


@pytest.mark.parametrize(("most", "top"), [(64, 5), (63, 4)])
def test_all_schedules_over_the_bits_are_tried_up_to_the_most_that_are(
    most: int, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "MOST_CANDIDATES", most)  # 2 to 5 bits in three stages: 64
    added = schedules_to_add([(2, 2, 5), (5, 2, 2), (2, 5, 2), (3, 3, 3)])
    assert max(bit for schedule in added for bit in schedule) == top


def test_terms_are_order_mean_bits_and_the_logarithm_of_the_mean_square() -> None:
    # Weights 1 : 4 : 16 : 64. (8, 2, 2, 4): slope (-1.5 x 8 - 0.5 x 2 + 0.5 x 2 + 1.5 x 4) / 5.
    (found,) = terms_of([(8, 2, 2, 4)]).tolist()
    assert found == pytest.approx([-1.2, (8 + 8 + 32 + 256) / 85, np.log2(22)])


@pytest.mark.parametrize("n_units", [7, 14, 20, 60])
def test_of_many_units_neighbours_get_equal_bits_in_six_groups(n_units: int) -> None:
    present = [(2,) * n_units, (4,) * n_units, tuple(2 if unit < n_units // 2 else 4 for unit in range(n_units))]
    added = schedules_to_add(present)
    assert len(added) == 4
    assert not set(added) & set(present)
    for schedule in added:
        assert len(schedule) == n_units
        assert set(schedule) <= {2, 3, 4}
        assert sum(one != other for one, other in itertools.pairwise(schedule)) <= 5
    least = min(variance_of_order_over([*present, bits]) for bits in grouped_schedules(n_units))
    assert variance_of_order_over([*present, added[0]]) == pytest.approx(least, rel=1e-4)


def grouped_schedules(n_units: int) -> list[Schedule]:
    """Return all schedules of six groups of neighbours over 2 to 4 bits."""
    ends = [-(-group * n_units // 6) for group in range(7)]
    counts = [after - before for before, after in itertools.pairwise(ends)]
    return [
        tuple(bit for bit, count in zip(bits, counts, strict=True) for _ in range(count))
        for bits in itertools.product((2, 3, 4), repeat=6)
    ]


def variance_of_order_over(schedules: list[Schedule]) -> float:
    """Return the same variance in a network of many units, whose weights grow 1024-fold from the first to the last."""
    rows = []
    for bits in schedules:
        shares = [4 ** (5 * unit / (len(bits) - 1)) for unit in range(len(bits))]
        size = sum(bit * share for bit, share in zip(bits, shares, strict=True)) / sum(shares)
        mean_square = sum(bit * bit for bit in bits) / len(bits)
        rows.append([1.0, np.polyfit(np.linspace(0, 1, len(bits)), bits, 1)[0], size, np.log2(mean_square)])
    design = np.array(rows)
    if np.linalg.matrix_rank(design, tol=1e-6) < 4:
        return np.inf
    return float(np.linalg.inv(design.T @ design)[1, 1])
