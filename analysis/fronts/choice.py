"""Which figures decide on the front: a test set that both chooses and reports flatters what it chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import pandas as pd

from analysis.findings import Finding
from analysis.runs.load import AnalysisError, Objective
from analysis.runs.seeds import name_trials

TEST, VALIDATION = "test_", "val_"


class ChoiceKind(Enum):
    """What decides which configurations are on the front."""

    BY_VALIDATION = "figures of the validation images, for figures of the test images that are reported"
    BY_REPORTED_TEST = "figures of the test images that are reported as well"
    BY_AXES = "the reported axes, none of them of test images"


def select_objectives(
    trials: pd.DataFrame, objectives: Sequence[Objective], column: str | None = None
) -> tuple[tuple[Objective, ...], Finding[ChoiceKind]]:
    """Return the axes that decide which configurations are on the front, and what kind of choice it is.

    Where an axis is a figure of the test images and all trials recorded the same of the validation images, the latter
    decides and the former is reported: the best of many test figures is best partly by chance. `selection_doubts` names
    the trials that keep it from deciding.

    Args:
        trials: Finished trials.
        objectives: Axes that are reported.
        column: What decides instead: an axis itself (``test_accuracy``), or its figure of the validation images.

    Returns:
        The deciding axes, in the order of ``objectives``, and the choice for `choice_sentence`.

    Raises:
        AnalysisError: ``column`` stands for no axis, or was not recorded of every trial.
    """
    choices = {choice: axis for axis in objectives for choice in _choices(axis)}
    if column is not None and column not in choices:
        raise AnalysisError(f"--select takes {', '.join(choices)} in these runs, got {column}")
    deciding = []
    for axis in objectives:
        wanted = column if column is not None and choices[column] == axis else _choices(axis)[-1]
        lacking = _lacking(trials, axis, wanted)
        if len(lacking) and wanted == column:
            raise AnalysisError(
                f"--select {column} needs a number in every finished trial, {_count(lacking, trials)} none; leave "
                f"--select out, and {axis.column} decides"
            )
        is_recorded = lacking.empty and bool(trials[axis.column].notna().any())
        deciding.append(replace(axis, column=wanted if is_recorded else axis.column))
    return tuple(deciding), _find_choice(objectives, deciding)


def selection_doubts(trials: pd.DataFrame, objectives: Sequence[Objective], select: Sequence[Objective]) -> list[str]:
    """Return a line for each figure of the validation images that does not decide because some trials lack it.

    Args:
        trials: Finished trials.
        objectives: Axes that are reported.
        select: Axes that decide where nobody asked for others, from `select_objectives`.
    """
    doubts = []
    for axis, deciding in zip(objectives, select, strict=True):
        wanted = _choices(axis)[-1]
        lacking = _lacking(trials, axis, wanted)
        if deciding == axis and 0 < len(lacking) < trials[axis.column].notna().sum():
            doubts.append(
                f"{axis.column} decides on the front, since {wanted} needs a number in every finished trial for that, "
                f"and {_count(lacking, trials)} none"
            )
    return doubts


def _lacking(trials: pd.DataFrame, axis: Objective, column: str) -> pd.DataFrame:
    """Return the trials that have the figure of an axis, but not the one that may decide instead."""
    measured = trials[trials[axis.column].notna()]
    return measured[measured[column].isna()] if column in trials else measured


def _count(lacking: pd.DataFrame, trials: pd.DataFrame) -> str:
    verb = "has" if len(lacking) == 1 else "have"
    return f"{len(lacking)} of {len(trials)} ({name_trials(lacking)}) {verb}"


def _choices(axis: Objective) -> list[str]:
    if not axis.column.startswith(TEST):
        return [axis.column]
    return [axis.column, VALIDATION + axis.column.removeprefix(TEST)]


def _find_choice(objectives: Sequence[Objective], deciding: Sequence[Objective]) -> Finding[ChoiceKind]:
    columns = tuple(axis.column for axis in deciding)
    replaced = [(new.column, old.column) for new, old in zip(deciding, objectives, strict=True) if new != old]
    if replaced:
        parts = tuple(Finding(ChoiceKind.BY_VALIDATION, column=old, subjects=(new,)) for new, old in replaced)
        return Finding(ChoiceKind.BY_VALIDATION, subjects=tuple(new for new, _ in replaced), parts=parts)
    tested = tuple(column for column in columns if column.startswith(TEST))
    if tested:
        return Finding(ChoiceKind.BY_REPORTED_TEST, subjects=tested)
    return Finding(ChoiceKind.BY_AXES, subjects=columns)


def choice_sentence(choice: Finding[ChoiceKind], *, with_option: bool = True) -> str:
    """Return what decides on the front as text.

    Args:
        choice: From `select_objectives`.
        with_option: Whether the option that chooses otherwise is named.
    """
    if choice.kind is ChoiceKind.BY_VALIDATION:
        pairs = ", ".join(f"{part.subjects[0]} and reported by {part.column}" for part in choice.parts)
        option = f" (--select {choice.parts[0].column} to choose by what is reported)" if with_option else ""
        return f"the front is chosen by {pairs}{option}"
    columns = ", ".join(choice.subjects)
    if choice.kind is ChoiceKind.BY_REPORTED_TEST:
        return f"the front is chosen by {columns}, which it also reports: what was chosen looks better than it is"
    return f"the front is chosen by {columns}"
