"""The paper's Table 3, in its own convention (spread over epochs) and over seeds."""

from __future__ import annotations

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


def table_over_epochs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over the epochs, as Ikram et al. 2025, Table 3, prints them.

    Times, energies and emissions are those of one epoch. Where a schedule has several seeds, the epochs of
    all of them are pooled. The spread says how a run developed, not how sure its result is.

    Args:
        epochs: One row per epoch.
    """
    return _format(epochs, "n epochs")


def table_over_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of the last epoch's metrics and of the whole trial's costs.

    Args:
        trials: Finished trials, one row each.
    """
    return _format(trials, "n seeds")


def _format(rows: pd.DataFrame, count_name: str) -> pd.DataFrame:
    """Return one line per configuration; settings that vary between them have columns of their own."""
    keys = configuration_keys(rows)
    varying = [key for key in SETTINGS if not is_constant(rows[key])]
    table = []
    for _, group in rows.groupby(keys, sort=False, dropna=False):
        first = group.iloc[0]
        cells = {"Data set": Path(str(first["config_dataset"])).name, "Model": first["config_model"]}
        cells |= {"Method": first["schedule"], count_name: str(len(group))}
        cells |= {key.removeprefix("config_"): str(first[key]) for key in varying}
        for column, (title, factor, style) in COLUMNS.items():
            cells[title] = _mean_and_spread(group[column] * factor, style)
        table.append(cells)
    return pd.DataFrame(table)


def _mean_and_spread(values: pd.Series, style: str) -> str:
    """Return ``mean ± std``; without a second value there is no spread, and none is shown.

    >>> _mean_and_spread(pd.Series([1.0, 3.0]), ".2f"), _mean_and_spread(pd.Series([1.0]), ".2f")
    ('2.00 ± 1.41', '1.00')
    """
    if values.isna().any():
        return "not measured"
    mean = format(values.mean(), style)
    return mean if len(values) < 2 else f"{mean} ± {values.std(ddof=1):{style}}"
