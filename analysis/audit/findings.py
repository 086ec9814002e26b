"""What an audit found about a run, as plain figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.audit.checks import balance_nodes, check_run, sum_starts
from analysis.audit.inference import check_deployment
from analysis.audit.tables import (
    INFERENCE_FIGURES,
    LEDGER_FIGURES,
    PROCESS,
    ROW_ENERGIES,
    RUNNING,
    SOURCES,
    SUMMED,
    Tables,
)

Figures = dict[str, Any]

DOUBTFUL = ("estimated", "unknown")


def audit_run(tables: Tables) -> Figures:
    """Return all that an audit says about one run; energies in kWh, times in s, emissions in kg CO2eq."""
    is_done = tables.trials["status"] == "done"
    times_s = tables.intervals.drop_duplicates(["host", "interval"])["time_s"]
    return {
        "folder": str(tables.folder),
        "n_trials": len(tables.trials),
        "n_done": int(is_done.sum()),
        "n_epoch_rows": len(tables.epochs),
        "n_intervals": len(times_s),
        "n_inferences": 0 if tables.inference is None else len(tables.inference),
        "balances": [
            {**asdict(balance), "residual_kwh": balance.residual_kwh, "relative_residual": balance.relative_residual}
            for balance, _ in balance_nodes(tables.intervals)
        ],
        "checks": [asdict(check) for check in [*check_run(tables), *check_deployment(tables)]],
        **_surplus(tables, set(tables.trials["trial_key"][is_done])),
        **_origins(tables),
        "time_s": float(times_s.sum()),
        "unmeasured_s": _known_sum(tables.intervals["unmeasured_s"]),
        "flags": _count_flags(tables.intervals),
        "not_measured": _count_nulls(tables),
    }


def _surplus(tables: Tables, done: set[str]) -> Figures:
    """Return the energy of trials beyond that of their epochs, from starts in which every epoch was measured."""
    starts = sum_starts(tables)
    starts = starts[starts["is_known"]]
    beyond_kwh = starts["intervals_kwh"] - starts["rows_kwh"]
    is_done = starts["trial_key"].isin(done)
    replaced_kwh = tables.epochs.drop(tables.counted.index)[ROW_ENERGIES].sum().sum()
    return {
        "after_last_row_kwh": {"done": float(beyond_kwh[is_done].sum()), "others": float(beyond_kwh[~is_done].sum())},
        "lost_or_replaced_kwh": float(beyond_kwh[~starts["is_end"]].sum() + replaced_kwh),
        "discarded_kwh": _known_sum(tables.trials["discarded_energy_kwh"]),
    }


def _origins(tables: Tables) -> Figures:
    """Return which labels say estimated or unknown, how trials got their share, and how much the ledger saw."""
    epochs = tables.epochs
    labels = []
    for column in SOURCES:
        doubtful = epochs[epochs[column].str.startswith(DOUBTFUL, na=False)]
        for label, rows in doubtful.groupby(column):
            hosts = sorted(rows["hostname"].dropna().unique())
            labels.append({"column": column, "label": label, "hosts": hosts, "n_trials": rows["trial_key"].nunique()})
    coverage = epochs["coverage"].dropna()
    methods = epochs.groupby("share_method")["trial_key"].nunique()
    return {
        "doubtful_sources": labels,
        "share_methods": {str(method): int(count) for method, count in methods.items()},
        "coverage": {"min": coverage.min(), "mean": coverage.mean()} if len(coverage) else None,
    }


def _count_flags(intervals: pd.DataFrame) -> dict[str, int]:
    """Return in how many intervals each flag is set; several rows of an interval may repeat it."""
    flagged = intervals[["host", "interval", "flags"]].dropna()
    each = flagged.assign(flags=flagged["flags"].str.split(",")).explode("flags")
    each["flags"] = each["flags"].str.strip()
    counts = each[each["flags"] != ""].drop_duplicates()["flags"].value_counts().sort_index()
    return {str(flag): int(count) for flag, count in counts.items()}


def _count_nulls(tables: Tables) -> list[Figures]:
    """Return the columns with nulls; of trials, only those that have epochs."""
    begun = tables.trials[tables.trials["trial_key"].isin(tables.epochs["trial_key"])]
    node, parts = ((tables.intervals["part"] == "node") ^ flip for flip in (False, True))
    whole = [name for name in LEDGER_FIGURES if name not in ("active_energy_kwh", "idle_energy_kwh")]
    looked_at = [
        ("intervals of nodes", tables.intervals[node], whole),
        ("intervals of parts", tables.intervals[parts], LEDGER_FIGURES),
        ("epochs", tables.epochs, [*SUMMED, *RUNNING, "coverage"]),
        ("trials", begun, [*SUMMED, "discarded_energy_kwh"]),
    ]
    if tables.inference is not None:
        process = tables.inference[PROCESS]
        inference = tables.inference.assign(**{PROCESS: process.where(process != "")})
        looked_at.append(("inference", inference, [*INFERENCE_FIGURES, PROCESS]))
    return [
        {"table": table, "column": column, "n_null": int(n_null), "n_rows": len(frame)}
        for table, frame, columns in looked_at
        for column, n_null in frame[columns].isna().sum().items()
        if n_null
    ]


def _known_sum(values: pd.Series) -> float | None:
    """Return the sum of what is known, None where nothing is."""
    return float(values.sum()) if values.notna().any() else None
