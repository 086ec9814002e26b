"""The parts of a search-space file and their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from lwq_tune.config.deploy import DeploySettings
from lwq_tune.config.trial import STRICT, BitWidth
from lwq_tune.errors import near_miss
from lwq_tune.quantization.schedules import NAME_PATTERN, NAMED_SCHEDULES, Constraint
from lwq_tune.sweep.stopping.settings import Asha, Dominance, Marginal, Plateau, Stopping, Target

VERSION = 1
Seed = Annotated[int, Field(ge=0, lt=2**32)]


@dataclass(frozen=True)
class DescribedAs:
    """Describe a value to editors as one of a type, where something else than that type checks it.

    Attributes:
        described: A type that pydantic knows.
    """

    described: Any

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON Schema of the type."""
        return handler(TypeAdapter(self.described).core_schema)


ScheduleName = Annotated[
    str, WithJsonSchema({"anyOf": [{"enum": list(NAMED_SCHEDULES)}, {"type": "string", "pattern": NAME_PATTERN}]})
]
Schedule = Annotated[Any, DescribedAs(ScheduleName | Annotated[list[BitWidth], Field(min_length=1)])]

# Columns that can be an axis of a front, as `lwq_tune.results.schema` names them.
OBJECTIVE_COLUMNS = (
    "test_accuracy",
    "test_loss",
    "val_accuracy",
    "val_loss",
    "emissions_kg_co2eq",
    "energy_kwh",
    "train_time_s",
    "weight_mib",
    "mean_weight_bits",
    "bitops",
    "modelled_inference_energy_uj",
)


class ObjectiveSpec(BaseModel):
    """One axis of the front.

    Attributes:
        column: Column of the table of trials.
        direction: Whether more or less of it is better.
    """

    model_config = STRICT

    column: Annotated[str, WithJsonSchema({"enum": list(OBJECTIVE_COLUMNS)})]
    direction: Literal["maximize", "minimize"]

    @model_validator(mode="after")
    def _check(self) -> ObjectiveSpec:
        if self.column not in OBJECTIVE_COLUMNS:
            hint = near_miss(self.column, OBJECTIVE_COLUMNS)
            raise ValueError(f"column must be one of {', '.join(OBJECTIVE_COLUMNS)}, got {self.column!r}{hint}")
        return self


class BitWidthSpace(BaseModel):
    """All schedules over some bit-widths.

    Attributes:
        choices: The bit-widths.
        constraint: ``free``, ``ascending`` (bits never fall from the first unit to the last), ``descending`` (they
            never rise) or ``fixed`` (the same for all).
    """

    model_config = STRICT

    choices: Annotated[list[BitWidth], Field(min_length=1)]
    constraint: Constraint = "free"


class WidthVariant(BaseModel):
    """A listed schedule in a network of another width than the rest, for comparisons at equal size or BitOps.

    Attributes:
        bits: Name of the schedule, or bits per unit.
        width: Multiplier on all channels, in place of ``fixed.width``.
    """

    model_config = STRICT

    bits: Schedule
    width: float = Field(gt=0, le=16)


class Search(BaseModel):
    """Which schedules of the space are trained.

    Attributes:
        method: ``grid`` trains every schedule, ``random`` as many as ``trials`` says, drawn without replacement;
            ``tpe`` and ``nsga2`` propose as many, each from the validation accuracy and the emissions of those before.
        trials: Schedules that are drawn or proposed; each is trained with every seed.
        seed: Of the draw.
        population: Schedules of a generation of ``nsga2``; by default from ``trials``.
    """

    model_config = STRICT

    method: Literal["grid", "random", "tpe", "nsga2"] = "grid"
    trials: int | None = Field(default=None, ge=1)
    seed: Seed = 0
    population: int | None = Field(default=None, ge=2)

    @property
    def is_adaptive(self) -> bool:
        """Whether schedules are proposed while the sweep runs."""
        return self.method in ("tpe", "nsga2")

    @model_validator(mode="after")
    def _check(self) -> Search:
        if (self.trials is None) != (self.method == "grid"):
            raise ValueError(
                f"methods other than grid say how many schedules they take, with trials; grid takes all, got method: "
                f"{self.method} with trials: {self.trials}"
            )
        if self.population is not None and self.method != "nsga2":
            raise ValueError(f"population belongs to method: nsga2, got {self.population} with {self.method}")
        return self


class Limits(BaseModel):
    """Limits on the inference costs of schedules from ``bit_widths``; costlier ones are never trained.

    Attributes:
        max_mean_weight_bits: Mean bits per weight over the units.
        max_bitops: BitOps per image of the whole network.
        max_weight_mib: Packed size of all weights.
    """

    model_config = STRICT

    max_mean_weight_bits: float | None = Field(default=None, gt=0)
    max_bitops: float | None = Field(default=None, gt=0)
    max_weight_mib: float | None = Field(default=None, gt=0)


def _distinct(objectives: list[ObjectiveSpec]) -> list[ObjectiveSpec]:
    columns = [objective.column for objective in objectives]
    if len(set(columns)) != len(columns):
        raise ValueError(f"each objective is a column of its own, got {', '.join(columns)}")
    return objectives


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _known_version(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"input should be {VERSION}, got {version}")
    return version


class SpaceFile(BaseModel):
    """The content of a search-space file.

    Attributes:
        version: Version of the form of this file.
        fixed: Settings that all trials share.
        schedules: Schedules that are trained in any case: names, lists of bits per unit, or both with a width.
        bit_widths: All schedules over some bit-widths, of which limits and search take some.
        act_bit_widths: Bits of the activations per unit, where they are not those of the weights.
        limits: What schedules of ``bit_widths`` may cost.
        search: Which of them are trained; by default all.
        stopping: Rules that end trials or the sweep early; by default none.
        deploy: Measure the networks in a runtime once all trials have ended.
        seeds: Seeds of the replicates; each schedule is trained with each.
        objectives: Axes of the front, two or three.
    """

    model_config = STRICT

    version: Annotated[int, AfterValidator(_known_version), WithJsonSchema({"const": VERSION})]
    fixed: dict[str, Any] = Field(default_factory=dict)
    schedules: Annotated[list[Annotated[Any, DescribedAs(Schedule | WidthVariant)]], Field(min_length=1)] | None = None
    bit_widths: BitWidthSpace | None = None
    act_bit_widths: list[BitWidth] | None = None
    limits: Limits = Limits()
    search: Search = Search()
    stopping: Stopping = Stopping()
    deploy: DeploySettings | None = None
    seeds: Annotated[
        list[Seed],
        BeforeValidator(_as_list),
        Field(min_length=1),
        DescribedAs(Annotated[list[Seed], Field(min_length=1)] | Seed),
    ] = [0]
    objectives: Annotated[list[ObjectiveSpec], Field(min_length=2, max_length=3), AfterValidator(_distinct)] = [
        ObjectiveSpec(column="test_accuracy", direction="maximize"),
        ObjectiveSpec(column="emissions_kg_co2eq", direction="minimize"),
    ]


# Parts of a space file by where they stand, for hints on unknown keys.
NESTED: dict[str, type[BaseModel]] = {
    "bit_widths": BitWidthSpace,
    "schedules": WidthVariant,
    "limits": Limits,
    "search": Search,
    "stopping": Stopping,
    "stopping.asha": Asha,
    "stopping.dominance": Dominance,
    "stopping.plateau": Plateau,
    "stopping.target": Target,
    "stopping.marginal": Marginal,
    "deploy": DeploySettings,
    "objectives": ObjectiveSpec,
}
