"""The JSON Schema of a space file, read by a JSON Schema library: it takes what the command line takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from lwq_tune.cli.main import main
from lwq_tune.config.trial import TrialConfig
from lwq_tune.quantization.schedules import schedule_name
from lwq_tune.sweep.space.checks import NOT_FIXED
from lwq_tune.sweep.space.json_schema import FILE_NAME, space_schema
from lwq_tune.sweep.space.search_space import builtin_spaces, spaces_folder
from lwq_tune.sweep.space.strict_yaml import read_yaml
from tests.docs.pages import DOCS, text_of
from tests.support.mutated_spaces.spaces import SPACES, dumped

SPACE_FILES = builtin_spaces()
assert SPACE_FILES
SCHEMA = space_schema()
GOOD: dict[str, Any] = {"version": 1, "fixed": {"epochs": 2}, "schedules": ["full_precision", "ascending_234"]}


def problems_of(values: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(values)]


def test_it_is_a_schema_of_the_dialect_that_it_names() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft7Validator.META_SCHEMA["$schema"]


def test_the_command_prints_what_comes_along_beside_the_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces", "--json-schema"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == SCHEMA
    command = f"python -m lwq_tune spaces --json-schema > search_spaces/{FILE_NAME}"
    assert (spaces_folder() / FILE_NAME).read_text(encoding="utf-8") == printed, f"it is written anew by: {command}"


@pytest.mark.parametrize("path", SPACE_FILES.values(), ids=SPACE_FILES)
def test_a_space_that_comes_along_names_the_schema_in_its_first_line_and_fits_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={FILE_NAME}"
    assert (path.parent / FILE_NAME).is_file()
    assert problems_of(read_yaml(text)) == []


@pytest.mark.parametrize("name", SPACES)
def test_a_space_with_any_section_fits_it(name: str) -> None:
    assert problems_of(yaml.safe_load(dumped(SPACES[name]))) == []


def test_the_space_in_the_documentation_fits_it() -> None:
    example = text_of(DOCS / "search_spaces.md").split("```yaml\n")[1].split("```")[0]
    assert problems_of(read_yaml(example)) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"shedules": ["fixed_2"]}, "$: "),
        ({"version": 2}, "$.version: "),
        ({"fixed": {"epoch": 2}}, "$.fixed: "),
        ({"fixed": {"epochs": "two"}}, "$.fixed.epochs: "),
        ({"fixed": {"epochs": 0}}, "$.fixed.epochs: "),
        ({"fixed": {"quantizer": "lsqq"}}, "$.fixed.quantizer: "),
        ({"fixed": {"seed": 1}}, "$.fixed: "),
        ({"fixed": {"bit_widths": [2, 2, 2]}}, "$.fixed: "),
        ({"fixed": {"width": 17}}, "$.fixed.width: "),
        ({"schedules": []}, "$.schedules: "),
        ({"schedules": ["fast"]}, "$.schedules: "),
        ({"schedules": [[2, 3, 9]]}, "$.schedules: "),
        ({"schedules": [{"bits": "fixed_2", "widht": 0.5}]}, "$.schedules: "),
        ({"schedules": [{"bits": "fixed_2"}]}, "$.schedules: "),
        ({"bit_widths": {"choices": [2, 3], "constraint": "up"}}, "$.bit_widths"),
        ({"search": {"method": "tpee", "trials": 3}}, "$.search.method: "),
        ({"limits": {"max_bitops": "many"}}, "$.limits.max_bitops: "),
        ({"stopping": {"plateau": {"epochs": 0}}}, "$.stopping.plateau"),
        ({"seeds": [-1]}, "$.seeds: "),
        ({"objectives": [{"column": "speed", "direction": "maximize"}] * 2}, "$.objectives["),
        ({"deploy": {"threads": 0}}, "$.deploy"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_space_is_found_where_it_stands(change: dict[str, Any], where: str) -> None:
    assert problems_of(GOOD) == []
    problems = problems_of({**GOOD, **change})
    assert problems
    assert all(problem.startswith(where) for problem in problems), problems


def test_a_space_that_names_no_trials_does_not_fit() -> None:
    assert problems_of({"version": 1})
    assert problems_of({"version": 1, "bit_widths": {"choices": [2, 3]}}) == []


@pytest.mark.parametrize("bits", [(2, 3, 4), (3, 3), (32, 4, 2), (2,) * 5 + (3,) * 9, (32, 32)], ids=schedule_name)
def test_every_name_that_is_read_back_fits_it(bits: tuple[int, ...]) -> None:
    assert problems_of({**GOOD, "schedules": [schedule_name(bits), list(bits)], "seeds": 3}) == []


def test_each_setting_has_its_description_and_default_and_what_varies_is_left_out() -> None:
    fixed = SCHEMA["properties"]["fixed"]["properties"]
    assert set(fixed) == set(TrialConfig.model_fields) - NOT_FIXED
    for name, one in fixed.items():
        field = TrialConfig.model_fields[name]
        assert one["description"].startswith(field.description)
        assert field.default in (None, (), {}) or one["default"] == field.default
        assert not {"flag", "decides_cost", "is_shared_with_initial"} & set(one), "for the program, not for editors"
    assert fixed["quantizer"]["enum"] == ["lsq", "pact", "dorefa", "minmax"]
    assert "(unit: epoch)" in fixed["lr_milestones"]["description"]


def test_each_key_of_the_file_and_its_sections_is_described() -> None:
    sections = {"the file": SCHEMA, **SCHEMA["definitions"]}
    assert {"Search", "Limits", "WidthVariant", "DeploySettings", "Plateau"} <= set(sections)
    for section, schema in sections.items():
        assert schema["additionalProperties"] is False, section
        for name, one in schema["properties"].items():
            assert one.get("description"), f"{section}.{name}"
