"""What tables and figures share: means per seed, names of configurations, and which images an accuracy is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.runs.configurations import dataset_names, is_constant
from analysis.runs.keys import CONFIGURATION, SETTINGS, configuration_keys
from analysis.runs.load import AnalysisError
from analysis.runs.networks import bits_text


def seed_means(trials: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """Return one row per configuration and seed: the mean of its repetitions, NaN where one of them is NaN.

    Args:
        trials: Finished trials.
        figures: Columns to take the mean of.

    Returns:
        ``configuration``, ``config_seed``, the columns of `configuration_keys`, ``config_dataset`` and ``figures``.
    """
    keys = [CONFIGURATION, "config_seed"]
    means = trials.groupby(keys, sort=False)[list(figures)].mean(skipna=False)
    first = trials.drop_duplicates(keys).set_index(keys)[[*configuration_keys(trials), "config_dataset"]]
    return first.join(means).reset_index()


def configuration_labels(trials: pd.DataFrame) -> pd.Series:
    """Return what to call the configuration of each trial: its schedule, and the settings in which trials differ.

    A width of 1 is not named, it is the network that others are narrower or wider than.

    >>> frame = pd.DataFrame({"schedule": ["fixed_2"] * 2, "bit_widths": [(2, 2)] * 2, "act_bit_widths": [(2, 2)] * 2})
    >>> settings = {name: [1, 1] for name in SETTINGS} | {"config_lr": [0.1, 0.01]}
    >>> configuration_labels(frame.assign(**settings)).tolist()
    ['fixed_2 (lr 0.1)', 'fixed_2 (lr 0.01)']
    """
    varying = [name for name in SETTINGS if name in trials and not is_constant(trials[name])]
    own_activations = (trials["act_bit_widths"] != trials["bit_widths"]).to_numpy()
    bits = trials["act_bit_widths"].map(bits_text).to_numpy()
    settings = [
        [f"activations {bits[row]}"] * bool(own_activations[row])
        + [
            f"{name.removeprefix('config_')} {value}"
            for name, value in zip(varying, values, strict=True)
            if (name, value) != ("config_width", 1)
        ]
        for row, values in enumerate(trials[varying].itertuples(index=False, name=None))
    ]
    schedules = trials["schedule"].astype(str)
    labels = [f"{name} ({', '.join(own)})" if own else name for name, own in zip(schedules, settings, strict=True)]
    return pd.Series(labels, index=trials.index, dtype=object)


def name_trials(trials: pd.DataFrame, most: int = 3) -> str:
    """Return what messages call some trials: schedule, seed, run and key of the first few, and the number of others.

    >>> name_trials(pd.DataFrame({"schedule": ["fixed_2"], "config_seed": [1], "run": ["day"], "trial_key": ["0a1b"]}))
    'fixed_2 seed 1: day/0a1b'
    """
    first = trials.head(most)
    columns = (first[name] for name in ("schedule", "config_seed", "run", "trial_key"))
    names = [f"{schedule} seed {seed}: {run}/{key}" for schedule, seed, run, key in zip(*columns, strict=True)]
    return ", ".join(names) + (f" and {len(trials) - most} more" if len(trials) > most else "")


def lacking_epochs(trials: pd.DataFrame, epochs: pd.DataFrame) -> list[str]:
    """Return a line on the trials whose tables of epochs are missing or lack rows; empty where there are none.

    Args:
        trials: Finished trials.
        epochs: From `analysis.runs.load.read_epochs`: a row per epoch, the index is that of the trial.
    """
    found = epochs.index.value_counts().reindex(trials.index, fill_value=0)
    lacking = trials[found < trials["epochs_done"].fillna(1).clip(lower=1)]
    if lacking.empty:
        return []
    verb = "has" if len(lacking) == 1 else "have"
    return [
        f"{len(lacking)} of {len(trials)} finished trials {verb} no table of epochs, or one that lacks rows "
        f"({name_trials(lacking)}): figures over epochs are without them; `python -m lwq_tune resume RUN_DIR` writes "
        "such tables again"
    ]


def evaluated_images(frame: pd.DataFrame) -> str:
    """Return which images accuracies are of, as names of columns begin: ``test``, or ``val`` where none is of test.

    A space may leave the test images alone, then its accuracies are of the validation images.

    Raises:
        AnalysisError: No accuracy is a number.
    """
    for images in ("test", "val"):
        if np.isfinite(frame[f"{images}_accuracy"].to_numpy(dtype=float)).any():
            return images
    raise AnalysisError("a figure of accuracies needs trials with one, no test or validation accuracy was measured")


def check_one_dataset(trials: pd.DataFrame) -> None:
    """Refuse trials of several data sets; accuracies may come from any machine, but not from other images.

    Raises:
        AnalysisError: Names the data sets.
    """
    names = sorted(set(dataset_names(trials)))
    if len(names) > 1:
        raise AnalysisError(f"accuracies of several data sets are not comparable, got {', '.join(names)}; draw each")
