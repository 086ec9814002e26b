"""The JSON Schema of a search-space file, for editors: made from the models that check it. No torch, no Ray."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lwq_tune.config.settings import Declared
from lwq_tune.config.trial import TrialConfig
from lwq_tune.sweep.space.checks import FIXED_KEYS
from lwq_tune.sweep.space.file_models import SpaceFile

FILE_NAME = "space.schema.json"  # beside the spaces that come along; each names it in its first line
DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that the YAML language server reads
_DEFINITIONS = "#/definitions/{model}"
_DECLARED = frozenset(field.name for field in fields(Declared))


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(space_schema(), indent=2, ensure_ascii=False) + "\n"


def space_schema() -> dict[str, Any]:
    """Return the JSON Schema of a search-space file.

    It knows keys, types, values and bounds. What depends on several settings, such as the number of bits in a schedule,
    is checked by the command line alone.
    """
    file, fixed = _schema_of(SpaceFile), _schema_of(TrialConfig)
    definitions = {**file.pop("$defs", {}), **fixed.pop("$defs", {})}
    fixed["description"] = file["properties"]["fixed"]["description"]
    fixed["properties"] = {name: one for name, one in fixed["properties"].items() if name in FIXED_KEYS}
    fixed.pop("required", None)
    file["properties"]["fixed"] = fixed
    file["anyOf"] = [{"required": ["schedules"]}, {"required": ["bit_widths"]}]
    schema = {"$schema": DIALECT, **file, "title": "A search space of lwq_tune", "definitions": definitions}
    for one in _properties(schema):
        _tidy(one)
    return schema


class _Generator(GenerateJsonSchema):
    """Makes JSON Schemas whose descriptions are those of the docstrings, without titles that repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("title", None)
        summary, meanings = _described(schema["cls"])
        made["description"] = summary
        for name, one in made.get("properties", {}).items():
            one.setdefault("description", meanings.get(name, ""))
        return made


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=_Generator, ref_template=_DEFINITIONS)


def _described(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Return what the docstring of a model says of it, and under ``Attributes:`` of its fields."""
    text = inspect.cleandoc(model.__doc__ or "").replace("``", "`")
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, flags=re.MULTILINE)
    return _one_line(summary), {name: _one_line(meaning) for name, meaning in entries}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _properties(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the schema of each key of each mapping."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).values()
        schema = list(schema.values())
    for one in schema if isinstance(schema, list) else ():
        yield from _properties(one)


def _tidy(one: dict[str, Any]) -> None:
    """Give the schema of a key the unit of its setting, and nothing else that only the program reads."""
    unit = one.get("unit", "")
    for name in _DECLARED:
        one.pop(name, None)
    if unit not in ("", "1"):
        one["description"] += f" (unit: {unit})"
    if not one["description"]:
        del one["description"]
    if one.get("default", ()) in (None, [], {}) or isinstance(one.get("default"), dict):
        one.pop("default", None)  # what is not given follows from other settings, or is no section
    if "$ref" in one and len(one) > 1:  # readers of this dialect ignore what stands beside a reference
        one["allOf"] = [{"$ref": one.pop("$ref")}]
