"""From trials to configurations: replicates over seeds become a mean and a spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.runs.keys import CONFIGURATION, NAMES, SETTINGS, configuration_keys, first_trials
from analysis.runs.load import AnalysisError
from lwq_tune.results.schema import COSTS, ENERGY, METRICS, TIMES

FIGURES = [column.name for column in (*METRICS, *TIMES, *ENERGY, *COSTS)]
FAMILIES = ("full_precision", "fixed", "ascending", "descending", "mixed")
# Records that differ in these measure different things; no front may mix them.
COMPARABLE = {
    "dataset": "data sets",
    "cpu_model": "processors",
    "gpu_model": "GPUs",
    "cpu_source": "sources of CPU energy",
    "gpu_source": "sources of GPU energy",
    "ram_source": "sources of memory energy",
    "share_method": "ways to find a trial's share of its host",
    "carbon_intensity_g_per_kwh": "carbon intensities",
    "engine": "engines (eager or compiled)",
}


def done_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that ran to their end, without those of configurations that a rule stopped in another seed.

    A rule stops what looks bad, so the mean over the remaining seeds would look too good.

    Args:
        trials: Trials of one or several runs, such as `analysis.runs.load.Runs.trials`.

    Returns:
        Those rows, with their index.

    Raises:
        AnalysisError: There are none, or one lacks what names it.
    """
    is_stopped = (trials["status"] == "stopped").groupby([trials["run"], trials[CONFIGURATION]]).transform("any")
    done = trials[(trials["status"] == "done") & ~is_stopped]
    if done.empty:
        counts = ", ".join(f"{count} {status}" for status, count in trials["status"].value_counts().items())
        raise AnalysisError(f"an analysis needs trials that ran to their end, got {counts or 'none at all'}")
    _check_names(done)
    return done


def _check_names(done: pd.DataFrame) -> None:
    """Refuse finished trials without a name: a sweep never writes one, another program may."""
    required = [*NAMES, "config_dataset", "config_seed"]
    is_empty = done[required].isna() | (done[required].map(lambda value: value == ()))
    if is_empty.any(axis=None):
        lacking = ", ".join(is_empty.columns[is_empty.any()])
        raise AnalysisError(f"a finished trial says what was trained, one of these lacks {lacking}; repair the table")
    if unknown := sorted(set(done["family"]) - set(FAMILIES)):
        raise AnalysisError(f"a family is one of {', '.join(FAMILIES)}, got {', '.join(unknown)}; repair the table")


def check_comparable(trials: pd.DataFrame) -> None:
    """Refuse trials whose figures cannot stand on one front.

    Args:
        trials: Finished trials; those of `without_origins` are compared in all but how their
            energies were found, which `analysis.runs.comparability.refuse_incomparable` looks at.

    Raises:
        AnalysisError: Names what differs.
    """
    differing = []
    named = trials.assign(dataset=dataset_names(trials), carbon_intensity_g_per_kwh=stated_intensities(trials))
    for column, name in COMPARABLE.items():
        values = sorted({str(value) for value in named[column].astype(object).where(named[column].notna(), "none")})
        if len(values) > 1:
            differing.append(f"{name} ({', '.join(values)})")
    if differing:
        raise AnalysisError(f"records on one front must be comparable, these differ in {'; '.join(differing)}")


def stated_intensities(trials: pd.DataFrame) -> pd.Series:
    """Return the carbon intensities in g/kWh, null where they follow a file over time, as every trial's own mean does.

    Two trials with the same file are comparable; its name and digest are their ``carbon_intensity_source``.
    """
    sources = trials.get("carbon_intensity_source", pd.Series(None, index=trials.index, dtype=object))
    return trials["carbon_intensity_g_per_kwh"].mask(sources.astype(str).str.startswith("file:"))


def dataset_names(trials: pd.DataFrame) -> pd.Series:
    """Return what tells data sets apart: built-in names, and of a folder its name and the digest of its content."""
    names = trials["config_dataset"].map({name: Path(str(name)).name for name in trials["config_dataset"].unique()})
    digests = trials["config_dataset_digest"]
    return names.where(digests.isna(), "sha256:" + digests.astype(str))


def summarise_trials(trials: pd.DataFrame, added: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per configuration: mean over its seeds, ``_std`` (ddof 1, null for one seed), ``n_seeds``.

    A seed that several runs trained counts once, by the mean of its repetitions. Where a figure was not measured
    in one trial, the configuration has none.

    Args:
        trials: Finished trials, comparable with one another.
        added: Columns that are not of the schema, summarised as well.

    Returns:
        Configurations by their key, in the order in which they come first: the columns of `NAMES`, of `SETTINGS` those
        that differ, ``n_seeds``, and of each column of `FIGURES` and of ``added`` the mean and ``COLUMN_std``, in the
        unit of the trial's column.
    """
    by_seed = trials.groupby([CONFIGURATION, "config_seed"], sort=False)[[*FIGURES, *added]].mean(skipna=False)
    groups = by_seed.groupby(CONFIGURATION)
    means, spreads = groups.mean(skipna=False), groups.std(ddof=1, skipna=False).add_suffix("_std")
    named = first_trials(trials)[configuration_keys(trials)]
    summary = named.join([groups.size().rename("n_seeds"), means, spreads])
    return summary.drop(columns=[column for column in SETTINGS if is_constant(summary[column])])


def is_constant(values: pd.Series) -> bool:
    """Return whether a column has one value in all rows."""
    return values.astype(str).nunique() <= 1
