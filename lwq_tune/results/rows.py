"""Rows of the tables, made from configurations and records. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lwq_tune.config import TrialConfig
from lwq_tune.costs import ModelCosts
from lwq_tune.results.schema import CONFIG, ENERGY, HOST, METRICS, SETUP, SOURCES

Record = dict[str, Any]

SUMMED = (
    "train_time_s", "eval_time_s", "epoch_time_s", *(column.name for column in (*SETUP, *ENERGY) if column.unit),
)  # fmt: skip
LAST = ("engine", *(column.name for column in (*METRICS, *SOURCES, *HOST) if column.name != "coverage"))


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
        "discarded_energy_kwh": total(row["energy_kwh"] for row in replaced) if starts else None,
        "discarded_emissions_kg_co2eq": total(row["emissions_kg_co2eq"] for row in replaced) if starts else None,
    }
    if counted:
        row |= {name: counted[-1].get(name) for name in LAST}
        row |= {name: total(record.get(name) for record in counted) for name in SUMMED}
        row["peak_memory_mib"] = max(record["peak_memory_mib"] for record in counted)
        images = total(
            None if record["images_per_s"] is None else record["images_per_s"] * record["train_time_s"]
            for record in counted
        )
        row["images_per_s"] = None if images is None else images / row["train_time_s"]
        row["coverage"] = _weighted_coverage(counted)
    return row


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


def _weighted_coverage(rows: Sequence[Record]) -> float | None:
    covered = total(None if row["coverage"] is None else row["coverage"] * row["train_time_s"] for row in rows)
    return None if covered is None else covered / sum(row["train_time_s"] for row in rows)
