"""Refuses fronts over energies and emissions that were found in different ways."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.runs.configurations import COMPARABLE, stated_intensities
from analysis.runs.load import AnalysisError, Objective

SOURCE_OF_DOMAIN = {
    "cpu_energy_kwh": "cpu_source",
    "gpu_energy_kwh": "gpu_source",
    "ram_energy_kwh": "ram_source",
}
DOMAIN_SOURCES = list(SOURCE_OF_DOMAIN.values())
SHARE = ["share_method", "pue"]
INTENSITY = ["carbon_intensity_source", "carbon_intensity_g_per_kwh"]
COLUMNS = [*DOMAIN_SOURCES, "idle_source", *SHARE, *INTENSITY]
NAMES = COMPARABLE | {
    "idle_source": "sources of idle power",
    "pue": "power usage effectiveness",
    "carbon_intensity_source": "sources of the carbon intensity",
}
WHOLE_HOST = "whole-host"
MIN_COVERAGE = 0.99
# Both are a share of the host's CPU time above idle: alone on a host, that share is everything that no other takes.
SHARES_OF_CPU_TIME = {"exclusive", "cpu-seconds"}


def refuse_incomparable(
    trials: pd.DataFrame, *, allow: bool, objectives: Sequence[Objective] | None = None
) -> list[str]:
    """Refuse trials whose energies or emissions cannot stand on one front.

    Trials that lack an objective are on no front and are not looked at. A column that is missing is null.

    Args:
        trials: Finished trials.
        allow: Whether what would be refused is a warning instead.
        objectives: Axes of the front; without them, everything counts.

    Returns:
        Warnings.

    Raises:
        AnalysisError: Names the columns that differ, their values and the number of trials with each.
    """
    columns = COLUMNS if objectives is None else relevant_columns(objectives)
    measured = trials.dropna(subset=[objective.column for objective in objectives or []])
    compared = measured.reindex(
        columns=[*dict.fromkeys([*columns, "share_method", "gpu_source", "concurrency", "coverage"])]
    )
    if "carbon_intensity_g_per_kwh" in columns:
        compared["carbon_intensity_g_per_kwh"] = stated_intensities(compared)
    if "gpu_source" not in columns:
        compared["gpu_source"] = None  # a front over CPU energy is the same with a GPU and without
    differing = [difference for column in columns if (difference := _difference(compared, column))]
    if differing and not allow:
        raise AnalysisError(
            f"records on one front must be comparable, these differ in {'; '.join(differing)}; "
            "compare them apart, or give --mixed-sources to have them on one front"
        )
    warnings = [f"the front mixes records that differ in {difference}" for difference in differing]
    if "share_method" in columns:
        warnings += _concurrency_warning(compared) + _coverage_warning(compared)
    return warnings


def without_origins(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without the columns on how energies were found, for checks of everything else."""
    return trials.assign(**dict.fromkeys(COLUMNS))


def relevant_columns(objectives: Sequence[Objective]) -> list[str]:
    """Return the columns that must agree for a front: none where no axis is a measured energy or emission.

    >>> relevant_columns([Objective("test_accuracy", "maximize"), Objective("weight_mib", "minimize")])
    []
    >>> relevant_columns([Objective("test_accuracy", "maximize"), Objective("cpu_energy_kwh", "minimize")])
    ['cpu_source', 'share_method', 'pue']
    """
    needed: set[str] = set()
    for objective in objectives:
        if objective.unit in ("kWh", "kg CO2eq"):
            own = SOURCE_OF_DOMAIN.get(objective.column)
            needed |= {*SHARE, *([own] if own else DOMAIN_SOURCES)}
        if objective.column in ("active_energy_kwh", "idle_energy_kwh"):
            needed.add("idle_source")
        if objective.unit == "kg CO2eq":
            needed |= set(INTENSITY)
    return [column for column in COLUMNS if column in needed]


def _difference(trials: pd.DataFrame, column: str) -> str | None:
    """Return a column, its values and the number of trials with each; None where all agree."""
    values = share_classes(trials) if column == "share_method" else trials[column]
    counts = values.astype(object).where(values.notna(), "none").astype(str).value_counts().sort_index()
    if len(counts) < 2:
        return None
    numbers = ", ".join(str(count) for count in counts.iloc[:-1]) + f" and {counts.iloc[-1]}"
    return f"{column}: {NAMES[column]} ({', '.join(counts.index)}) in {numbers} trials"


def share_classes(trials: pd.DataFrame) -> pd.Series:
    """Return what share of a host trials are charged with; trials of one class are comparable.

    The whole host is another scope than a share of it. Trials without a GPU are of one class, whether they
    ran alone or shared their host by CPU seconds.
    """
    has_gpu = trials["gpu_source"].notna() & (trials["gpu_source"] != "none")
    is_cpu_share = trials["share_method"].map(_is_share_of_cpu_time).astype(bool) & ~has_gpu
    return trials["share_method"].mask(is_cpu_share, " or ".join(sorted(SHARES_OF_CPU_TIME)))


def _is_share_of_cpu_time(method: object) -> bool:
    return isinstance(method, str) and set(re.split(r"[^a-z-]+", method)) <= SHARES_OF_CPU_TIME


def _concurrency_warning(trials: pd.DataFrame) -> list[str]:
    """Return a warning where trials that are charged with a share ran beside different numbers of others."""
    is_share = trials["share_method"].notna() & (trials["share_method"] != WHOLE_HOST)
    concurrency = np.rint(trials["concurrency"][is_share].dropna().to_numpy(dtype=float))
    if not len(concurrency) or concurrency.min() == concurrency.max():
        return []
    return [
        f"trials ran {concurrency.min():.0f} to {concurrency.max():.0f} at a time on their host (concurrency); shares "
        "of a busy host and of a quiet one differ, so confirm the front with trials that run alone"
    ]


def _coverage_warning(trials: pd.DataFrame) -> list[str]:
    """Return a warning where a part of the training of some trials was not measured, so that they look cheap."""
    coverage = trials["coverage"].dropna().astype(float)
    n_partly = int((coverage < MIN_COVERAGE).sum())
    if not n_partly:
        return []
    return [
        f"of {n_partly} trials less than {MIN_COVERAGE:.0%} of the training time was measured, down to "
        f"{coverage.min():.1%} (coverage), so they look cheaper than they were"
    ]
