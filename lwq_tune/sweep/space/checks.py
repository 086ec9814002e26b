"""The search-space file: its form, its reader, and messages that name every problem at once."""

from __future__ import annotations

import reprlib
from typing import Any

from pydantic import ValidationError

from lwq_tune.config.dataset import DatasetSettings
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.address import with_settings
from lwq_tune.errors import ConfigError, DatasetError, near_miss
from lwq_tune.models.description import find_units
from lwq_tune.models.layer_shapes import stage_channels
from lwq_tune.models.spec import network_spec
from lwq_tune.quantization.schedules import BitWidths, check_bit_widths, parse_schedule, schedule_name
from lwq_tune.sweep.space.file_models import NESTED, SpaceFile, WidthVariant

# A schedule and the width of its network, None for that of the space.
Listed = tuple[BitWidths, float | None]

NOT_FIXED = frozenset({"bit_widths", "act_bit_widths", "seed", "dataset_digest"})
# What `fixed` may hold: the settings of a trial, and those that become part of the address of its data set.
TRIAL_KEYS = tuple(name for name in TrialConfig.model_fields if name not in NOT_FIXED)
FIXED_KEYS = (*TRIAL_KEYS, *DatasetSettings.model_fields)

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def check_objectives(file: SpaceFile) -> list[str]:
    """Return the problem of a front over test accuracies that are not measured, if it is one."""
    unmeasured = [axis.column for axis in file.objectives if axis.column.startswith("test_")]
    if file.fixed.get("evaluation") != "validation" or not unmeasured:
        return []
    return [
        f"objectives: evaluation: validation measures nothing on test images, got {', '.join(unmeasured)}; "
        "use val_accuracy or val_loss"
    ]


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
    return {key: value for key, value in fixed.items() if key in TRIAL_KEYS} if isinstance(fixed, dict) else {}


def trial_settings(fixed: dict[str, Any]) -> dict[str, Any]:
    """Return the settings under ``fixed`` that a trial has, what is read of its data set in the address of that.

    Raises:
        ValidationError: What is read of the data set breaks a rule.
        DatasetError: Its address is none, or says otherwise.
    """
    settings = known_fixed(fixed)
    given = {key: value for key, value in fixed.items() if key in DatasetSettings.model_fields}
    dataset = settings.get("dataset", TrialConfig.model_fields["dataset"].default)
    chosen = DatasetSettings.model_validate(given).model_dump(exclude_none=True)
    return {**settings, "dataset": with_settings(dataset, chosen)} if chosen and isinstance(dataset, str) else settings


def check_fixed(fixed: object) -> list[str]:
    """Return every problem in the settings that all trials share."""
    if not isinstance(fixed, dict):
        return []
    problems = _unknown_fixed_keys(fixed)
    settings = known_fixed(fixed)
    try:
        settings = trial_settings(fixed)
    except ValidationError as error:
        problems += explain(error, FIXED_KEYS, prefix="fixed.")
    except DatasetError as error:
        problems.append(f"fixed.dataset: {error}")
    try:
        trial = TrialConfig(**{**settings, "bit_widths": (32,) * count_stages(fixed)})
        find_units(trial.network)
    except ValidationError as error:
        problems += explain(error, FIXED_KEYS, prefix="fixed.")
    except ConfigError as error:  # a network that cannot be built, or has no such units
        problems.append(f"fixed.{error}")
    return problems


def check_schedules(schedules: object, n_stages: int) -> tuple[list[Listed], list[str]]:
    """Return the listed schedules in order, each once with the width of its own if it has one, and their problems."""
    found: list[Listed] = []
    problems = []
    for index, entry in enumerate(schedules if isinstance(schedules, list) else []):
        where, bits, width = f"schedules.{index}", entry, None
        if isinstance(entry, dict):
            try:
                width = WidthVariant.model_validate(entry).width
            except ValidationError as error:
                problems += explain(error, tuple(WidthVariant.model_fields), prefix=f"{where}.")
            if "bits" not in entry:
                continue
            where, bits = f"{where}.bits", entry["bits"]
        try:
            found.append((_parse_bits(bits, n_stages), width))
        except ConfigError as error:
            name = f"{bits}: " if isinstance(bits, str) and bits not in str(error) else ""
            problems.append(f"{where}: {name}{error}")
    return list(dict.fromkeys(found)), problems


def _parse_bits(bits: object, n_stages: int) -> BitWidths:
    return check_bit_widths(bits, n_stages) if isinstance(bits, list) else parse_schedule(str(bits), n_stages)


def check_widths(file: SpaceFile) -> list[str]:
    """Return the problems of schedules with a width of their own; those of the entries themselves are found before."""
    n_units, n_stages = count_stages(file.fixed), len(network_spec(known_fixed(file.fixed)).blocks)
    base = known_fixed(file.fixed).get("width", 1.0)
    choices = set() if file.bit_widths is None else set(file.bit_widths.choices)
    is_reduced = file.search.method != "grid" or any(limit is not None for limit in file.limits.model_dump().values())
    first_of: dict[tuple[BitWidths, tuple[int, ...]], float] = {}
    problems = []
    for bits, own in check_schedules(file.schedules, n_units)[0]:
        width = base if own is None else own
        channels = stage_channels(n_stages, width)
        other = first_of.setdefault((bits, channels), width)
        if other != width:
            problems.append(
                f"schedules: each is a network of its own, {schedule_name(bits)} has the channels {list(channels)} at "
                f"width {other:g} and at {width:g}; leave one out"
            )
        if own not in (None, base) and is_reduced and set(bits) <= choices:
            problems.append(
                f"schedules: limits and search tell schedules apart by their bits, so they need those of other widths "
                f"not to be in bit_widths, got {schedule_name(bits)} at width {width:g}; use method: grid, no limits"
            )
    return problems


def check_act_bit_widths(file: SpaceFile) -> list[str]:
    """Return the problem of the bit-widths that activations have, if there is one."""
    act_bit_widths = file.act_bit_widths or []
    if 1 in act_bit_widths:
        return [f"act_bit_widths: activations have 2 to 8 bits, or 32, got {act_bit_widths}"]
    n_stages = count_stages(file.fixed)
    if len(act_bit_widths) not in (0, n_stages):
        return [f"act_bit_widths: must hold one entry per unit ({n_stages}), got {len(act_bit_widths)}"]
    return []


def count_stages(fixed: object) -> int:
    """Return the units of the network that ``fixed`` names; 3 where it names none that can be built."""
    try:
        return len(find_units(network_spec(known_fixed(fixed))).names)
    except ConfigError:  # which `check_fixed` tells
        return 3


def _unknown_fixed_keys(fixed: dict[Any, Any]) -> list[str]:
    elsewhere = {"seed": "seeds", "bit_widths": "schedules or bit_widths", "act_bit_widths": "act_bit_widths"}
    problems = []
    for key in fixed:
        if key in elsewhere:
            problems.append(f"fixed.{key}: it varies over the trials, say it with {elsewhere[key]} beside fixed")
        elif key not in FIXED_KEYS:
            problems.append(f"fixed.{key}: unknown key{_hint(key, FIXED_KEYS)}")
    return problems


def _hint(key: object, known: tuple[str, ...]) -> str:
    """Return where an unknown key belongs, or what it was meant to be."""
    if key in FIXED_KEYS:
        return "; it belongs under fixed"
    if key in SpaceFile.model_fields:
        return "; it belongs at the top, beside fixed"
    return near_miss(str(key), known) or f"; known are {', '.join(known)}"


def explain(error: ValidationError, known: tuple[str, ...], prefix: str = "") -> list[str]:
    """Return one line per problem: where, the rule, the value."""
    lines = []
    for problem in error.errors(include_url=False):
        where = (prefix + ".".join(str(part) for part in problem["loc"])).strip(".")
        if problem["type"] == "extra_forbidden":
            part = NESTED.get(".".join(str(key) for key in problem["loc"][:-1] if not isinstance(key, int)))
            names = known if part is None else tuple(part.model_fields)
            lines.append(f"{where}: unknown key{_hint(problem['loc'][-1], names)}")
        elif problem["type"] == "value_error":
            message = str(problem["ctx"]["error"])
            lines.append(f"{where}: {message}" if where else message)
        elif problem["type"] == "missing":
            lines.append(f"{where}: it is required")
        elif problem["type"] in ("model_type", "dict_type"):
            lines.append(f"{where}: it must be a mapping, got {_SHORT.repr(problem['input'])}")
        else:
            rule = problem["msg"][0].lower() + problem["msg"][1:]
            lines.append(f"{where}: {rule}, got {_SHORT.repr(problem['input'])}")
    return list(dict.fromkeys(lines))
