"""What is declared once of a setting, at its field: default, rule, meaning, unit, flag, and what depends on it.

The columns of the results tables, the flags of the command line, the estimate and the start from another trial are
derived from it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

Kind = Literal["str", "int", "float", "bool", "ints", "strs"]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is declared of a setting beside its type, its default and its rule.

    Attributes:
        unit: Of the column of the tables; ``1`` for fractions and factors, empty for names and counts.
        decides_cost: Whether time or energy of a trial depend on it.
        is_shared_with_initial: Whether the full-precision trial that others start from has it in common with them; in
            other settings that trial has the defaults, so that it has the same key in every sweep.
        is_of_quantization: Whether a full-precision trial does not depend on it.
        flag: Its flag on the command line where that is not its name with dashes; None where it has none.
        metavar: How the help names its value.
        without_value: What its flag means without a value; None where a value is required.
        is_in_key_at_default: Whether its default enters the key of a trial; False for settings that came after the
            first runs, so that their keys hold.
    """

    unit: str = ""
    decides_cost: bool = False
    is_shared_with_initial: bool = False
    is_of_quantization: bool = False
    flag: str | None = ""
    metavar: str | None = None
    without_value: str | None = None
    is_in_key_at_default: bool = True


@dataclass(frozen=True, kw_only=True)
class Setting(Declared):
    """A setting of a model, as its field declares it.

    Attributes:
        name: Name of the field.
        kind: Kind of its values; ``ints`` and ``strs`` are lists.
        meaning: One line.
        default: Its default, None if it has none or follows from other settings.
        choices: Its values, where they are few; else empty.
    """

    name: str
    kind: Kind
    meaning: str
    default: Any
    choices: tuple[Any, ...]


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    decides_cost: bool = False,
    is_shared_with_initial: bool = False,
    is_of_quantization: bool = False,
    flag: str | None = "",
    metavar: str | None = None,
    without_value: str | None = None,
    is_in_key_at_default: bool = True,
    **rule: Any,
) -> Any:
    """Return the field of a setting.

    Args:
        default: Its default, ``...`` if it is required.
        meaning: One line, shown in the help of its flag and as the meaning of its column.
        unit: As in `Declared`, likewise the next seven.
        decides_cost: See there.
        is_shared_with_initial: See there.
        is_of_quantization: See there.
        flag: See there.
        metavar: See there.
        without_value: See there.
        is_in_key_at_default: See there.
        rule: What pydantic's `Field` takes: bounds, patterns, ``strict``.
    """
    declared: JsonDict = {
        "unit": unit,
        "decides_cost": decides_cost,
        "is_shared_with_initial": is_shared_with_initial,
        "is_of_quantization": is_of_quantization,
        "flag": flag,
        "metavar": metavar,
        "without_value": without_value,
        "is_in_key_at_default": is_in_key_at_default,
    }
    return Field(default, description=meaning, json_schema_extra=declared, **rule)


def settings_of(model: type[BaseModel]) -> Mapping[str, Setting]:
    """Return the settings of a model whose fields were made by `setting`, by name, in order."""
    found = {}
    for name, field in model.model_fields.items():
        declared = field.json_schema_extra
        if not isinstance(declared, dict) or field.description is None:
            raise TypeError(f"a setting is declared with setting(), {model.__name__}.{name} is not")
        kind, choices = _kind(field.annotation)
        default = None if field.is_required() else field.default
        found[name] = Setting(
            name=name,
            kind=kind,
            meaning=field.description,
            default=default,
            choices=choices,
            **declared,  # type: ignore[arg-type]
        )
    return found


def names_where(model: type[BaseModel], holds: Callable[[Setting], bool]) -> tuple[str, ...]:
    """Return the names of the settings of which something holds, in order."""
    return tuple(name for name, one in settings_of(model).items() if holds(one))


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...]]:
    """Return the kind of a type, and its values if it is a choice.

    >>> _kind(Literal[8, 32]), _kind(tuple[int, ...]), _kind(float | None)
    (('int', (8, 32)), ('ints', ()), ('float', ()))
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return _kind(inner)
    if origin is Literal:
        return _kind(type(arguments[0]))[0], arguments
    if origin is tuple:
        inner = get_args(arguments[0])[0] if get_args(arguments[0]) else arguments[0]  # Annotated[int, …]
        return ("ints" if inner is int else "strs"), ()
    kinds: dict[Any, Kind] = {str: "str", Path: "str", int: "int", float: "float", bool: "bool"}
    return kinds[annotation], ()
