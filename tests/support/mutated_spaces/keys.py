"""Keys misspelt, missing, given twice, or in a place that is not theirs."""

from __future__ import annotations

import random
from collections.abc import Iterator

import yaml

from tests.support.mutated_spaces.spaces import (
    SOUND,
    TEXTS,
    Found,
    Path,
    Values,
    changed,
    dotted,
    dropped,
    has,
    holder,
    keys,
    renamed,
    typo,
)


def key_misspelt(_name: str, values: Values, rng: random.Random) -> Iterator[Found]:
    for path in keys(values):
        word = str(path[-1])
        wrong = typo(word, rng)
        if wrong in holder(values, path) or wrong == "mode":
            continue
        hint = (f"did you mean '{word}'",) if len(word) > 3 and word != "model" else ()  # it may be nearer to mode
        where = dotted((*path[:-1], wrong))
        yield where, renamed(values, path, wrong), (f"  - {where}: unknown key", *hint)


def two_keys_misspelt(_name: str, values: Values, rng: random.Random) -> Iterator[Found]:
    first, second = rng.sample([path for path in keys(values) if path[0] == "fixed" and len(path) == 2], 2)
    mutant = yaml.safe_load(renamed(values, first, f"{first[-1]}_x")())
    yield (
        dotted(first),
        renamed(mutant, second, f"y_{second[-1]}"),
        (
            f"  - fixed.{first[-1]}_x: unknown key",
            f"  - fixed.y_{second[-1]}: unknown key",
        ),
    )


# What a message says where a key is missing that others need; all other keys may be left out.
NEEDED: dict[Path, str] = {
    ("version",): "  - version: it is required",
    ("bit_widths", "choices"): "  - bit_widths.choices: it is required",
    ("search", "method"): "  - search: methods other than grid say how many",
    ("search", "trials"): "  - search: methods other than grid say how many",
    ("stopping", "plateau", "epochs"): "  - stopping.plateau.epochs: must be below the epochs of a trial, 8, got 10",
    ("stopping", "marginal", "min_hypervolume_per_kg"): "  - stopping.marginal.min_hypervolume_per_kg: it is required",
    ("fixed", "init_from"): "  - fixed: pretrain_epochs, pretrain_batch_size, pretrain_lr belong to init_from",
    ("fixed", "lr_curve"): "  - fixed: lr_milestones belong to lr_curve",
    ("fixed", "lr_milestones"): "  - fixed: lr_curve: step needs lr_milestones",
    ("fixed", "blocks"): "  - fixed: blocks must hold",
}


def missing(name: str, values: Values, path: Path) -> str | None:
    """Return what a message says where a key is missing, None where it need not be there."""
    if path[0] in ("objectives", "schedules") and len(path) == 3:
        return f"  - {dotted(path)}: it is required"
    if path == ("schedules",) and "bit_widths" not in values:
        return "  - a search space names its trials"
    if path == ("search", "method") and "trials" not in values["search"]:
        return None
    if path == ("bit_widths",) and "search" in values and "trials" in values["search"]:
        return "search.trials must be at most 0"
    if path == ("objectives",) and name == "ptq_screen":
        return "  - objectives: evaluation: validation measures nothing on test images"
    if path == ("fixed", "lr_curve") and name != "blocks":
        return None
    if path == ("fixed", "model") and name == "blocks":
        return "  - fixed: resnet14 has blocks"
    return NEEDED.get(path)


def key_missing(name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path in keys(values):
        said = missing(name, values, path)
        yield dotted(path), dropped(values, path), (said,) if said else SOUND


def key_given_twice(name: str, _values: Values, _rng: random.Random) -> Iterator[Found]:
    lines = TEXTS.get(name, "").splitlines(keepends=True)
    for index, line in enumerate(lines):
        key = line.split(":")[0].strip()
        if line.rstrip().endswith(":") or key.startswith(("#", "-")) or ":" not in line:
            continue
        text = "".join([*lines[: index + 1], *lines[index:]])
        yield f"line {index + 1}", text, (f"a key may be given once, got '{key}' again in line {index + 2}",)


# A key where none is known by that name, and what the message adds to it.
STRAY: dict[Path, str] = {
    ("epochs",): "; it belongs under fixed",
    ("lr",): "; it belongs under fixed",
    ("trials",): "; known are version, fixed",
    ("fixed", "schedules"): "; it belongs at the top, beside fixed",
    ("fixed", "stopping"): "; it belongs at the top, beside fixed",
    ("fixed", "gpu"): "; known are dataset, model",
    ("search", "epochs"): "; it belongs under fixed",
    ("search", "max_bitops"): "; known are method, trials, seed, population",
    ("limits", "trials"): "; known are max_mean_weight_bits, max_bitops, max_weight_mib",
    ("bit_widths", "seed"): "; known are choices, constraint",
    ("stopping", "early"): "; known are asha, dominance, plateau, target, marginal",
    ("stopping", "target", "epochs"): "; it belongs under fixed",
    ("stopping", "asha", "max_t"): "; known are grace_epochs, reduction_factor",
    ("stopping", "marginal", "first"): "; known are last, min_hypervolume_per_kg",
    ("objectives", 0, "weight"): "; known are column, direction",
    ("schedules", 2, "seeds"): "; it belongs at the top, beside fixed",
    ("schedules", 2, "blocks"): "; it belongs under fixed",
}


def key_out_of_place(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    for path, hint in STRAY.items():
        if len(path) == 1 or (has(values, path[:-1]) and isinstance(holder(values, path), dict)):
            yield dotted(path), changed(values, path, 3), (f"  - {dotted(path)}: unknown key{hint}",)


def key_in_other_letters(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    """Letters that look the same, and some that do not show at all."""
    for path in keys(values):
        word = str(path[-1])
        for wrong in (word.replace("e", "\u0435"), f"{word}\u200b", f"\u202e{word}", f"{word[0]}\u0301{word[1:]}"):
            if wrong != word:
                where = dotted((*path[:-1], wrong))
                yield ascii(where), renamed(values, path, wrong), (f"  - {where}: unknown key",)


def key_of_another_type(_name: str, values: Values, rng: random.Random) -> Iterator[Found]:
    for key in (1, 2.5, True, None):
        wrong = {**values, key: 3}
        yield f"top {key}", yaml.safe_dump(wrong, sort_keys=False), (f": keys should be strings, got {key}",)
        fixed = {**values, "fixed": {**values["fixed"], key: 3}}
        yield f"fixed {key}", yaml.safe_dump(fixed, sort_keys=False), (f"  - fixed.{key}",)
