"""Accuracy and loss after each epoch, on training and test images, over the seeds of each configuration."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.runs.configurations import done_trials
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError, Runs, read_epochs
from analysis.runs.seeds import check_one_dataset, configuration_labels, evaluated_images

QUANTITIES = ("accuracy", "loss")
IMAGES = ("train", "val", "test")
FIGURES = [f"{images}_{quantity}" for images in IMAGES for quantity in QUANTITIES]


def curve_frame(runs: Runs) -> pd.DataFrame:
    """Return the accuracies and losses of the finished trials after each epoch, over their seeds.

    A seed that several runs trained counts once, by the mean of its repetitions. Where one seed has no finite
    figure in an epoch, the epoch has no mean: one over fewer seeds would make the line jump.

    Args:
        runs: From `analysis.runs.load.load_runs`.

    Returns:
        One row per configuration, ``images`` (``train``, and ``test``, or ``val`` where the test images were not looked
        at), ``quantity`` (``accuracy``, a fraction, or ``loss``, in nat) and ``epoch`` (from 1): ``label``,
        ``schedule``, ``family``, ``bit_widths``, ``mean``, ``std`` (ddof 1, NaN for one seed), ``low`` and ``high``
        (least and greatest), ``n_seeds``.

    Raises:
        AnalysisError: No trial ended, several data sets, or no epoch has an accuracy.
    """
    done = done_trials(runs.trials)
    return curves_over_seeds(done, read_epochs(done, FIGURES), configuration_labels(done))


def curves_over_seeds(trials: pd.DataFrame, epochs: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Return the same from epochs that were read before.

    Args:
        trials: Finished trials.
        epochs: Theirs, from `analysis.runs.load.read_epochs` with the columns `FIGURES`.
        labels: What to call each trial's configuration, see `analysis.runs.seeds.configuration_labels`.

    Raises:
        AnalysisError: Several data sets, no epochs, or none of them has an accuracy.
    """
    check_one_dataset(trials)
    if epochs.empty:
        raise AnalysisError(
            "curves need the tables of epochs, the runs have none in epochs/; `python -m lwq_tune resume RUN_DIR` "
            "writes them again"
        )
    splits = ("train", evaluated_images(epochs))
    described = ["label", "schedule", "family", "bit_widths"]
    keys = [CONFIGURATION, *described]
    named = trials.assign(label=labels)[[*keys, "config_seed"]]
    columns = [f"{images}_{quantity}" for images in splits for quantity in QUANTITIES]
    rows = epochs[["epoch", *columns]].join(named).replace([np.inf, -np.inf], np.nan)
    by_seed = rows.groupby([*keys, "epoch", "config_seed"], sort=False)[columns].mean(skipna=False).reset_index()
    long = by_seed.melt([*keys, "epoch", "config_seed"], columns, var_name="column")
    groups = long.groupby([*keys, "column", "epoch"], sort=False)["value"]
    frame = pd.DataFrame(
        {
            "mean": groups.mean(skipna=False),
            "std": groups.std(ddof=1, skipna=False),
            "low": groups.min(skipna=False),
            "high": groups.max(skipna=False),
            "n_seeds": groups.size(),
        }
    ).reset_index()
    n_all = named.groupby(CONFIGURATION)["config_seed"].nunique()
    is_partial = frame["n_seeds"] < frame[CONFIGURATION].map(n_all)
    frame.loc[is_partial, ["mean", "std", "low", "high"]] = np.nan
    names = frame.pop("column")
    frame["images"] = names.map({f"{images}_{quantity}": images for images in splits for quantity in QUANTITIES})
    frame["quantity"] = names.map({f"{images}_{quantity}": quantity for images in splits for quantity in QUANTITIES})
    return frame[[*described, "images", "quantity", "epoch", "mean", "std", "low", "high", "n_seeds"]]
