"""What a trial says of its network: the names of these settings, and mappings that are kept as JSON. No torch.

Kept as JSON, a configuration can be hashed and a table hold it.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from lwq_tune.models.spec import canonical_arguments

NETWORK_SETTINGS = ("model", "blocks", "width", "model_arguments", "stem", "weights", "granularity", "units")
_UNITS_RULE = "it must map the name of each unit to a pattern of module names, or to a list of patterns"
_PATTERNS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


def _parsed(value: object, rule: str) -> object:
    """Return what a text says as JSON, and anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{rule}, or be the JSON of that ({error})") from error


def _arguments_as_json(value: object) -> str:
    """Return a mapping, or the JSON of one, as canonical JSON."""
    rule = "it must be a mapping of names to values"
    arguments = _parsed(value, rule)
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise ValueError(f"{rule}, got {arguments!r}")
    try:
        return canonical_arguments(arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"its values must be numbers, texts, lists or mappings of them ({error})") from error


def _units_as_json(value: object) -> str | None:
    """Return a mapping of names to patterns, or the JSON of one, as JSON, in its order."""
    if value is None:
        return None
    units = _parsed(value, _UNITS_RULE)
    if not isinstance(units, dict) or not units:
        raise ValueError(f"{_UNITS_RULE}, got {units!r}")
    patterns = {name: [its] if isinstance(its, str) else its for name, its in units.items()}
    for name, its in patterns.items():
        if not isinstance(name, str) or not _is_list_of_patterns(its):
            raise ValueError(f"{_UNITS_RULE}, got {name!r}: {units[name]!r}")
    return json.dumps(patterns, separators=(",", ":"))


def _is_list_of_patterns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


Arguments = Annotated[str, BeforeValidator(_arguments_as_json), WithJsonSchema({"type": "object"})]
UnitPatterns = Annotated[
    str,
    BeforeValidator(_units_as_json),
    WithJsonSchema({"type": "object", "additionalProperties": _PATTERNS, "minProperties": 1}),
]
