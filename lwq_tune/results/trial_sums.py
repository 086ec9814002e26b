"""Sums over the epochs of one trial, kept instead of its rows after it has ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lwq_tune.results.schema import ENERGY, HOST, METRICS, SETUP, SOURCES

Record = dict[str, Any]

SUMMED = (
    "train_time_s", "eval_time_s", "epoch_time_s", "unmeasured_s",
    *(column.name for column in (*SETUP, *ENERGY) if column.unit),
)  # fmt: skip
_MEANS = ("coverage", "concurrency")
LAST = (
    "engine",
    *(column.name for column in (*METRICS, *SOURCES, *HOST) if column.name not in (*_MEANS, "unmeasured_s")),
)
# What the row of an epoch holds of its trial's energy, and of its emissions.
ROW_ENERGIES = ("energy_kwh", "eval_energy_kwh", "setup_energy_kwh", "overhead_energy_kwh")
ROW_EMISSIONS = (
    "emissions_kg_co2eq",
    "eval_emissions_kg_co2eq",
    "setup_emissions_kg_co2eq",
    "overhead_emissions_kg_co2eq",
)


@dataclass(frozen=True)
class TrialSums:
    """Sums over the rows of a trial.

    Attributes:
        columns: Sums, means and last values of the rows that count; empty where there is none.
        epochs_done: Number of those rows.
        last_segment: Segment of the last of them.
        replaced: Energy in kWh and emissions in kg of rows that a later attempt replaced; None where not measured.
        by_segment: The same of all rows of each segment; what was not measured counts as nothing.
    """

    columns: Record = field(default_factory=dict)
    epochs_done: int = 0
    last_segment: str | None = None
    replaced: tuple[float | None, float | None] = (0.0, 0.0)
    by_segment: dict[str, tuple[float, float]] = field(default_factory=dict)


def sum_up(rows: Iterable[Record]) -> TrialSums:
    """Return the sums over the rows of one trial, of all attempts."""
    counted, replaced = last_attempts(rows)
    by_segment: dict[str, tuple[float, float]] = {}
    for row in (*counted, *replaced):
        kwh, kg = by_segment.get(row["energy_segment"], (0.0, 0.0))
        by_segment[row["energy_segment"]] = (
            kwh + (_row_total(row, ROW_ENERGIES) or 0.0),
            kg + (_row_total(row, ROW_EMISSIONS) or 0.0),
        )
    return TrialSums(
        columns=_columns(counted) if counted else {},
        epochs_done=len(counted),
        last_segment=counted[-1]["energy_segment"] if counted else None,
        replaced=(
            total(_row_total(row, ROW_ENERGIES) for row in replaced),
            total(_row_total(row, ROW_EMISSIONS) for row in replaced),
        ),
        by_segment=by_segment,
    )


def last_attempts(rows: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Split the rows of one trial into those that count and those that a later attempt replaced.

    Of each epoch the last attempt counts. Both lists are in order of epoch and attempt.
    """
    by_epoch: dict[int, Record] = {}
    replaced = []
    for row in sorted(rows, key=lambda row: (row["epoch"], row["attempt"])):
        if row["epoch"] in by_epoch:
            replaced.append(by_epoch[row["epoch"]])
        by_epoch[row["epoch"]] = row
    return list(by_epoch.values()), replaced


def _columns(counted: Sequence[Record]) -> Record:
    """Return what the rows of a trial add up to."""
    row: Record = {name: counted[-1].get(name) for name in LAST}
    row |= {name: total(record.get(name) for record in counted) for name in SUMMED}
    if len({record["idle_source"] for record in counted}) > 1:
        row["idle_source"] = "mixed"  # learned while the trial ran
    row["peak_memory_mib"] = max(record["peak_memory_mib"] for record in counted)
    images = total(
        None if record["images_per_s"] is None else record["images_per_s"] * record["train_time_s"]
        for record in counted
    )
    row["images_per_s"] = None if images is None else images / row["train_time_s"]
    return row | {name: _mean_over_time(counted, name) for name in _MEANS}


def _row_total(row: Record, columns: Sequence[str]) -> float | None:
    return total(row.get(column) for column in columns)


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum, or None if a part was not measured.

    >>> total([1.0, 2.0]), total([1.0, None]), total([])
    (3.0, None, 0.0)
    """
    parts = list(values)
    if any(part is None for part in parts):
        return None
    return float(sum(part for part in parts if part is not None))


def _mean_over_time(rows: Sequence[Record], name: str) -> float | None:
    """Return the mean of a column, weighted by the time of the training passes."""
    weighted = total(None if row[name] is None else row[name] * row["train_time_s"] for row in rows)
    time_s = sum(row["train_time_s"] for row in rows)
    return None if weighted is None or not time_s else weighted / time_s
