"""Schedules: which unit of the network gets how many bits. No torch.

A *bit-width triple* (a tuple of any length here, one entry per unit, by default a residual stage) gives the bits
of weights and of input and output activations of each unit, shallow to deep (Ikram et al. 2025, Algorithm 1).
A *family* is a property of the triple and is always derived from it.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from lwq_tune.errors import ConfigError
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS

BitWidths = tuple[int, ...]
Family = Literal["full_precision", "fixed", "ascending", "descending", "mixed"]
Constraint = Literal["free", "ascending", "descending", "fixed"]

MIN_BIT_WIDTH, MAX_BIT_WIDTH = 1, 8
BIT_WIDTHS = (*range(MIN_BIT_WIDTH, MAX_BIT_WIDTH + 1), FULL_PRECISION_BITS)
PROGRESSIVE_TOP_BITS = 4
FAMILIES: tuple[str, ...] = get_args(Family)
NAMED_SCHEDULES: dict[str, BitWidths] = {
    "full_precision": (32, 32, 32),
    "fixed_2": (2, 2, 2),
    "fixed_3": (3, 3, 3),
    "fixed_4": (4, 4, 4),
    "ascending_234": (2, 3, 4),
    "descending_432": (4, 3, 2),
}

MAX_UNITS_SPELLED = 6  # a name spells the bits of so many units, one by one
MAX_RUNS_NAMED = 6  # and of more units as so many runs of equal bits

_NAME = re.compile(r"(fixed|ascending|descending|mixed)_(\d+|\d{1,4}(?:_\d{1,4})+)")
_RUNS = re.compile(r"(fixed|ascending|descending|mixed)_(\d{1,4}x\d{1,6}(?:_\d{1,4}x\d{1,6})*)")
NAME_PATTERN = rf"^(full_precision|{_NAME.pattern}|{_RUNS.pattern})$"
_DIGEST = re.compile(r"(?:ascending|descending|mixed)_\d+_units_[\d.]+_bits_[0-9a-f]{6}")


def check_bit_width(bit_width: object) -> int:
    """Return ``bit_width`` when it is one that a stage can have.

    Raises:
        ConfigError: It is not an integer in [1, 8] and not 32 (full precision).

    >>> check_bit_width(4)
    4
    """
    if type(bit_width) is int and (MIN_BIT_WIDTH <= bit_width <= MAX_BIT_WIDTH or bit_width == FULL_PRECISION_BITS):
        return bit_width
    raise ConfigError(
        f"bit_width must be an integer in [{MIN_BIT_WIDTH}, {MAX_BIT_WIDTH}], "
        f"or {FULL_PRECISION_BITS} for full precision, got {bit_width!r}"
    )


def check_bit_widths(bit_widths: Iterable[object], n_units: int) -> BitWidths:
    """Return ``bit_widths`` as a tuple when it fits a network of ``n_units`` units.

    Args:
        bit_widths: Bits of each.
        n_units: Units of the network.

    Raises:
        ConfigError: An entry is not a bit-width, or the length is not ``n_units``.
    """
    checked = tuple(check_bit_width(bit_width) for bit_width in bit_widths)
    if len(checked) != n_units:
        raise ConfigError(f"bit_widths must hold one entry per unit ({n_units}), got {len(checked)}: {list(checked)}")
    return checked


def family(bit_widths: Sequence[int]) -> Family:
    """Return the family of a schedule; equal neighbours count as both rising and falling.

    >>> [family(b) for b in [(32, 32, 32), (3, 3, 3), (2, 2, 4), (4, 3, 2), (2, 4, 3)]]
    ['full_precision', 'fixed', 'ascending', 'descending', 'mixed']
    """
    if all(bit_width == FULL_PRECISION_BITS for bit_width in bit_widths):
        return "full_precision"
    steps = [after - before for before, after in itertools.pairwise(bit_widths)]
    if all(step == 0 for step in steps):
        return "fixed"
    if all(step >= 0 for step in steps):
        return "ascending"
    if all(step <= 0 for step in steps):
        return "descending"
    return "mixed"


def schedule_name(bit_widths: Sequence[int]) -> str:
    """Return the one name of a schedule.

    Up to 6 units it spells their bits; of more, runs of equal bits as bits x units; where there are more than 6 runs,
    the number of units, the mean of their bits and a digest. `parse_schedule` gets the bits back from all but the last.

    >>> schedule_name((2, 3, 4)), schedule_name((3, 3)), schedule_name((32, 4, 2))
    ('ascending_234', 'fixed_3', 'descending_32_4_2')
    >>> schedule_name((2,) * 5 + (3,) * 4 + (4,) * 5)
    'ascending_2x5_3x4_4x5'
    >>> schedule_name((2, 3) * 10)
    'mixed_20_units_2.50_bits_d55cf5'
    """
    kind = family(bit_widths)
    if kind == "full_precision":
        return kind
    if kind == "fixed":
        return f"fixed_{bit_widths[0]}"
    if len(bit_widths) <= MAX_UNITS_SPELLED:
        separator = "" if max(bit_widths) < 10 else "_"
        return f"{kind}_{separator.join(str(bit_width) for bit_width in bit_widths)}"
    runs = [f"{bits}x{len(list(units))}" for bits, units in itertools.groupby(bit_widths)]
    if len(runs) <= MAX_RUNS_NAMED:
        return f"{kind}_{'_'.join(runs)}"
    digest = hashlib.sha256("-".join(map(str, bit_widths)).encode()).hexdigest()[:6]
    return f"{kind}_{len(bit_widths)}_units_{sum(bit_widths) / len(bit_widths):.2f}_bits_{digest}"


def parse_schedule(name: str, n_stages: int) -> BitWidths:
    """Return the bit-widths that a schedule's name stands for.

    Args:
        name: ``full_precision``, ``fixed_B``, or a family and bits: one by one such as ``ascending_234``, or in runs
            such as ``ascending_2x5_3x4_4x5``, bits x units.
        n_stages: Units of the network.

    Raises:
        ConfigError: The name is not of that form, holds a digest, or names another family than its bits have.

    >>> parse_schedule("descending_432", 3), parse_schedule("fixed_2", 4), parse_schedule("mixed_2x3_3x1_2x3", 7)
    ((4, 3, 2), (2, 2, 2, 2), (2, 2, 2, 3, 2, 2, 2))
    """
    if name == "full_precision":
        return (FULL_PRECISION_BITS,) * n_stages
    if _DIGEST.fullmatch(name):
        raise ConfigError(
            f"a name with a digest does not say all bits, got {name!r}; give the bits as a list, which the column "
            "bit_widths of the tables holds"
        )
    match = _RUNS.fullmatch(name) or _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(
            f"a schedule is full_precision, fixed_B, or a family with one digit per stage such as "
            f"ascending_234, or with runs of equal bits such as ascending_2x5_3x4, got {name!r}"
        )
    kind, digits = match.groups()
    bits = _spelled_bits(digits, n_stages)
    if kind == "fixed" and len(bits) == 1:
        bits *= n_stages
    bit_widths = check_bit_widths(bits, n_stages)
    if family(bit_widths) != kind:
        raise ConfigError(f"schedule {name!r} says {kind}, but its bits {bits} are {family(bit_widths)}")
    return bit_widths


def _spelled_bits(digits: str, n_stages: int) -> list[int]:
    """Return the bits that stand in a name behind the family.

    Raises:
        ConfigError: They are runs over another number of units.
    """
    if "x" not in digits:
        return [int(part) for part in (digits.split("_") if "_" in digits else digits)]
    runs = [tuple(map(int, run.split("x"))) for run in digits.split("_")]
    n_units = sum(n for _, n in runs)
    if n_units != n_stages:
        raise ConfigError(f"bit_widths must hold one entry per unit ({n_stages}), got {n_units}: {digits}")
    return [bits for bits, n in runs for _ in range(n)]


def one_bit_more(bit_widths: BitWidths) -> BitWidths:
    """Return the schedule that a progressive start comes from: a bit more in each stage below 4 bits.

    >>> one_bit_more((2, 3, 4))
    (3, 4, 4)
    """
    return tuple(bits + 1 if bits < PROGRESSIVE_TOP_BITS else bits for bits in bit_widths)


def count_bit_widths(n_choices: int, n_stages: int, constraint: Constraint) -> int:
    """Return how many schedules `enumerate_bit_widths` would give, without making them.

    >>> count_bit_widths(3, 3, "free"), count_bit_widths(3, 3, "ascending"), count_bit_widths(3, 3, "fixed")
    (27, 10, 3)
    """
    if constraint == "fixed":
        return n_choices
    return n_choices**n_stages if constraint == "free" else math.comb(n_choices + n_stages - 1, n_stages)


def enumerate_bit_widths(choices: Sequence[int], n_stages: int, constraint: Constraint) -> list[BitWidths]:
    """Return every schedule over ``choices`` that keeps to ``constraint``, in lexicographic order.

    ``ascending`` means never falling and ``descending`` never rising, so both hold the fixed schedules.

    >>> enumerate_bit_widths([2, 4], 2, "ascending")
    [(2, 2), (2, 4), (4, 4)]
    >>> len(enumerate_bit_widths([2, 3, 4], 3, "free"))
    27
    """
    ordered = sorted({check_bit_width(choice) for choice in choices})
    if constraint == "fixed":
        return [(choice,) * n_stages for choice in ordered]
    if constraint == "ascending":
        return list(itertools.combinations_with_replacement(ordered, n_stages))
    if constraint == "descending":
        return list(itertools.combinations_with_replacement(ordered[::-1], n_stages))[::-1]
    return list(itertools.product(ordered, repeat=n_stages))
