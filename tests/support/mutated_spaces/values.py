"""Values of a wrong type, out of range, huge, no numbers, nested, empty."""

from __future__ import annotations

import random
from collections.abc import Iterator

from lwq_tune.errors import ConfigError
from lwq_tune.quantization.schedules import parse_schedule
from tests.support.mutated_spaces.spaces import (
    SOUND,
    UNREADABLE,
    Found,
    Path,
    Values,
    changed,
    dotted,
    has,
    leaves,
    listed,
    nodes,
    raw,
    typo,
    value_at,
)

# Settings that may be null: it is their default, or leaves a rule or a limit out.
NULLABLE = {
    "population",
    "max_mean_weight_bits",
    "max_bitops",
    "max_weight_mib",
    "asha",
    "dominance",
    "plateau",
    "target",
    "marginal",
    "pretrain_epochs",
    "pretrain_batch_size",
    "pretrain_lr",
    "act_bit_widths",
}
WRONG_TYPES: dict[type, tuple[object, ...]] = {
    int: ("eight", "8", [1], {"a": 1}, True, 1.5, None),
    float: ("fast", "0.1", [0.1], {"a": 1}, True, None),
    str: (3, 1.5, ["x"], {"a": 1}, True, None),
}


def named_at(path: Path) -> tuple[str, ...]:
    """Return what a message says of a value at a path that is not of its type."""
    if path == ("search", "trials"):
        return ("  - search",)  # null is a value of its type, but not beside this method
    return listed(path)


def value_of_wrong_type(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, value in leaves(values):
        for wrong in WRONG_TYPES[type(value)]:
            is_sound = wrong is None and path[-1] in NULLABLE
            label = f"{dotted(path)} {type(wrong).__name__}"
            # A mapping is a schedule with a width of its own, but not this one.
            is_variant = path[0] == "schedules" and len(path) == 2 and isinstance(wrong, dict)
            said = (f"  - {dotted(path)}.bits: it is required",) if is_variant else named_at(path)
            yield label, changed(values, path, wrong), SOUND if is_sound else said


def section_of_wrong_type(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, value in nodes(values):
        if isinstance(value, dict):
            for wrong in ([1, 2], "all", 3, None) if path != ("bit_widths",) else ([1, 2], "all"):
                is_sound = wrong is None and path[-1] in NULLABLE
                said = listed(path) if path[0] == "schedules" else (f"  - {dotted(path)}: it must be a mapping",)
                yield f"{dotted(path)} {wrong}", changed(values, path, wrong), SOUND if is_sound else said
        elif isinstance(value, list) and path != ("seeds",):
            for wrong in ({"a": 1}, "all", 3):
                yield f"{dotted(path)} {wrong}", changed(values, path, wrong), listed(path)
    for wrong in ({"a": 1}, "all", None):
        yield f"seeds {wrong}", changed(values, ("seeds",), wrong), ("  - seeds.0: ",)
    yield "seeds 3", changed(values, ("seeds",), 3), SOUND


OUT_OF_RANGE: dict[Path, tuple[object, ...]] = {
    ("version",): (0, 2, -1),
    ("fixed", "epochs"): (0, -1, 2**31),
    ("fixed", "batch_size"): (0, 1, 2**31),
    ("fixed", "lr"): (0, -0.1),
    ("fixed", "width"): (0, 17, -1.0),
    ("schedules", 2, "width"): (0, 17, -1.0),
    ("fixed", "momentum"): (1, -0.1, 1.5),
    ("fixed", "weight_decay"): (-1e-9,),
    ("fixed", "pretrain_epochs"): (0,),
    ("fixed", "pretrain_lr"): (0, -1.0),
    ("fixed", "pretrain_batch_size"): (1,),
    ("fixed", "first_last_bit_width"): (4, 16),
    ("seeds", 0): (-1, 2**32),
    ("bit_widths", "choices", 1): (0, 9, 16, 33, -2),
    ("act_bit_widths", 2): (0, 9, -2),
    ("search", "trials"): (0, -3),
    ("search", "seed"): (-1, 2**32),
    ("search", "population"): (0, 1),
    ("limits", "max_mean_weight_bits"): (0, -1),
    ("limits", "max_bitops"): (0, -1e9),
    ("limits", "max_weight_mib"): (0, -0.5),
    ("stopping", "asha", "grace_epochs"): (0, -1, 8, 400),
    ("stopping", "asha", "reduction_factor"): (1, 0),
    ("stopping", "dominance", "optimism"): (-0.1, 1.5, 95),
    ("stopping", "dominance", "margin"): (-0.1, 2),
    ("stopping", "dominance", "grace_epochs"): (0, 8),
    ("stopping", "plateau", "epochs"): (0, 8, 9),
    ("stopping", "plateau", "min_gain"): (0, -0.1, 2),
    ("stopping", "target", "val_accuracy"): (0, 95, -1.0),
    ("stopping", "marginal", "last"): (0,),
    ("stopping", "marginal", "min_hypervolume_per_kg"): (0, -1.0),
}
# The same for rules that a message names by another place than the value.
BEYOND_LIMITS: dict[Path, tuple[object, str]] = {
    ("limits", "max_bitops"): (1, "limits must leave a schedule of bit_widths, none is within max_mean_weight_bits"),
    ("search", "trials"): (28, "search.trials must be at most "),
    ("fixed", "blocks"): ([1, 0, 1], "  - fixed: blocks must hold 1 to 1000 basic blocks"),
    ("fixed", "lr_milestones"): ([6, 4], "  - fixed: lr_milestones must rise"),
    ("act_bit_widths",): ([4, 4], "  - act_bit_widths: must hold one entry per unit (3), got 2"),
    ("schedules", 0): ([1, 1, 1], ": weights of 1 bit need quantizer: dorefa"),
    ("search", "method"): ("grid", "  - search: methods other than grid say"),
}


def value_out_of_range(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, wrong_values in OUT_OF_RANGE.items():
        for wrong in wrong_values if has(values, path) else ():
            yield f"{dotted(path)} {wrong}", changed(values, path, wrong), listed(path)
    for path, (wrong, said) in BEYOND_LIMITS.items():
        if has(values, path) and value_at(values, path) != wrong:
            yield f"{dotted(path)} {wrong}", changed(values, path, wrong), (said,)


# Names that one letter makes of another.
NAMES = {"cifar10", "cifar100"}


def is_schedule(word: str) -> bool:
    try:
        parse_schedule(word, 3)
    except ConfigError:
        return False
    return True


def word_misspelt(_name: str, values: Values, rng: random.Random) -> Iterator[Found]:
    for path, value in leaves(values):
        if not isinstance(value, str):
            continue
        wrong = typo(value, rng)
        said = {"dataset": f"dataset {wrong!r}", "model": "  - fixed: model must be one of", "column": "column must be"}
        named = (said[path[-1]],) if path[-1] in said else listed(path)  # type: ignore[index]
        if wrong not in NAMES and not (path[0] == "schedules" and is_schedule(wrong)):
            yield f"{dotted(path)} {wrong}", changed(values, path, wrong), (*named, wrong)


# Settings that have no upper limit.
UNLIMITED = {
    "lr",
    "weight_decay",
    "pretrain_lr",
    "max_mean_weight_bits",
    "max_bitops",
    "max_weight_mib",
    "reduction_factor",
    "last",
    "min_hypervolume_per_kg",
    "population",
}
SAID_OF_HUGE = {
    ("search", "trials"): ("search.trials must be at most ",),
    ("fixed", "blocks"): ("  - fixed: blocks must hold",),
    ("fixed", "lr_milestones"): ("  - fixed: lr_milestones must rise",),
}


def number_huge(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, value in leaves(values):
        if isinstance(value, str):
            continue
        is_item = isinstance(path[-1], int)
        said = SAID_OF_HUGE.get(path[:-1] if is_item else path, listed(path))
        yield dotted(path), changed(values, path, 10**30), SOUND if path[-1] in UNLIMITED else said
        for digits in (f"1{'0' * 400}", "9" * 5000, f"0x{'f' * 5000}", f"-{'9' * 400}"):
            yield f"{dotted(path)} {digits[:4]} {len(digits)}", raw(values, path, digits), UNREADABLE
        yield f"{dotted(path)} 1e400", raw(values, path, "1e400"), listed(path)


def no_number(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, value in leaves(values):
        for wrong in (".nan", ".inf", "-.inf") if not isinstance(value, str) else (".nan",):
            yield f"{dotted(path)} {wrong}", raw(values, path, wrong), listed(path)
        for wrong in ("\uff18", "\u0663", "\u00bd", "\U0001f600", '"\\ud800"', "8 epochs"):
            if not isinstance(value, str):
                yield f"{dotted(path)} {wrong!a}", raw(values, path, wrong), listed(path)


def nested_deeply(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, _ in leaves(values):
        for depth in (5, 30, 400, 3000):
            said = listed(path) if depth == 5 else (*UNREADABLE, "nested more than 20 deep")
            yield f"{dotted(path)} lists {depth}", raw(values, path, "[" * depth + "]" * depth), said
            mapping = "{a: " * depth + "1" + "}" * depth
            is_entry = (
                path[0] == "schedules" and len(path) == 2
            )  # a mapping there is a schedule with a width of its own
            of_mapping = (f"  - {dotted(path)}.bits: it is required",) if is_entry and depth == 5 else said
            yield f"{dotted(path)} mappings {depth}", raw(values, path, mapping), of_mapping


def list_empty_or_repeated(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    said_of_empty = {
        "blocks": ("  - fixed: blocks must hold",),
        "lr_milestones": ("  - fixed: lr_curve: step needs lr_milestones",),
        "act_bit_widths": SOUND,
    }
    for path, value in nodes(values):
        if isinstance(value, list):
            yield f"{dotted(path)} empty", changed(values, path, []), said_of_empty.get(str(path[-1]), listed(path))
    for path in (("seeds",), ("schedules",), ("bit_widths", "choices")):
        if has(values, path):
            yield f"{dotted(path)} twice", changed(values, path, value_at(values, path) * 2), SOUND
    axes = values["objectives"]
    yield "objectives repeated", changed(values, ("objectives",), [*axes, axes[0]]), listed(("objectives",))
    for n_axes in (1, 4):
        yield f"objectives {n_axes}", changed(values, ("objectives",), (axes * 2)[:n_axes]), listed(("objectives",))
