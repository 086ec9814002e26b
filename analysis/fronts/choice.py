"""Which figures decide on the front: a test set that both chooses and reports flatters what it chose."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.runs.load import AnalysisError, Objective
from analysis.runs.seeds import name_trials

TEST, VALIDATION = "test_", "val_"


def select_objectives(
    trials: pd.DataFrame, objectives: Sequence[Objective], column: str | None = None
) -> tuple[tuple[Objective, ...], str]:
    """Return the axes that decide which configurations are on the front, and a line that says so.

    Where an axis is a figure of the test images and all trials recorded the same of the validation images, the latter
    decides and the former is reported: the best of many test figures is partly the luckiest. `selection_doubts` names
    the trials that keep it from deciding.

    Args:
        trials: Finished trials.
        objectives: Axes that are reported.
        column: What decides instead: an axis itself (``test_accuracy``), or its figure of the validation images.

    Returns:
        The deciding axes, in the order of ``objectives``, and the line.

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
        deciding.append(Objective(wanted if is_recorded else axis.column, axis.direction))
    return tuple(deciding), _say(objectives, deciding)


def selection_doubts(trials: pd.DataFrame, objectives: Sequence[Objective], select: Sequence[Objective]) -> list[str]:
    """Return a line for each figure of the validation images that would decide on the front but for some trials.

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
    """Return the trials that have an axis and not a figure that may stand for it."""
    measured = trials[trials[axis.column].notna()]
    return measured[measured[column].isna()] if column in trials else measured


def _count(lacking: pd.DataFrame, trials: pd.DataFrame) -> str:
    verb = "has" if len(lacking) == 1 else "have"
    return f"{len(lacking)} of {len(trials)} ({name_trials(lacking)}) {verb}"


def _choices(axis: Objective) -> list[str]:
    if not axis.column.startswith(TEST):
        return [axis.column]
    return [axis.column, VALIDATION + axis.column.removeprefix(TEST)]


def _say(objectives: Sequence[Objective], deciding: Sequence[Objective]) -> str:
    swapped = [(new, old) for new, old in zip(deciding, objectives, strict=True) if new != old]
    kept = [axis.column for axis in deciding if axis.column.startswith(TEST)]
    if swapped:
        pairs = ", ".join(f"{new.column} and reported by {old.column}" for new, old in swapped)
        return f"the front is chosen by {pairs} (--select {swapped[0][1].column} to choose by what is reported)"
    if kept:
        return (
            f"the front is chosen by {', '.join(kept)}, which it also reports: what was chosen looks better than it is"
        )
    return f"the front is chosen by {', '.join(axis.column for axis in deciding)}"
