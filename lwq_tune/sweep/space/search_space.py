"""Search spaces: found by name or file, checked as a whole, expanded into trials. No torch, no Ray."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import lwq_tune
from lwq_tune.config.deploy import DeploySettings
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError, near_miss
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.quantization.schedule_set import ScheduleSet
from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.sweep.space.candidates import Candidates, show_count
from lwq_tune.sweep.space.checks import (
    FIXED_KEYS,
    check_act_bit_widths,
    check_fixed,
    check_objectives,
    check_schedules,
    check_widths,
    count_stages,
    explain,
    parse_space_file,
    trial_settings,
)
from lwq_tune.sweep.space.file_models import Limits, ObjectiveSpec, Search, SpaceFile
from lwq_tune.sweep.space.strict_yaml import read_yaml
from lwq_tune.sweep.stopping.settings import Stopping, check_stopping

MAX_TRIALS = 100_000
# Of more schedules a search takes samples. Those of six units, the most that earlier versions had, are listed as there,
# so that a search of an earlier version that is resumed proposes the same.
MAX_LISTED, MAX_UNITS_LISTED = 4_096, 6
MAX_PROBLEMS_SHOWN = 20
SCHEMA_COMMENT = "# yaml-language-server:"


@dataclass(frozen=True)
class SearchSpace:
    """A checked search space.

    Attributes:
        name: Name of the space, from its file.
        text: The file as it was read.
        overrides: Settings given on the command line in place of the file's.
        trials: Its trials, each once: all schedules of the first seed, then those of the next, so that a
            drift of the machine falls on all schedules alike.
        base: A trial with what all trials share; those of any schedule are made from it.
        act_bit_widths: Bits of the activations; empty where they are those of the weights.
        objectives: Axes of its front.
        listed: Schedules that were listed one by one, which no limit and no draw leaves out.
        limits: What the other schedules may cost.
        search: Which of them are trained.
        stopping: Rules that end trials and the sweep early.
        deploy: How the networks are measured once they are trained; None if they are not.
        seeds: Seeds of the replicates.
        unlisted: The schedules of ``bit_widths`` where they are too many to list; None where they are in ``trials``.
        candidates: Schedules that the search may propose while the sweep runs; None where there is no such search.
        path: The file, empty where the text came from elsewhere.
    """

    name: str
    text: str
    overrides: tuple[str, ...]
    trials: tuple[TrialConfig, ...]
    base: TrialConfig
    act_bit_widths: BitWidths
    objectives: tuple[ObjectiveSpec, ...]
    listed: frozenset[BitWidths]
    limits: Limits
    search: Search
    stopping: Stopping
    seeds: tuple[int, ...]
    deploy: DeploySettings | None = None
    path: str = ""
    unlisted: ScheduleSet | None = None
    candidates: Candidates | None = None

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def dataset(self) -> str:
        """Data set of all trials."""
        return self.base.dataset

    def with_dataset(self, dataset: str, digest: str | None) -> SearchSpace:
        """Return the space on a data set as it was found: its full path, its digest."""
        return self._with({"dataset": dataset, "dataset_digest": digest})

    def with_network(self) -> SearchSpace:
        """Return the space with its network as it was found: full paths, digests of its code and its weights.

        Raises:
            ConfigError: A file or module is not there.
        """
        return self._with(self.base.network_as_found())

    def _with(self, update: Mapping[str, Any]) -> SearchSpace:
        trials = tuple(trial.model_copy(update=update) for trial in self.trials)
        return replace(self, trials=trials, base=self.base.model_copy(update=update))

    def trials_of(self, bit_widths: BitWidths) -> tuple[TrialConfig, ...]:
        """Return the trials of a schedule over the choices of ``bit_widths``, one per seed."""
        act = act_bit_widths_of(bit_widths, self.act_bit_widths) or bit_widths
        varied = {"bit_widths": bit_widths, "act_bit_widths": act}
        return tuple(self.base.model_copy(update={**varied, "seed": seed}) for seed in self.seeds)


def act_bit_widths_of(bit_widths: BitWidths, act_bit_widths: BitWidths) -> BitWidths:
    """Return the bits of the activations beside those of the weights; empty for the same.

    Full precision has no activations to quantize, whatever other schedules have.
    """
    return () if set(bit_widths) == {FULL_PRECISION_BITS} else act_bit_widths


def spaces_folder() -> Path:
    """Return the folder of the spaces that come with the package."""
    installed = Path(lwq_tune.__file__).parent / "search_spaces"
    return installed if installed.is_dir() else Path(lwq_tune.__file__).parent.parent / "search_spaces"


def builtin_spaces() -> dict[str, Path]:
    """Return the files of the spaces that come with the package, by name."""
    return {path.stem: path for path in sorted(spaces_folder().glob("*.yaml"))}


def describe_space(path: Path) -> str:
    """Return the first comment line of a space file, after the one that names its schema to editors."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((line for line in lines if not line.startswith(SCHEMA_COMMENT)), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def find_space(space: str) -> Path:
    """Return the file of a space given by name or path.

    Raises:
        ConfigError: There is none.
    """
    builtin = builtin_spaces()
    if space in builtin:
        return builtin[space]
    path = Path(space).expanduser()
    if path.is_file():
        return path
    hint = near_miss(space, builtin)
    raise ConfigError(
        f"--space must be the name of a space or a .yaml file, got {space!r}{hint}; "
        f"there are {', '.join(builtin)} (python -m lwq_tune spaces)"
    )


def load_space(space: str, overrides: tuple[str, ...] = ()) -> SearchSpace:
    """Return a search space, checked as a whole.

    Args:
        space: Name of a built-in space, or path of a file.
        overrides: ``key=value`` settings; a trial's key goes under ``fixed``, others stand beside it.

    Raises:
        ConfigError: Lists every problem.
    """
    path = find_space(space)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a search space must be a readable text file, {path} is not: {error}") from error
    return parse_space(path.stem, text, overrides, origin=str(path.absolute()))


def parse_space(name: str, text: str, overrides: tuple[str, ...] = (), origin: str = "") -> SearchSpace:
    """Return the search space that a text describes.

    Raises:
        ConfigError: Lists every problem.
    """
    try:
        values = read_yaml(text)
        apply_overrides(values, overrides)
    except ConfigError as error:
        raise ConfigError(f"{origin or name}: {error}") from error
    file, expanded, problems = _check(values)
    if file is None or expanded is None or problems:
        problems = list(dict.fromkeys(problems))
        listed = "".join(f"\n  - {problem}" for problem in problems[:MAX_PROBLEMS_SHOWN])
        listed += f"\n  … and {len(problems) - MAX_PROBLEMS_SHOWN} more" if len(problems) > MAX_PROBLEMS_SHOWN else ""
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{origin or name} has {count}:{listed}")
    schedules, _ = check_schedules(file.schedules, count_stages(file.fixed))
    return SearchSpace(
        name=name,
        text=text,
        overrides=overrides,
        trials=expanded.trials,
        base=expanded.base,
        act_bit_widths=tuple(file.act_bit_widths or ()),
        objectives=tuple(file.objectives),
        listed=frozenset(bit_widths for bit_widths, _ in schedules),
        limits=file.limits,
        search=file.search,
        stopping=file.stopping,
        seeds=tuple(dict.fromkeys(file.seeds)),
        deploy=file.deploy,
        path=origin,
        unlisted=expanded.unlisted,
    )


@dataclass(frozen=True)
class _Expanded:
    """What the schedules of a file give, see `SearchSpace`."""

    trials: tuple[TrialConfig, ...]
    base: TrialConfig
    unlisted: ScheduleSet | None


def _check(values: Any) -> tuple[SpaceFile | None, _Expanded | None, list[str]]:
    """Return a space file, its trials, and whatever is wrong with either."""
    file, problems = parse_space_file(values)
    if isinstance(values, dict):
        problems += check_fixed(values.get("fixed"))
        problems += check_schedules(values.get("schedules"), count_stages(values.get("fixed")))[1]
    expanded: _Expanded | None = None
    if file is not None:
        problems += check_objectives(file) + check_act_bit_widths(file)
    if file is not None and not problems:
        problems = check_widths(file)
    if file is not None and not problems:
        expanded, problems = _expand(file)
    if file is not None and expanded is not None:
        problems += check_stopping(file.stopping, expanded.base.n_rows, [axis.column for axis in file.objectives])
    return file, expanded, problems


def apply_overrides(values: Any, overrides: tuple[str, ...]) -> None:
    """Put ``key=value`` settings into the values of a space file, in place.

    Raises:
        ConfigError: A setting has no ``=``, or its key is unknown.
    """
    if not overrides or not isinstance(values, dict):
        return
    for override in overrides:
        key, separator, value = override.partition("=")
        key = key.strip().removeprefix("fixed.")
        if not separator:
            raise ConfigError(f"--set takes key=value, got {override!r}")
        if key in FIXED_KEYS:
            fixed = values.setdefault("fixed", {})
            if isinstance(fixed, dict):
                fixed[key] = read_yaml(value)
        elif key in SpaceFile.model_fields:
            values[key] = read_yaml(value)
        else:
            known = (*FIXED_KEYS, *SpaceFile.model_fields)
            hint = near_miss(key, known) or f"; known are {', '.join(known)}"
            raise ConfigError(f"--set {key}: unknown key{hint}")


def _expand(file: SpaceFile) -> tuple[_Expanded | None, list[str]]:
    """Return the trials of a space whose parts are sound, and the problems of their combination."""
    n_units, n_seeds = count_stages(file.fixed), len(file.seeds)
    schedules, _ = check_schedules(file.schedules, n_units)
    listed = frozenset(bit_widths for bit_widths, _ in schedules)
    unlisted = None
    if file.bit_widths is not None:
        offered = ScheduleSet.over(file.bit_widths.choices, n_units, file.bit_widths.constraint)
        is_grid = file.search.method == "grid"
        if is_grid and (n_trials := offered.size * n_seeds) > MAX_TRIALS:
            return None, [
                f"bit_widths.choices: a grid may hold {MAX_TRIALS} trials, these would be {show_count(n_trials)}; let "
                "search take some of them (method: random, tpe or nsga2, with trials), or leave out choices or seeds"
            ]
        if is_grid or _can_be_listed(offered, n_seeds):
            schedules = list(dict.fromkeys([*schedules, *((bit_widths, None) for bit_widths in offered.all())]))
        else:
            unlisted = offered
    n_trials = (len(schedules) + (0 if unlisted is None else file.search.trials or 0)) * n_seeds
    if n_trials > MAX_TRIALS:
        return None, [f"a sweep may hold {MAX_TRIALS} trials, got {n_trials}; leave out bit-widths or seeds"]
    trials, problems = _make_trials(file, [(*one, seed) for seed in file.seeds for one in schedules], listed)
    # What makes a trial invalid lies in its bits and not in their order: fixed schedules show it for all.
    fixed = [] if unlisted is None else [((bits,) * n_units, None, file.seeds[0]) for bits in unlisted.choices]
    examples, more = _make_trials(file, fixed, listed)
    if not (*trials, *examples):
        return None, problems + more
    first = next(iter((*trials, *examples)))
    return _Expanded(trials, _make_trial(file, first.bit_widths, None, first.seed), unlisted), problems + more


def _can_be_listed(offered: ScheduleSet, n_seeds: int) -> bool:
    return offered.size * n_seeds <= (MAX_TRIALS if offered.n_units <= MAX_UNITS_LISTED else MAX_LISTED)


def _make_trials(
    file: SpaceFile, entries: Iterable[tuple[BitWidths, float | None, int]], listed: Collection[BitWidths]
) -> tuple[tuple[TrialConfig, ...], list[str]]:
    """Return the trials of schedules, widths and seeds, each once, and the problems of those that are none."""
    trials: dict[TrialConfig, None] = {}
    problems: list[str] = []
    for bit_widths, width, seed in entries:
        try:
            trials[_make_trial(file, bit_widths, width, seed)] = None
        except ValidationError as error:
            problems += explain(error, FIXED_KEYS, prefix="schedules." if bit_widths in listed else "bit_widths.")
    return tuple(trials), problems


def _make_trial(file: SpaceFile, bit_widths: BitWidths, width: float | None, seed: int) -> TrialConfig:
    act = act_bit_widths_of(bit_widths, tuple(file.act_bit_widths or ()))
    varied: dict[str, Any] = {"bit_widths": bit_widths, "act_bit_widths": act, "seed": seed}
    if width is not None:
        varied["width"] = width
    return TrialConfig(**{**trial_settings(file.fixed), **varied})
