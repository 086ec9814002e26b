"""Emissions of training as a whole: a trial's own, of what it starts from, of lost work, and of the search."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.energy.ledgers import FULL_PRECISION
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError, Runs
from analysis.runs.seeds import name_trials

MAIN = "emissions_kg_co2eq"
# Beside the training passes; null where nothing of that kind was recorded.
PARTS = ["setup_emissions_kg_co2eq", "eval_emissions_kg_co2eq", "overhead_emissions_kg_co2eq",
         "discarded_emissions_kg_co2eq"]  # fmt: skip
TRAINING = "training_kg_co2eq"


def charged_kg(trials: pd.DataFrame) -> pd.Series:
    """Return all that each trial was charged with, without what it starts from; NaN where training was not measured."""
    return trials[MAIN].astype(float) + trials[PARTS].astype(float).fillna(0.0).sum(axis=1)


def training_kg(done: pd.DataFrame, runs: Runs) -> pd.Series:
    """Return the emissions of having each trial's network: its own, and of the chain of trials that it starts from.

    Each carries its whole chain, as if it were the only one that is used. A trial of the chain that is in none of the
    runs counts by its recorded training energy, at the carbon intensity of the trial.

    Args:
        done: Finished trials.
        runs: The runs that they belong to.

    Raises:
        AnalysisError: Emissions of a trial were not measured.
    """
    every = pd.concat([runs.trials, runs.initial], ignore_index=True)
    own = dict(zip(every["trial_key"], charged_kg(every), strict=True))
    origins = dict(zip(every["trial_key"], every["init_trial_key"], strict=True))
    chains = [list(_chain(key, origins)) for key in done["init_trial_key"]]
    known = [sum(own[key] for key in chain) for chain in chains]
    is_outside = pd.Series(
        [bool(chain) != isinstance(key, str) for chain, key in zip(chains, done["init_trial_key"], strict=True)],
        index=done.index,
    )
    energy_kwh = done["init_energy_kwh"].astype(float)
    outside = energy_kwh * done["carbon_intensity_g_per_kwh"].astype(float) / 1000
    found = charged_kg(done) + pd.Series(known, index=done.index, dtype=float).where(~is_outside, outside)
    if found.isna().any():
        raise AnalysisError(
            f"a lifetime needs the emissions of training, they were not measured of {name_trials(done[found.isna()])}; "
            "sweep with an energy source"
        )
    return found


def _chain(key: object, origins: dict[str, object]) -> Iterable[str]:
    """Yield the trials that a trial starts from, as far as they are known."""
    while isinstance(key, str) and key in origins:
        yield key
        key = origins[key]


def search_kg(done: pd.DataFrame, runs: Runs, configurations: Iterable[int]) -> float:
    """Return what the runs emitted beside one training of each compared configuration, and of what these start from.

    That is: other seeds, other configurations, failed and stopped trials. It is what was spent to choose.

    Args:
        done: Finished trials.
        runs: The runs.
        configurations: Those that are compared.
    """
    every = pd.concat([runs.trials, runs.initial], ignore_index=True)
    total = float(charged_kg(every).sum())
    compared = done[done[CONFIGURATION].isin(list(configurations))]
    own = float(charged_kg(compared).groupby(compared[CONFIGURATION]).mean().sum())
    origins = dict(zip(every["trial_key"], every["init_trial_key"], strict=True))
    starts = {key for first in compared["init_trial_key"] for key in _chain(first, origins)}
    starting = every[every["trial_key"].isin(starts - set(compared["trial_key"]))]
    return max(0.0, total - own - float(charged_kg(starting).sum()))


def search_shares(search: float, schedules: pd.Series) -> pd.Series:
    """Return the share of the search of each configuration: equal for all quantized ones, none of full precision.

    Full precision needs no search for bits.

    >>> search_shares(6.0, pd.Series(["full_precision", "fixed_2", "fixed_4"])).tolist()
    [0.0, 3.0, 3.0]
    """
    is_quantized = schedules != FULL_PRECISION
    return is_quantized * (search / max(1, int(is_quantized.sum())))
