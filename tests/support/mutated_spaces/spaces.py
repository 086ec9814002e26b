"""The spaces that are mutated, and how a seeded generator draws from what mutators make of them."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec

import yaml

from lwq_tune.sweep.space.search_space import spaces_folder

Path = tuple[str | int, ...]
Values = dict[str, Any]
P = ParamSpec("P")

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(spaces_folder().glob("*.yaml"))}
_SPACES: dict[str, Values] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
# A few of its many schedules, two with a width of their own, say as much and leave most draws to other sections.
_controls = _SPACES["controls_iso_size"]
_controls["schedules"] = [_controls["schedules"][index] for index in (0, 1, 6, -1)]
assert [type(entry) for entry in _controls["schedules"]] == [str, str, dict, dict]
# The sections that no shipped space has.
SPACES: dict[str, Values] = _SPACES | {
    "random": _SPACES["free_mixed"]
    | {
        "search": {"method": "random", "trials": 5, "seed": 1},
        "limits": {"max_mean_weight_bits": 3.5, "max_bitops": 2e9, "max_weight_mib": 1.0},
        "stopping": {
            "asha": {"grace_epochs": 2, "reduction_factor": 3},
            "dominance": {"optimism": 0.5, "margin": 0.01, "grace_epochs": 1},
            "plateau": {"epochs": 3, "min_gain": 0.001},
            "target": {"val_accuracy": 0.95},
        },
    },
    "nsga2": _SPACES["free_mixed"]
    | {
        "search": {"method": "nsga2", "trials": 6, "seed": 1, "population": 4},
        "stopping": {"marginal": {"last": 3, "min_hypervolume_per_kg": 0.5}},
    },
    "blocks": _SPACES["named_schedules"]
    | {
        "fixed": {
            "model": "resnet",
            "blocks": [1, 1, 1],
            "width": 0.25,
            "momentum": 0.9,
            "epochs": 8,
            "lr": 0.1,
            "lr_curve": "step",
            "lr_milestones": [4, 6],
        },
        "act_bit_widths": [4, 4, 4],
    },
}

SOUND: tuple[str, ...] = ()
UNREADABLE = ("got an error in line ",)


@dataclass(frozen=True)
class Mutation:
    """One file.

    Attributes:
        kind: What was done.
        label: Where and with what, in short.
        content: The file.
        named: What the message must say; nothing where the file is sound.
    """

    kind: str
    label: str
    content: bytes
    named: tuple[str, ...]


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def listed(path: Path) -> tuple[str, ...]:
    """Return what a message says of a problem at a path."""
    return (f"  - {dotted(path)}: ",)


def nodes(value: object, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value below the top with its path."""
    if path:
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from nodes(inner, (*path, key))


def leaves(values: Values) -> list[tuple[Path, Any]]:
    return [(path, value) for path, value in nodes(values) if not isinstance(value, dict | list)]


def keys(values: Values) -> list[Path]:
    return [path for path, _ in nodes(values) if isinstance(path[-1], str)]


def holder(values: Values, path: Path) -> Any:
    """Return the mapping or list that holds the value at a path."""
    found: Any = values
    for part in path[:-1]:
        found = found[part]
    return found


def value_at(values: Values, path: Path) -> Any:
    return holder(values, path)[path[-1]]


def has(values: Values, path: Path) -> bool:
    return path in dict(nodes(values))


def dumped(values: Values) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000)


def written_when_drawn(make: Callable[P, str]) -> Callable[P, Callable[[], str]]:
    """Let a file be written only if it is drawn: of some fourteen thousand files a few hundred are."""

    @functools.wraps(make)
    def bound(*args: P.args, **kwargs: P.kwargs) -> Callable[[], str]:
        return functools.partial(make, *args, **kwargs)

    return bound


@written_when_drawn
def changed(values: Values, path: Path, value: object) -> str:
    """Return the file with another value at a path."""
    mutant = copy.deepcopy(values)
    holder(mutant, path)[path[-1]] = value
    return dumped(mutant)


@written_when_drawn
def raw(values: Values, path: Path, text: str) -> str:
    """Return the file with a piece of YAML at a path."""
    return changed(values, path, "MUTATED")().replace("MUTATED", text)


@written_when_drawn
def renamed(values: Values, path: Path, key: str) -> str:
    """Return the file with a key under another name, in the same place."""
    mutant = copy.deepcopy(values)
    mapping = holder(mutant, path)
    items = [(key if name == path[-1] else name, value) for name, value in mapping.items()]
    mapping.clear()
    mapping.update(items)
    return dumped(mutant)


@written_when_drawn
def dropped(values: Values, path: Path) -> str:
    mutant = copy.deepcopy(values)
    del holder(mutant, path)[path[-1]]
    return dumped(mutant)


def typo(word: str, rng: random.Random) -> str:
    """Return a word with one letter missing, doubled, wrong, or two swapped; never the word itself."""
    at = rng.randrange(len(word))
    choices = [word[:at] + word[at + 1 :], word[: at + 1] + word[at:], word[:at] + "q" + word[at + 1 :]]
    if at and word[at - 1] != word[at]:
        choices.append(word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :])
    return rng.choice([wrong for wrong in choices if wrong not in ("", word)])


Found = tuple[str, str | bytes | Callable[[], str], tuple[str, ...]]  # label, content, named
Mutator = Callable[[str, Values, random.Random], Iterator[Found]]


def draw_mutations(mutator: Mutator, n_drawn: int, seed: int) -> list[Mutation]:
    """Return so many of a mutator's mutations of all spaces; the same for the same seed."""
    kind = mutator.__name__
    rng = random.Random(f"{seed} {kind}")
    found = [
        (f"{name} {label}", content, named)
        for name, values in SPACES.items()
        for label, content, named in mutator(name, values, rng)
    ]
    assert len(found) >= n_drawn, f"{kind} has only {len(found)}"
    return [Mutation(kind, label, as_bytes(content), named) for label, content, named in rng.sample(found, n_drawn)]


def as_bytes(content: str | bytes | Callable[[], str]) -> bytes:
    text = content() if callable(content) else content
    return text if isinstance(text, bytes) else text.encode()
