"""Adds up again what a run recorded: node and parts, intervals and epochs, epochs and trials, energy and emissions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.audit.compare import Check, compare
from analysis.audit.tables import LEDGER_FIGURES, ROW_ENERGIES, RUNNING, SUMMED, Tables

EPOCH = "trial {trial_key}, epoch {epoch}, attempt {attempt}"
TRIAL = "trial {trial_key}"
INTERVAL = "{host}, interval {interval}, {domain}, {part} {trial_key}"


@dataclass(frozen=True)
class Balance:
    """What a host used in a domain, and what its parts did, over all intervals in which both are known.

    Attributes:
        worst_interval: Where they differ most; None where nothing is known.
        worst_residual_kwh: Parts less node in that interval.
    """

    host: str
    domain: str
    n_intervals: int
    node_kwh: float
    parts_kwh: float
    worst_interval: int | None
    worst_residual_kwh: float

    @property
    def residual_kwh(self) -> float:
        """Parts less node."""
        return self.parts_kwh - self.node_kwh

    @property
    def relative_residual(self) -> float | None:
        """The same over the node's energy; None where that is 0."""
        return self.residual_kwh / self.node_kwh if self.node_kwh else None


def balance_nodes(intervals: pd.DataFrame) -> list[tuple[Balance, Check]]:
    """Compare each host's energy with the sum of its parts: per domain, in each interval and over the sweep."""
    groups = _node_and_parts(intervals, "energy_kwh").groupby(["host", "domain"])
    return [_balance(str(host), str(domain), group) for (host, domain), group in groups]


def _node_and_parts(intervals: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return ``node`` and the sum of the ``parts`` by host, domain and interval; NaN where one of them is null."""
    is_node = intervals["part"] == "node"
    sums = [
        intervals[rows].groupby(["host", "domain", "interval"])[figure].sum(skipna=False)
        for rows in (is_node, ~is_node)
    ]
    places = sums[0].index.union(sums[1].index)
    node, parts = (figures.reindex(places, fill_value=0.0) for figures in sums)
    return pd.DataFrame({"node": node, "parts": parts}).reset_index()


def _balance(host: str, domain: str, group: pd.DataFrame) -> tuple[Balance, Check]:
    known = group.dropna(subset=["node", "parts"])
    residuals = known["parts"] - known["node"]
    worst = int(residuals.abs().fillna(np.inf).to_numpy().argmax()) if len(known) else None
    balance = Balance(
        host=host,
        domain=domain,
        n_intervals=len(known),
        node_kwh=float(known["node"].sum()),
        parts_kwh=float(known["parts"].sum()),
        worst_interval=None if worst is None else int(known["interval"].iloc[worst]),
        worst_residual_kwh=0.0 if worst is None else float(residuals.iloc[worst]),
    )
    name = f"parts add up to the node: {host} {domain}"
    sweep = pd.DataFrame({"node": [balance.node_kwh], "parts": [balance.parts_kwh]})
    whole = compare(name, sweep, "whole sweep", sweep["node"], sweep["parts"])
    each = compare(name, known, "interval {interval}", known["node"], known["parts"])
    return balance, Check(name, "kWh", each.n_compared, (*whole.failures, *each.failures))


def check_intervals(intervals: pd.DataFrame) -> list[Check]:
    """Check the rows of the ledgers, each by itself."""
    keys = ["host", "interval", "domain", "part", "trial_key", "segment"]
    counts = intervals.groupby(keys).size().rename("n_rows").reset_index()
    once = pd.Series(1.0, index=counts.index)
    smallest = intervals[LEDGER_FIGURES].min(axis=1)
    parts = intervals[intervals["part"] != "node"]
    split_kwh = parts["active_energy_kwh"] + parts["idle_energy_kwh"]
    kg = intervals["energy_kwh"] * intervals["g_per_kwh"] / 1000
    both_kg = _node_and_parts(intervals, "emissions_kg_co2eq")
    return [
        compare("each part is once in an interval", counts, INTERVAL, once, counts["n_rows"], unit="rows"),
        compare("no figure is negative, intervals", intervals, INTERVAL, smallest.clip(lower=0), smallest, unit=""),
        compare("active + idle == energy, intervals", parts, INTERVAL, parts["energy_kwh"], split_kwh),
        compare(
            "emissions == energy x intensity, intervals",
            intervals,
            INTERVAL,
            kg,
            intervals["emissions_kg_co2eq"],
            unit="kg CO2eq",
            absolute=0.0,
        ),
        compare(
            "emissions of the parts add up to the node's",
            both_kg,
            "{host}, interval {interval}, {domain}",
            both_kg["node"],
            both_kg["parts"],
            unit="kg CO2eq",
        ),
    ]


def sum_starts(tables: Tables) -> pd.DataFrame:
    """Return one row per start of a trial in a process.

    Returns:
        ``trial_key``, ``segment``, ``intervals_kwh`` (what the ledger charged it with), ``rows_kwh`` (what its
        epochs name, the replaced included), ``is_known`` (whether nothing in its epochs is null), ``is_end``
        (whether the trial is done and its last epoch is of this start).
    """
    own = tables.intervals[tables.intervals["part"] == "trial"]
    charged = own.groupby(["trial_key", "segment"])["energy_kwh"].sum(skipna=False).rename("intervals_kwh")
    energies = tables.epochs[ROW_ENERGIES]
    rows = pd.DataFrame(
        {
            "trial_key": tables.epochs["trial_key"],
            "segment": tables.epochs["energy_segment"],
            "rows_kwh": energies.sum(axis=1),
            "is_known": energies.notna().all(axis=1),
        }
    )
    named = rows.groupby(["trial_key", "segment"]).agg({"rows_kwh": "sum", "is_known": "all"})
    places = charged.index.union(named.index)
    columns = {
        "intervals_kwh": charged.reindex(places, fill_value=0.0),
        "rows_kwh": named["rows_kwh"].reindex(places, fill_value=0.0),
        "is_known": named["is_known"].reindex(places, fill_value=True),
    }
    starts = pd.DataFrame(columns).reset_index()
    done = tables.trials["trial_key"][tables.trials["status"] == "done"]
    last = tables.counted.drop_duplicates("trial_key", keep="last")
    ends = pd.MultiIndex.from_frame(last[last["trial_key"].isin(done)][["trial_key", "energy_segment"]])
    return starts.assign(is_end=pd.MultiIndex.from_frame(starts[["trial_key", "segment"]]).isin(ends))


def check_starts(starts: pd.DataFrame) -> Check:
    """Check that the ledger charged each start with the energy of its epochs or more."""
    return compare(
        "epochs are within the intervals of their start",
        starts,
        "trial {trial_key}, start {segment}",
        starts["rows_kwh"],
        starts["intervals_kwh"],
        at_least=True,
    )


def check_charged(tables: Tables, starts: pd.DataFrame) -> Check:
    """Check that the energy of each trial is in epochs that count, in discarded ones, or came after its last row.

    Energy after the last row of a finished trial, such as that of its last checkpoint, is no lost work.
    """
    beyond_kwh = starts["intervals_kwh"] - starts["rows_kwh"]
    by_start = pd.DataFrame(
        {
            "trial_key": starts["trial_key"],
            "charged": starts["intervals_kwh"].where(starts["is_known"]),
            "end": beyond_kwh.where(starts["is_end"], 0.0),
        }
    )
    by_trial = by_start.groupby("trial_key").sum(skipna=False)
    counted = tables.counted.groupby("trial_key")[ROW_ENERGIES].sum().sum(axis=1)
    trials = tables.trials[tables.trials["trial_key"].isin(by_trial.index)]
    keys = trials["trial_key"]
    named_kwh = _look_up(counted, keys, 0.0) + _look_up(by_trial["end"], keys) + trials["discarded_energy_kwh"]
    name = "charged == epochs that count + discarded + end of a trial"
    return compare(name, trials, TRIAL, _look_up(by_trial["charged"], keys), named_kwh)


def _look_up(by_trial: pd.Series, keys: pd.Series, missing: float = np.nan) -> pd.Series:
    """Return the figures of some trial keys, by the index of ``keys``."""
    return by_trial.reindex(keys, fill_value=missing).set_axis(keys.index)


def check_trials(tables: Tables) -> list[Check]:
    """Check that the table of trials sums the epochs that count."""
    trials, counted = tables.trials, tables.counted
    sums = counted.groupby("trial_key")[SUMMED].sum(skipna=False)
    sums = sums.reindex(sums.index.union(pd.Index(trials["trial_key"])).unique(), fill_value=0.0)
    expected = {name: _look_up(sums[name], trials["trial_key"]) for name in SUMMED}
    keys = pd.concat([trials["trial_key"], counted["trial_key"], tables.intervals["trial_key"]])
    known = pd.DataFrame({"trial_key": keys[keys != ""].unique()})
    n_rows = known["trial_key"].map(trials["trial_key"].value_counts()).fillna(0)
    once = pd.Series(1.0, index=known.index)
    return [
        compare("each trial is one row of trials.parquet", known, TRIAL, once, n_rows, unit="rows"),
        *(
            compare(f"trials sum their epochs: {name}", trials, TRIAL, expected[name], trials[name], unit=_unit(name))
            for name in SUMMED
        ),
    ]


def check_sums(frame: pd.DataFrame, table: str, where: str) -> list[Check]:
    """Check that the parts of the training energy add up to it, both ways; a GPU that is null used nothing."""
    energy_kwh = frame["energy_kwh"]
    split_kwh = frame["active_energy_kwh"] + frame["idle_energy_kwh"]
    domains_kwh = frame["cpu_energy_kwh"] + frame["gpu_energy_kwh"].fillna(0.0) + frame["ram_energy_kwh"]
    return [
        compare(f"active + idle == energy, {table}", frame, where, energy_kwh, split_kwh),
        compare(f"cpu + gpu + ram == energy, {table}", frame, where, energy_kwh, domains_kwh),
    ]


def check_running(counted: pd.DataFrame) -> list[Check]:
    """Check the running totals of the epochs that count.

    An epoch of an attempt before the last is left out when it follows epochs of a later attempt: its total
    belongs to those that were replaced.
    """
    is_stale = counted["attempt"] < counted.groupby("trial_key")["attempt"].cummax()
    rows = counted[~is_stale]
    checks = []
    for name, figure in RUNNING.items():
        total = rows.groupby("trial_key")[figure].transform(lambda values: values.cumsum(skipna=False))
        before = rows.groupby("trial_key")[name].shift()
        checks += [
            compare(f"{name} never falls", rows, EPOCH, before, rows[name], unit=_unit(name), at_least=True),
            compare(f"{name} is the running sum", rows, EPOCH, total, rows[name], unit=_unit(name)),
        ]
    return checks


def _unit(name: str) -> str:
    return "kg CO2eq" if name.endswith("_kg_co2eq") else "kWh"


def check_run(tables: Tables) -> list[Check]:
    """Return all checks of a run."""
    starts = sum_starts(tables)
    return [
        *(check for _, check in balance_nodes(tables.intervals)),
        *check_intervals(tables.intervals),
        check_starts(starts),
        check_charged(tables, starts),
        *check_trials(tables),
        *check_sums(tables.epochs, "epochs", EPOCH),
        *check_sums(tables.trials, "trials", TRIAL),
        *check_running(tables.counted),
    ]
