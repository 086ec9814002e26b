"""The search-space file: its form, its reader, and messages that name every problem at once."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from lwq_tune.config import STRICT, BitWidth, TrialConfig
from lwq_tune.errors import ConfigError, near_miss
from lwq_tune.quantization.schedules import Constraint
from lwq_tune.shapes import MODEL_BLOCKS

# Columns that can be an axis of a front, as `lwq_tune.results.schema` names them.
OBJECTIVE_COLUMNS = (
    "test_accuracy", "test_loss", "val_accuracy", "val_loss", "emissions_kg_co2eq", "energy_kwh",
    "train_time_s", "weight_mib", "mean_weight_bits", "bitops", "modelled_inference_energy_uj",
)  # fmt: skip
NOT_FIXED = frozenset({"bit_widths", "act_bit_widths", "seed", "dataset_digest"})
FIXED_KEYS = tuple(name for name in TrialConfig.model_fields if name not in NOT_FIXED)


class Objective(BaseModel):
    """One axis of the front."""

    model_config = STRICT

    column: str
    direction: Literal["maximize", "minimize"]

    @model_validator(mode="after")
    def _check(self) -> Objective:
        if self.column not in OBJECTIVE_COLUMNS:
            hint = near_miss(self.column, OBJECTIVE_COLUMNS)
            raise ValueError(f"column must be one of {', '.join(OBJECTIVE_COLUMNS)}, got {self.column!r}{hint}")
        return self


class BitWidthSpace(BaseModel):
    """All schedules over some bit-widths."""

    model_config = STRICT

    choices: Annotated[list[BitWidth], Field(min_length=1)]
    constraint: Constraint = "free"


class Search(BaseModel):
    """How the space is gone through.

    Attributes:
        method: ``grid`` trains every schedule, ``random`` as many as ``trials`` says, drawn without replacement.
        trials: Schedules that are drawn; each is trained with every seed.
        seed: Of the draw.
    """

    model_config = STRICT

    method: Literal["grid", "random"] = "grid"
    trials: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _check(self) -> Search:
        if (self.trials is None) != (self.method == "grid"):
            raise ValueError(
                f"method: random says how many schedules it draws, with trials; grid takes all, got method: "
                f"{self.method} with trials: {self.trials}"
            )
        return self


class Limits(BaseModel):
    """What schedules from ``bit_widths`` may cost at inference; dearer ones are left out before anything is trained.

    Attributes:
        max_mean_weight_bits: Mean bits per weight over the residual stages.
        max_bitops: BitOps per image of the whole network.
        max_weight_mib: Packed size of all weights.
    """

    model_config = STRICT

    max_mean_weight_bits: float | None = Field(default=None, gt=0, strict=False)
    max_bitops: float | None = Field(default=None, gt=0, strict=False)
    max_weight_mib: float | None = Field(default=None, gt=0, strict=False)


def _distinct(objectives: list[Objective]) -> list[Objective]:
    columns = [objective.column for objective in objectives]
    if len(set(columns)) != len(columns):
        raise ValueError(f"each objective is a column of its own, got {', '.join(columns)}")
    return objectives


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class SpaceFile(BaseModel):
    """What a search-space file may say. ``fixed`` holds the settings that all trials share."""

    model_config = STRICT

    version: Literal[1]
    fixed: dict[str, Any] = Field(default_factory=dict)
    schedules: Annotated[list[Any], Field(min_length=1)] | None = None
    bit_widths: BitWidthSpace | None = None
    act_bit_widths: list[BitWidth] | None = None
    limits: Limits = Limits()
    search: Search = Search()
    seeds: Annotated[list[int], BeforeValidator(_as_list), Field(min_length=1)] = [0]
    objectives: Annotated[list[Objective], Field(min_length=2, max_length=3), AfterValidator(_distinct)] = [
        Objective(column="test_accuracy", direction="maximize"),
        Objective(column="emissions_kg_co2eq", direction="minimize"),
    ]


NESTED: dict[str, type[BaseModel]] = {
    "bit_widths": BitWidthSpace,
    "limits": Limits,
    "search": Search,
    "objectives": Objective,
}


def check_objectives(file: SpaceFile) -> list[str]:
    """Return the problem of a front over test accuracies that are not measured, if it is one."""
    unmeasured = [axis.column for axis in file.objectives if axis.column.startswith("test_")]
    if file.fixed.get("evaluation") != "validation" or not unmeasured:
        return []
    return [
        f"objectives: evaluation: validation measures nothing on test images, got {', '.join(unmeasured)}; "
        "use val_accuracy or val_loss"
    ]


class _StrictLoader(yaml.SafeLoader):
    """YAML without two traps: a key given twice is an error, and 1e-4 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise ConfigError(f"a key may be given once, got {key!r} again in line {line}")
        return super().construct_mapping(node, deep=deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        ConfigError: It is not YAML, or gives a key twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except ConfigError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"a search space must be valid YAML, got an error{where}: {problem}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"a search space must be plain YAML, got {error}") from error


def parse_space_file(values: object) -> tuple[SpaceFile | None, list[str]]:
    """Return the checked content of a space file, or None, and every problem found."""
    if not isinstance(values, dict) or not values:
        kind = "nothing" if not values else type(values).__name__
        return None, [f"a search space is a mapping with version, fixed, schedules, …; got {kind}"]
    problems: list[str] = []
    try:
        file = SpaceFile.model_validate(values)
    except ValidationError as error:
        return None, explain(error, tuple(SpaceFile.model_fields))
    if file.schedules is None and file.bit_widths is None:
        problems.append("a search space names its trials: schedules, or bit_widths with choices; got neither")
    return file, problems


def known_fixed(fixed: object) -> dict[str, Any]:
    """Return the settings under ``fixed`` that a trial has."""
    return {key: value for key, value in fixed.items() if key in FIXED_KEYS} if isinstance(fixed, dict) else {}


def check_fixed(fixed: object) -> list[str]:
    """Return every problem in the settings that all trials share."""
    if not isinstance(fixed, dict):
        return []
    problems = _unknown_fixed_keys(fixed)
    try:
        TrialConfig(**{**known_fixed(fixed), "bit_widths": (32,) * count_stages(fixed)})
    except ValidationError as error:
        problems += explain(error, FIXED_KEYS, prefix="fixed.")
    return problems


def count_stages(fixed: object) -> int:
    """Return the residual stages of the network that ``fixed`` names; 3 where it names none."""
    settings = known_fixed(fixed)
    blocks = settings.get("blocks")
    if isinstance(blocks, list) and blocks:
        return len(blocks)
    return len(MODEL_BLOCKS.get(str(settings.get("model")), (2, 2, 2)))


def _unknown_fixed_keys(fixed: dict[Any, Any]) -> list[str]:
    elsewhere = {"seed": "seeds", "bit_widths": "schedules or bit_widths", "act_bit_widths": "act_bit_widths"}
    problems = []
    for key in fixed:
        if key in elsewhere:
            problems.append(f"fixed.{key}: it varies over the trials, say it with {elsewhere[key]} beside fixed")
        elif key not in FIXED_KEYS:
            hint = near_miss(str(key), FIXED_KEYS) or f"; known are {', '.join(FIXED_KEYS)}"
            problems.append(f"fixed.{key}: unknown key{hint}")
    return problems


def explain(error: ValidationError, known: tuple[str, ...], prefix: str = "") -> list[str]:
    """Return one line per problem: where, the rule, the value."""
    lines = []
    for problem in error.errors(include_url=False):
        where = (prefix + ".".join(str(part) for part in problem["loc"])).strip(".")
        if problem["type"] == "extra_forbidden":
            part = NESTED.get(str(problem["loc"][0])) if len(problem["loc"]) > 1 else None
            names = known if part is None else tuple(part.model_fields)
            hint = near_miss(str(problem["loc"][-1]), names) or f"; known are {', '.join(names)}"
            lines.append(f"{where}: unknown key{hint}")
        elif problem["type"] == "value_error":
            message = str(problem["ctx"]["error"])
            lines.append(f"{where}: {message}" if where else message)
        elif problem["type"] == "missing":
            lines.append(f"{where}: it is required")
        else:
            rule = problem["msg"][0].lower() + problem["msg"][1:]
            lines.append(f"{where}: {rule}, got {problem['input']!r}")
    return list(dict.fromkeys(lines))
