"""Rows of the tables, made from configurations and records. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lwq_tune.config import TrialConfig
from lwq_tune.costs import ModelCosts
from lwq_tune.results.energy_log import Energy
from lwq_tune.results.schema import CONFIG, ENERGY, HOST, METRICS, SETUP, SOURCES

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


def identity_values(run: str, config: TrialConfig, *, is_initial: bool = False) -> Record:
    """Return the columns that say which trial a row belongs to, and its configuration.

    Args:
        run: Name of the run.
        config: The trial.
        is_initial: Whether it is trained only because others start from it.
    """
    values = config.model_dump(mode="json")
    initial = config.initial
    return {
        "run": run,
        "trial_key": config.trial_key,
        "role": "initial" if is_initial else "trial",
        "init_trial_key": None if initial is None else initial.trial_key,
        "schedule": config.schedule,
        "family": config.family,
        "bit_widths": values["bit_widths"],
        "act_bit_widths": values["act_bit_widths"],
        **{column.name: values[column.name.removeprefix("config_")] for column in CONFIG},
    }


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


def trial_row(
    run: str,
    config: TrialConfig,
    costs: ModelCosts,
    rows: Sequence[Record],
    events: Sequence[Record],
    segments: Mapping[str, Energy],
    *,
    is_initial: bool = False,
) -> Record:
    """Return the row of one trial: sums of times and energies, metrics of the last epoch, how it ended.

    Args:
        run: Name of the run.
        config: The trial.
        costs: Its modelled inference costs.
        rows: Its epoch records, all attempts.
        events: Its ``start`` and ``end`` records, in order.
        segments: What the ledgers have charged it with, by start of the trial in a process.
        is_initial: Whether it is trained only because others start from it.
    """
    counted, replaced = last_attempts(rows)
    ends = [event for event in events if event["kind"] == "end"]
    starts = [event for event in events if event["kind"] == "start"]
    is_over = bool(ends) and events[-1]["kind"] == "end"
    row = {
        **identity_values(run, config, is_initial=is_initial),
        **asdict(costs),
        "status": ends[-1]["status"] if is_over else ("interrupted" if starts else "pending"),
        "error": ends[-1].get("error") if is_over else None,
        "attempts": len(starts),
        "epochs_done": len(counted),
        "started_at_utc": starts[0]["at_utc"] if starts else None,
        "ended_at_utc": ends[-1]["at_utc"] if is_over else None,
    }
    if starts:
        is_whole = is_over and ends[-1]["status"] == "done"
        row |= _discarded(rows, replaced, segments, counted[-1]["energy_segment"] if is_whole and counted else None)
    return row | _sums(counted) if counted else row


def _sums(counted: Sequence[Record]) -> Record:
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


def _discarded(
    rows: Sequence[Record], replaced: Sequence[Record], segments: Mapping[str, Energy], last_segment: str | None
) -> Record:
    """Return the energy of a trial that is in none of its counted rows: epochs trained again, work lost in a crash.

    Args:
        rows: All its rows.
        replaced: Those that a later attempt replaced.
        segments: What it was charged with, by segment.
        last_segment: Segment in which it ran to its end; what follows its last row there was no lost work.
    """
    names = ("discarded_energy_kwh", "discarded_emissions_kg_co2eq")
    sums = [total(_row_total(row, columns) for row in replaced) for columns in (ROW_ENERGIES, ROW_EMISSIONS)]
    if None in sums:
        return dict.fromkeys(names)
    kwh, kg = (part or 0.0 for part in sums)
    for segment, charged in segments.items():
        if segment != last_segment:
            own = [row for row in rows if row["energy_segment"] == segment]
            kwh += max(0.0, charged.kwh - sum(_row_total(row, ROW_ENERGIES) or 0.0 for row in own))
            kg += max(0.0, charged.kg_co2eq - sum(_row_total(row, ROW_EMISSIONS) or 0.0 for row in own))
    return dict(zip(names, (kwh, kg), strict=True))


def _row_total(row: Record, columns: Sequence[str]) -> float | None:
    return total(row.get(column) for column in columns)


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum, or None where a part was not measured.

    >>> total([1.0, 2.0]), total([1.0, None]), total([])
    (3.0, None, 0.0)
    """
    parts = list(values)
    if any(part is None for part in parts):
        return None
    return float(sum(part for part in parts if part is not None))


def initial_energy(config: TrialConfig, energies: Mapping[str, float | None]) -> float | None:
    """Return the training energy of the chain of trials that a trial builds on; 0 for a start from scratch.

    Args:
        config: The trial.
        energies: Training energy of each trial of this and of reused runs, by key.
    """
    chain = []
    initial = config.initial
    while initial is not None:
        chain.append(energies.get(initial.trial_key))
        initial = initial.initial
    return total(chain)


def _mean_over_time(rows: Sequence[Record], name: str) -> float | None:
    """Return the mean of a column, weighted by the time of the training passes."""
    weighted = total(None if row[name] is None else row[name] * row["train_time_s"] for row in rows)
    time_s = sum(row["train_time_s"] for row in rows)
    return None if weighted is None or not time_s else weighted / time_s
