"""The paper's Table 3, in its own convention (spread over epochs) and over seeds."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from analysis.trials import SETTINGS, configuration_keys, is_constant

COLUMNS = {
    "test_accuracy": ("Test accuracy %", 100.0, ".2f"),
    "train_accuracy": ("Train accuracy %", 100.0, ".2f"),
    "train_loss": ("Train loss", 1.0, ".4f"),
    "train_time_s": ("Train time s", 1.0, ".3f"),
    "energy_kwh": ("Energy kWh", 1.0, ".3e"),
    "emissions_kg_co2eq": ("Emissions kg CO2eq", 1.0, ".3e"),
}
FIGURES = list(COLUMNS)


def table_over_epochs(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over the epochs, as Ikram et al. 2025, Table 3, prints them.

    Times, energies and emissions are those of one epoch. Where a schedule has several seeds, the epochs of
    all of them are pooled. The spread says how a run developed, not how sure its result is.

    Args:
        trials: Finished trials, one row each.
        epochs: Their epochs, from `analysis.load.read_epochs` with the columns `FIGURES`.
    """
    return _format(trials, epochs, "n epochs")


def table_over_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of the last epoch's metrics and of the whole trial's costs.

    Args:
        trials: Finished trials, one row each.
    """
    return _format(trials, trials, "n seeds")


def _format(trials: pd.DataFrame, rows: pd.DataFrame, count_name: str) -> pd.DataFrame:
    """Return one line per configuration; settings that vary between them have columns of their own.

    Args:
        trials: They say which configuration a row belongs to.
        rows: Figures, each with the index of its trial.
        count_name: Heading of the number of rows of a configuration.
    """
    keys = configuration_keys(trials)
    varying = [key for key in SETTINGS if not is_constant(trials[key])]
    numbers = trials.groupby(keys, sort=False, dropna=False).ngroup()
    groups = rows[FIGURES].groupby(numbers.reindex(rows.index).to_numpy())
    sizes, means, spreads = groups.size(), groups.mean(skipna=False), groups.std(ddof=1, skipna=False)
    first = trials.loc[~numbers.duplicated()].set_axis(numbers.drop_duplicates()).loc[sizes.index]
    table = pd.DataFrame(
        {
            "Data set": [Path(str(name)).name for name in first["config_dataset"]],
            "Model": first["config_model"].to_numpy(),
            "Method": first["schedule"].to_numpy(),
            count_name: sizes.map(str).to_numpy(),
            **{key.removeprefix("config_"): first[key].map(str).to_numpy() for key in varying},
        }
    )
    for column, (title, factor, style) in COLUMNS.items():
        pairs = zip(means[column] * factor, spreads[column] * factor, strict=True)
        table[title] = [mean_and_spread(mean, spread, style) for mean, spread in pairs]
    return table


def mean_and_spread(mean: float, spread: float, style: str) -> str:
    """Return ``mean ± std``; where there is no second value there is no spread, and none is shown.

    >>> mean_and_spread(2.0, 1.414, ".2f"), mean_and_spread(1.0, float("nan"), ".2f")
    ('2.00 ± 1.41', '1.00')
    >>> mean_and_spread(float("nan"), float("nan"), ".2f")
    'not measured'
    """
    if math.isnan(mean):
        return "not measured"
    return f"{mean:{style}}" if math.isnan(spread) else f"{mean:{style}} ± {spread:{style}}"
