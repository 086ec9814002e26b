"""How complete the runs are, which stands at the top of a report."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import pandas as pd

from analysis.findings import Finding
from analysis.report.provenance import Manifest, is_open, without_secrets

UNFINISHED = ("pending", "interrupted")
MOST_FAILURES = 20
MOST_CHARACTERS = 200


class StatusKind(Enum):
    """What keeps runs from being complete."""

    UNFINISHED = "trials have not been trained to their end"
    NO_END = "the sweep goes on, or was killed"
    FAILED = "trials failed"
    STOPPED = "a rule stopped trials early"


def find_status(trials: pd.DataFrame, manifests: Sequence[Manifest]) -> list[Finding[StatusKind]]:
    """Return what is unfinished or failed, the most serious first; nothing where every trial ended well."""
    statuses = trials["status"].value_counts()
    n_open, n_failed, n_stopped = (
        int(sum(statuses.get(status, 0) for status in wanted)) for wanted in (UNFINISHED, ("failed",), ("stopped",))
    )
    numbers = {StatusKind.UNFINISHED: n_open, StatusKind.FAILED: n_failed, StatusKind.STOPPED: n_stopped}
    found = [Finding(kind, True, counts={"trials": n, "all": len(trials)}) for kind, n in numbers.items() if n]
    if not n_open and any(map(is_open, manifests)):
        found.insert(0, Finding(StatusKind.NO_END, True))
    return found


def failures(trials: pd.DataFrame) -> pd.DataFrame:
    """Return schedule, seed and error of the failed trials, the first line of each error, no credentials in it."""
    failed = trials[trials["status"] == "failed"]
    lines = [without_secrets(_first_line(error)) for error in failed["error"]]
    return pd.DataFrame(
        {
            "trial": failed["trial_key"].to_numpy(),
            "schedule": failed["schedule"].to_numpy(),
            "seed": failed["config_seed"].to_numpy(),
            "error": lines,
        }
    )


def _first_line(error: object) -> str:
    if not isinstance(error, str) or not error.strip():
        return "no reason recorded"
    line = error.strip().splitlines()[0]
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]} …"
