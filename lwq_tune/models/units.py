"""Groups the layers of a network into units, each of which gets one bit-width. No torch."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from lwq_tune.errors import ConfigError, near_miss
from lwq_tune.models.spec import Granularity

MAX_LISTED = 8


@dataclass(frozen=True)
class Place:
    """Where a layer stands in a network.

    Attributes:
        name: Its name.
        block: Name of its block.
        stage: Name of its stage.
        reason: Why it is left in full precision whatever its unit would be; empty if it is not.
    """

    name: str
    block: str
    stage: str
    reason: str = ""


@dataclass(frozen=True)
class Units:
    """The units of a network.

    Attributes:
        names: Of the units, in the order in which a schedule gives their bits.
        of_layer: Number of the unit of each layer that has one, from 1.
        first_and_last: Names of the first and the last layer, where they are in no unit.
        left_out: Other layers in no unit, with the reason.
    """

    names: tuple[str, ...]
    of_layer: dict[str, int]
    first_and_last: tuple[str, ...]
    left_out: dict[str, str]


def make_units(
    places: Sequence[Place], granularity: Granularity, patterns: Sequence[tuple[str, Sequence[str]]] = ()
) -> Units:
    """Return the units of a network.

    Without patterns the first and the last layer are in none; they have ``first_last_bit_width``.

    Args:
        places: All convolutions and linear layers, in order.
        granularity: What a unit is where there are no patterns.
        patterns: Name of each unit and the patterns of its layers: the name of a layer, or of a module that holds it,
            with ``*``, ``?`` and ``[…]``.

    Raises:
        ConfigError: Nothing is left to quantize, a pattern matches nothing, or a layer is in two units.
    """
    usable = [place for place in places if not place.reason]
    if not usable:
        raise ConfigError("model: a network needs a convolution (Conv2d) or linear layer to quantize, this has none")
    ends = tuple(dict.fromkeys((places[0].name, places[-1].name)))
    if patterns:
        found = _by_pattern(usable, patterns)
    else:
        inner = [place for place in usable if place.name not in ends]
        if not inner:
            raise ConfigError(
                f"model: a network needs layers between its first and its last to quantize, this has {len(places)}; "
                "name its units, such as units: {all: '*'}"
            )
        found = {place.name: _group(place, granularity) for place in inner}
    names = tuple(name for name, _ in patterns) if patterns else tuple(dict.fromkeys(found.values()))
    left_out = {place.name: place.reason or "in no unit" for place in places if place.name not in found}
    first_and_last = tuple(name for name in ends if left_out.get(name) == "in no unit")
    return Units(
        names=names,
        of_layer={name: names.index(unit) + 1 for name, unit in found.items()},
        first_and_last=first_and_last,
        left_out={name: reason for name, reason in left_out.items() if name not in first_and_last},
    )


def _group(place: Place, granularity: Granularity) -> str:
    return {"stage": place.stage, "block": place.block, "layer": place.name}[granularity]


def _by_pattern(places: Sequence[Place], patterns: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Return the unit of each layer that a pattern matches."""
    found: dict[str, str] = {}
    for unit, its_patterns in patterns:
        for pattern in its_patterns:
            matched = [place.name for place in places if matches(place.name, pattern)]
            if not matched:
                names = [place.name for place in places]
                hint = near_miss(pattern, [*names, *(part for name in names for part in _holders(name))])
                raise ConfigError(
                    f"units.{unit}: a pattern must match a layer, {pattern!r} matches none{hint}; the layers are "
                    f"{_shown(names)}"
                )
            for name in matched:
                if found.setdefault(name, unit) != unit:
                    raise ConfigError(
                        f"units.{unit}: a layer is in one unit, {pattern!r} matches {name}, which is in {found[name]} "
                        "already"
                    )
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern names a layer or a module that holds it.

    >>> matches("layer1.0.conv1", "layer1"), matches("layer1.0.conv1", "*.conv1"), matches("layer10.conv", "layer1")
    (True, True, False)
    """
    return any(fnmatch.fnmatchcase(part, pattern) for part in (name, *_holders(name)))


def _holders(name: str) -> list[str]:
    """Return the names of the modules that hold a layer.

    >>> _holders("layer1.0.conv1")
    ['layer1', 'layer1.0']
    """
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _shown(names: Sequence[str]) -> str:
    more = f", … and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
