"""The key of a configuration: one integer that trials of all seeds and runs share, set when runs are loaded."""

from __future__ import annotations

import pandas as pd

from lwq_tune.results.schema import CONFIG

CONFIGURATION = "configuration"
NAMES = ["schedule", "family", "bit_widths", "act_bit_widths"]
SETTINGS = [column.name for column in CONFIG if column.name not in ("config_seed", "config_dataset")]


def configuration_keys(trials: pd.DataFrame) -> list[str]:
    """Return the columns that make a configuration: all that is set but the seed and the path of the data."""
    return [column for column in [*NAMES, *SETTINGS] if column in trials]


def number_configurations(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with the key of their configuration in ``configuration``: a number, 0 for the first.

    `analysis.runs.load.load_runs` has done so. A key holds for the frame that it was set for and for all parts of it,
    so that frames of several loads are numbered anew when they are put together.

    >>> number_configurations(pd.DataFrame({"schedule": ["fixed_3", "fixed_2", "fixed_3"]}))["configuration"].tolist()
    [0, 1, 0]
    """
    numbers = trials.groupby(configuration_keys(trials), sort=False, dropna=False).ngroup()
    return trials.assign(**{CONFIGURATION: numbers})


def first_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the first trial of each configuration, by its key, in the order in which they come first."""
    return trials.drop_duplicates(CONFIGURATION).set_index(CONFIGURATION)
