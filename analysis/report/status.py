"""How complete the runs are, which stands at the top of a report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.report.provenance import Manifest, is_open, without_secrets

UNFINISHED = ("pending", "interrupted")
MOST_FAILURES = 20
MOST_CHARACTERS = 200


def alerts(trials: pd.DataFrame, manifests: Sequence[Manifest]) -> list[str]:
    """Return what is unfinished or failed, the most serious first; nothing where every trial ended well."""
    counts = trials["status"].value_counts()
    n_open = int(sum(counts.get(status, 0) for status in UNFINISHED))
    sentences = []
    if n_open:
        sentences.append(
            f"This is not the whole run: {n_open} of {len(trials)} trials have not been trained to their end. Figures "
            "and verdicts are of the others and may change."
        )
    elif any(map(is_open, manifests)):
        sentences.append(
            "No end of the sweep is recorded: it still runs, or was killed. Figures and verdicts may change."
        )
    if n_failed := int(counts.get("failed", 0)):
        sentences.append(
            f"{n_failed} of {len(trials)} trials failed and are in no figure; the list is under Provenance. A mean "
            "over the seeds that are left may look better or worse than it is."
        )
    if n_stopped := int(counts.get("stopped", 0)):
        sentences.append(f"{n_stopped} of {len(trials)} trials were stopped early by a rule and are in no figure.")
    return sentences


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
