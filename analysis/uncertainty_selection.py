"""Which figures decide on the front: a test set that both chooses and reports flatters what it chose."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.load import AnalysisError, Objective

TEST, VALIDATION = "test_", "val_"


def select_objectives(
    trials: pd.DataFrame, objectives: Sequence[Objective], column: str | None = None
) -> tuple[tuple[Objective, ...], str]:
    """Return the axes that decide which configurations are on the front, and a line that says so.

    Where an axis is a figure of the test images and all trials recorded the same of the validation images, the latter
    decides and the former is reported: the best of many test figures is partly the luckiest.

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
        is_recorded = wanted == axis.column or _is_recorded(trials, axis.column, wanted)
        if not is_recorded and wanted == column:
            raise AnalysisError(f"--select {column} needs it in every finished trial, some have none recorded")
        deciding.append(Objective(wanted if is_recorded else axis.column, axis.direction))
    return tuple(deciding), _say(objectives, deciding)


def _choices(axis: Objective) -> list[str]:
    if not axis.column.startswith(TEST):
        return [axis.column]
    return [axis.column, VALIDATION + axis.column.removeprefix(TEST)]


def _is_recorded(trials: pd.DataFrame, column: str, stand_in: str) -> bool:
    measured = trials[column].notna()
    return stand_in in trials and bool(measured.any()) and bool(trials.loc[measured, stand_in].notna().all())


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
