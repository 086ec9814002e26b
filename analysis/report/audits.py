"""The audits of the runs of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.audit.findings import Figures, audit_run
from analysis.audit.tables import load_tables
from analysis.runs.load import AnalysisError

MOST_EPOCH_ROWS = 200_000  # of one run; more take longer than the rest of the report


@dataclass(frozen=True)
class Audit:
    """What an audit of one run found, or why there is none."""

    run: str
    figures: Figures | None
    reason: str


def audit_runs(folders: Sequence[Path], names: Sequence[str], trials: pd.DataFrame) -> list[Audit]:
    """Return one audit for each run.

    Args:
        folders: Run folders.
        names: What to call them.
        trials: Their trials, with ``folder`` and ``epochs_done``.
    """
    rows = trials["epochs_done"].fillna(0).groupby(trials["folder"]).sum()
    counts = [int(rows.get(str(folder.resolve()), 0)) for folder in folders]
    return [_audit(folder, name, n_rows) for folder, name, n_rows in zip(folders, names, counts, strict=True)]


def _audit(folder: Path, name: str, n_rows: int) -> Audit:
    if n_rows > MOST_EPOCH_ROWS:
        return Audit(
            name,
            None,
            f"not audited here: {n_rows:,} rows of epochs take longer than the rest of the report; "
            "`python -m analysis audit RUN_DIR` adds them up",
        )
    try:
        return Audit(name, audit_run(load_tables(folder)), "")
    except AnalysisError as error:
        return Audit(name, None, f"not audited: {error}")
