"""The rows of the table of trials, made from configurations and records; of a trial that has ended, sums are kept.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.results.energy_tables import Energy
from lwq_tune.results.schema import CONFIG, ENERGY, HOST, METRICS, SETUP, SOURCES

Record = dict[str, Any]

SUMMED = (
    "train_time_s",
    "eval_time_s",
    "epoch_time_s",
    "unmeasured_s",
    *(column.name for column in (*SETUP, *ENERGY) if column.unit),
)
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


def status_of(events: Sequence[Record]) -> str:
    """Return the status of a trial with these ``start`` and ``end`` records, in order."""
    if not events:
        return "pending"
    return str(events[-1]["status"]) if events[-1]["kind"] == "end" else "interrupted"


def trial_row(
    run: str,
    config: TrialConfig,
    costs: ModelCosts,
    sums: TrialSums,
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
        sums: Sums over its epochs.
        events: Its ``start`` and ``end`` records, in order.
        segments: What the ledgers have charged it with, by start of the trial in a process.
        is_initial: Whether it is trained only because others start from it.
    """
    starts = [event for event in events if event["kind"] == "start"]
    end = events[-1] if events and events[-1]["kind"] == "end" else {}
    row = {
        **identity_values(run, config, is_initial=is_initial),
        **asdict(costs),
        "status": status_of(events),
        "error": end.get("error"),
        "stop_reason": end.get("stop_reason"),
        "attempts": len(starts),
        "epochs_done": sums.epochs_done,
        "started_at_utc": starts[0]["at_utc"] if starts else None,
        "ended_at_utc": end.get("at_utc"),
    }
    if starts:
        is_whole = end.get("status") in ("done", "stopped")
        row |= _discarded(sums, segments, sums.last_segment if is_whole else None)
    return row | sums.columns


def _discarded(sums: TrialSums, segments: Mapping[str, Energy], last_segment: str | None) -> Record:
    """Return the energy of a trial that is in none of its counted rows: epochs trained again, or lost in a crash.

    Args:
        sums: Sums over its rows.
        segments: What it was charged with, by segment.
        last_segment: Segment in which it ran to its end; energy after its last row there was not lost.
    """
    kwh, kg = sums.replaced
    if kwh is None or kg is None:
        return {"discarded_energy_kwh": None, "discarded_emissions_kg_co2eq": None}
    for segment, charged in segments.items():
        if segment != last_segment:
            own_kwh, own_kg = sums.by_segment.get(segment, (0.0, 0.0))
            kwh += max(0.0, charged.kwh - own_kwh)
            kg += max(0.0, charged.kg_co2eq - own_kg)
    return {"discarded_energy_kwh": kwh, "discarded_emissions_kg_co2eq": kg}


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
