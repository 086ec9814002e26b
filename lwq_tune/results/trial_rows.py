"""Rows of the tables, made from configurations and records. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.results.energy_tables import Energy
from lwq_tune.results.schema import CONFIG
from lwq_tune.results.trial_sums import TrialSums, total

Record = dict[str, Any]


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
