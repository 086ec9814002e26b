from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.errors import ConfigError
from lwq_tune.quantization.schedules import (
    NAMED_SCHEDULES,
    check_bit_width,
    check_bit_widths,
    count_bit_widths,
    enumerate_bit_widths,
    family,
    one_bit_more,
    parse_schedule,
    schedule_name,
)

SCHEDULES = st.lists(st.sampled_from([2, 3, 4, 5, 6, 7, 8, 32]), min_size=1, max_size=6).map(tuple)


@given(SCHEDULES)
def test_a_name_says_all_bits(bit_widths: tuple[int, ...]) -> None:
    assert parse_schedule(schedule_name(bit_widths), len(bit_widths)) == bit_widths


@given(SCHEDULES)
def test_reversing_swaps_ascending_and_descending(bit_widths: tuple[int, ...]) -> None:
    mirrored = {"ascending": "descending", "descending": "ascending"}
    kind = family(bit_widths)
    assert family(bit_widths[::-1]) == mirrored.get(kind, kind)


def test_named_schedules_have_their_names() -> None:
    assert len(NAMED_SCHEDULES) == 6
    for name, bit_widths in NAMED_SCHEDULES.items():
        assert schedule_name(bit_widths) == name
        assert parse_schedule(name, 3) == bit_widths


@pytest.mark.parametrize("constraint", ["free", "ascending", "descending", "fixed"])
@pytest.mark.parametrize("n_stages", [1, 2, 3, 4])
def test_a_constraint_selects_from_the_full_product(constraint: str, n_stages: int) -> None:
    choices = [4, 2, 8]
    keeps = {
        "free": lambda b: True,
        "ascending": lambda b: list(b) == sorted(b),
        "descending": lambda b: list(b) == sorted(b, reverse=True),
        "fixed": lambda b: len(set(b)) == 1,
    }[constraint]
    expected = [b for b in itertools.product(sorted(choices), repeat=n_stages) if keeps(b)]
    assert enumerate_bit_widths(choices, n_stages, constraint) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("bit_width", [0, 9, 16, 31, -2, 2.5, 2.0, True, "4", None])
def test_an_impossible_bit_width_is_refused_with_its_value(bit_width: object) -> None:
    with pytest.raises(ConfigError, match=r"\[1, 8\], or 32 for full precision, got"):
        check_bit_width(bit_width)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ascending_432", "its bits [4, 3, 2] are descending"),
        ("mixed_222", "are fixed"),
        ("ascending_2345", "one entry per unit (3), got 4"),
        ("fixed_9", "got 9"),
        ("fast", "a schedule is full_precision"),
        ("", "a schedule is full_precision"),
    ],
)
def test_a_wrong_name_is_refused_with_the_reason(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_schedule(name, 3)
    assert message in str(caught.value)


@pytest.mark.parametrize("constraint", ["free", "ascending", "descending", "fixed"])
@pytest.mark.parametrize("n_choices", [1, 2, 4])
@pytest.mark.parametrize("n_stages", [1, 2, 5])
def test_schedules_are_as_many_as_are_enumerated(constraint: str, n_choices: int, n_stages: int) -> None:
    found = enumerate_bit_widths(range(2, 2 + n_choices), n_stages, constraint)  # type: ignore[arg-type]
    assert count_bit_widths(n_choices, n_stages, constraint) == len(found)  # type: ignore[arg-type]


def test_bits_are_1_to_8_or_32() -> None:
    possible = [*range(1, 9), 32]
    assert [check_bit_width(bits) for bits in possible] == possible
    assert check_bit_widths([1, 8, 32], 3) == (1, 8, 32)


def test_a_progressive_start_has_a_bit_more_below_4_bits() -> None:
    assert one_bit_more((1, 2, 3, 4, 5, 8, 32)) == (2, 3, 4, 4, 5, 8, 32)


def test_fixed_bits_may_be_said_once_or_for_each_stage() -> None:
    assert parse_schedule("fixed_3", 3) == parse_schedule("fixed_333", 3) == (3, 3, 3)
    assert parse_schedule("fixed_3", 1) == (3,)
    assert parse_schedule("full_precision", 2) == (32, 32)
    assert parse_schedule("mixed_32_2_32", 3) == (32, 2, 32)
    with pytest.raises(ConfigError, match=r"one entry per unit \(3\), got 1"):
        parse_schedule("ascending_2", 3)
    with pytest.raises(ConfigError, match=r"one entry per unit \(3\), got 2"):
        parse_schedule("fixed_33", 3)


@pytest.mark.parametrize(
    ("bits", "kind"),
    [
        ((2,), "fixed"),
        ((32,), "full_precision"),
        ((2, 2, 3), "ascending"),
        ((3, 2, 2), "descending"),
        ((2, 3, 2), "mixed"),
        ((3, 2, 3), "mixed"),
        ((4, 32, 32), "ascending"),
        ((2, 2), "fixed"),
    ],
)
def test_a_family_is_how_bits_change_from_stage_to_stage(bits: tuple[int, ...], kind: str) -> None:
    assert family(bits) == kind


LONG = st.lists(st.sampled_from([2, 3, 4, 8, 32]), min_size=7, max_size=60).map(tuple)


def n_runs(bit_widths: tuple[int, ...]) -> int:
    return 1 + sum(a != b for a, b in itertools.pairwise(bit_widths))


@given(LONG | LONG.map(lambda bits: tuple(sorted(bits))))
def test_a_long_schedule_has_a_short_name_that_says_its_bits_where_they_are_few_runs(bits: tuple[int, ...]) -> None:
    name = schedule_name(bits)
    assert len(name) <= 45
    assert name.startswith(family(bits))
    if n_runs(bits) <= 6:
        assert parse_schedule(name, len(bits)) == bits
    else:
        with pytest.raises(ConfigError, match="give the bits as a list"):
            parse_schedule(name, len(bits))


def test_names_of_long_schedules_are_runs_or_number_mean_and_digest() -> None:
    assert schedule_name((2,) * 5 + (3,) * 4 + (4,) * 5) == "ascending_2x5_3x4_4x5"
    assert schedule_name((4,) * 3 + (32, 2, 2, 2)) == "mixed_4x3_32x1_2x3"
    assert schedule_name((3,) * 20) == "fixed_3"
    assert schedule_name((32,) * 20) == "full_precision"
    assert schedule_name((2, 3, 2, 3, 2, 3)) == "mixed_232323"
    # printf 2-3-2-3-2-3-2 | sha256sum
    assert schedule_name((2, 3, 2, 3, 2, 3, 2)) == "mixed_7_units_2.43_bits_8b4af9"
    mixed = (2, 3, 4) * 7
    assert schedule_name(mixed) != schedule_name(mixed[::-1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ascending_2x5_3x4_4x4", r"one entry per unit \(14\), got 13: 2x5_3x4_4x4"),
        ("ascending_2x999999", r"\(14\), got 999999"),
        ("descending_2x5_3x9", "but its bits .* are ascending"),
        ("fixed_9x14", "got 9"),
        ("ascending_2x", "or with runs of equal bits such as ascending_2x5_3x4"),
        ("mixed_14_units_2.50_bits_0a1b2c", "does not say all bits, got 'mixed_14_units_2.50_bits_0a1b2c'; give"),
    ],
)
def test_a_wrong_name_of_a_long_schedule_is_refused_with_the_reason(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_schedule(name, 14)


def test_runs_may_be_written_for_any_number_of_units() -> None:
    assert parse_schedule("ascending_2x1_3x1_4x1", 3) == (2, 3, 4)
    assert parse_schedule("fixed_3x14", 14) == parse_schedule("fixed_3", 14) == (3,) * 14
    assert parse_schedule("ascending_22222333344444", 14) == (2,) * 5 + (3,) * 4 + (4,) * 5
