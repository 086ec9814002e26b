"""From trials to configurations: replicates over seeds become a mean and a spread."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.load import AnalysisError
from lwq_tune.results.schema import CONFIG, COSTS, ENERGY, METRICS, TIMES

NAMES = ["schedule", "family", "bit_widths", "act_bit_widths"]
SETTINGS = [column.name for column in CONFIG if column.name not in ("config_seed", "config_dataset")]
FIGURES = [column.name for column in (*METRICS, *TIMES, *ENERGY, *COSTS)]
# Records that differ in these measure different things; no front may mix them.
COMPARABLE = {
    "config_dataset": "data sets",
    "config_dataset_digest": "contents of the data set",
    "cpu_source": "sources of CPU energy",
    "gpu_source": "sources of GPU energy",
    "ram_source": "sources of memory energy",
    "share_method": "ways to find a trial's share of its host",
    "carbon_intensity_g_per_kwh": "carbon intensities",
}


def done_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that ran to their end.

    Raises:
        AnalysisError: There are none.
    """
    done = trials[trials["status"] == "done"]
    if done.empty:
        counts = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
        raise AnalysisError(f"an analysis needs trials that ran to their end, got {counts or 'none at all'}")
    return done


def check_comparable(trials: pd.DataFrame) -> None:
    """Refuse trials whose figures cannot stand on one front.

    Raises:
        AnalysisError: Names what differs.
    """
    differing = []
    for column, words in COMPARABLE.items():
        values = sorted({str(value) for value in trials[column].dropna()})
        if len(values) > 1:
            differing.append(f"{words} ({', '.join(values)})")
    if differing:
        raise AnalysisError(f"records on one front must be comparable, these differ in {'; '.join(differing)}")


def summarise_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per configuration: mean over its seeds, ``_std`` (ddof 1, null for one seed), ``n_seeds``.

    Args:
        trials: Finished trials, comparable with one another.
    """
    keys = [*NAMES, *SETTINGS]
    groups = trials.groupby(keys, sort=False, dropna=False)
    means = groups[FIGURES].mean()
    spreads = groups[FIGURES].std(ddof=1).add_suffix("_std")
    summary = pd.concat([groups.size().rename("n_seeds"), means, spreads], axis=1).reset_index()
    return summary.drop(columns=_constant(summary, SETTINGS))


def _constant(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns that say the same of every row."""
    return [column for column in columns if frame[column].astype(str).nunique() <= 1]
