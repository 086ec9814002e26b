"""The paper's Table 3, in its own convention (spread over epochs) and over seeds, and the paper's figures beside it."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from analysis.paper.published import (
    EPOCHS,
    LEARNING_RATE,
    METHODS,
    MOMENTUM,
    N_STAGES,
    TABLE_3,
    paper_dataset,
    paper_table,
)
from analysis.runs.configurations import is_constant
from analysis.runs.keys import CONFIGURATION, SETTINGS, first_trials
from analysis.runs.seeds import seed_means
from analysis.wording import mean_and_spread

COLUMNS = {
    "test_accuracy": ("Test accuracy %", 100.0, ".2f"),
    "train_accuracy": ("Train accuracy %", 100.0, ".2f"),
    "train_loss": ("Train loss", 1.0, ".4f"),
    "train_time_s": ("Train time s", 1.0, ".3f"),
    "energy_kwh": ("Energy kWh", 1.0, ".3e"),
    "emissions_kg_co2eq": ("Emissions kg CO2eq", 1.0, ".3e"),
}
FIGURES = list(COLUMNS)
COMPARED = [
    "method",
    "column",
    "paper_mean",
    "paper_std",
    "mean",
    "std",
    "ratio",
    "paper_to_full_precision",
    "to_full_precision",
    "n_epochs",
]

OVER_EPOCHS = "Mean ± std over the epochs, the paper's convention (time, energy, emissions per epoch)"
OVER_SEEDS = "Mean ± std over seeds (last epoch's metrics; time, energy, emissions of the whole training)"
BESIDE = "Beside Ikram et al. 2025, Table 3: mean ± std over the epochs of both (energy kWh, emissions kg CO2eq)"


def table_over_epochs(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over the epochs, as Ikram et al. 2025, Table 3, prints them.

    Times, energies and emissions are those of one epoch. Where a schedule has several seeds, the epochs of
    all of them are pooled. The spread says how a run developed, not how sure its result is.

    Args:
        trials: Finished trials, one row each.
        epochs: Their epochs, from `analysis.runs.load.read_epochs` with the columns `FIGURES`.

    Returns:
        One row per configuration, its figures as text: mean ± standard deviation (ddof 1).
    """
    return _format(trials, epochs, "n epochs")


def table_over_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of the last epoch's metrics and of the whole trial's costs.

    A seed that several runs trained counts once, by the mean of its repetitions.

    Args:
        trials: Finished trials, one row each.

    Returns:
        One row per configuration, its figures as text: mean ± standard deviation (ddof 1), or the mean of one seed.
    """
    by_seed = seed_means(trials, FIGURES)
    return _format(by_seed, by_seed, "n seeds")


def compare_with_paper(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 3 beside the same figures of a run, over the epochs of each as the paper does.

    Only what is trained on the paper's data set with one of its schedules of three stages is compared; calibrated
    networks, which are not trained, and activations with bits of their own are not.

    Args:
        trials: Finished trials, one row each.
        epochs: Their epochs, from `analysis.runs.load.read_epochs` with the columns `FIGURES`.

    Returns:
        One row per configuration and figure: ``dataset``, ``schedule``, settings that vary, ``method`` (the paper's),
        ``column``, ``paper_mean``, ``paper_std``, ``mean``, ``std``, ``ratio`` (ours over the paper's),
        ``paper_to_full_precision`` and ``to_full_precision`` (each over its own full precision, in which units cancel)
        and ``n_epochs``, in the unit of the column. No rows where nothing can be compared.
    """
    compared = _compared(trials)
    varying = [key for key in SETTINGS if not is_constant(compared[key])]
    keys = ["dataset", "schedule", *varying]
    named = compared.loc[:, keys]
    rows = epochs.loc[epochs.index.isin(named.index), FIGURES].join(named)
    long = rows.melt(id_vars=keys, value_vars=FIGURES, var_name="column", ignore_index=True)
    groups = long.groupby([*keys, "column"], sort=False, dropna=False)["value"]
    ours = pd.DataFrame(
        {
            "mean": groups.mean(skipna=False),
            "std": groups.std(ddof=1, skipna=False),
            "n_epochs": groups.size(),
        }
    ).reset_index()
    ours = ours.assign(method=ours["schedule"].map(METHODS)).astype({"dataset": str, "method": str})
    both = ours.merge(paper_table(), on=["dataset", "method", "column"])
    both["ratio"] = both["mean"] / both["paper_mean"]
    base = both[both["schedule"] == "full_precision"].drop_duplicates(["dataset", "column"])
    base = base[["dataset", "column", "mean", "paper_mean"]]
    both = both.merge(base, "left", on=["dataset", "column"], suffixes=("", "_of_base"))
    both["paper_to_full_precision"] = both["paper_mean"] / both["paper_mean_of_base"]
    # With several settings there is no one full precision to divide by.
    both["to_full_precision"] = math.nan if varying else both["mean"] / both["mean_of_base"]
    return both[[*keys, *COMPARED]]


def _compared(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the paper's data sets and schedules over three units, and their ``dataset``."""
    is_named = trials["schedule"].isin(METHODS) & (trials["bit_widths"] == trials["act_bit_widths"])
    is_named &= trials["bit_widths"].map(len) == N_STAGES
    datasets = trials["config_dataset"].map(lambda name: paper_dataset(str(name)))
    return trials.assign(dataset=datasets)[is_named & datasets.notna() & (trials["config_mode"] == "qat")]


def paper_notes(trials: pd.DataFrame, comparison: pd.DataFrame) -> list[str]:
    """Return what a reader of the comparison must know, or the one line on why there is none."""
    if comparison.empty:
        datasets = ", ".join(dict.fromkeys(Path(str(name)).name for name in trials["config_dataset"]))
        if not any(paper_dataset(str(name)) for name in trials["config_dataset"]):
            return [f"no comparison with {TABLE_3}: it is of CIFAR-10 and CIFAR-100, this run is of {datasets}"]
        if not _compared(trials).empty:
            return [f"no comparison with {TABLE_3}: the trials of its schedules have no epochs"]
        return [
            f"no comparison with {TABLE_3}: no schedule of this run is one of the paper's, of three "
            f"stages ({', '.join(METHODS)})"
        ]
    epochs, lr, momentum = (
        "/".join(map(str, sorted(set(trials[f"config_{name}"])))) for name in ("epochs", "lr", "momentum")
    )
    by_name = (
        "; the data set is known by the name of its folder" if trials["config_dataset_digest"].notna().any() else ""
    )
    return [
        f"{TABLE_3}: one run of {EPOCHS} epochs, learning rate {LEARNING_RATE}, SGD with momentum {MOMENTUM}, Intel "
        f"Xeon W-2265; ours: {epochs} epochs, learning rate {lr}, momentum {momentum}{by_name}",
        "its blocks per stage, batch size, weight decay and learning-rate curve are not given; a mean over epochs is "
        "of the way there, so that runs of other lengths differ by their length alone",
        "it does not say what one time, energy and emission cover (0.15 s is too short for an epoch of 50,000 images "
        "on a CPU), ours are of one epoch: compare the last two columns, each over its own full precision (fp)",
        "its fixed triple is 2-2-2 in one place and 2, 3 and 4 bits in another: one line of it stands beside all three",
    ]


def format_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison as text, figures in the units of the other tables."""
    table = comparison.drop(columns=COMPARED[1:])
    styles = [COLUMNS[column] for column in comparison["column"]]
    table["figure"] = [title for title, _, _ in styles]
    for heading, prefix in (("paper", "paper_"), ("ours", "")):
        pairs = zip(styles, comparison[f"{prefix}mean"], comparison[f"{prefix}std"], strict=True)
        table[heading] = [mean_and_spread(mean * unit, std * unit, style) for (_, unit, style), mean, std in pairs]
    for heading, column in (
        ("ours/paper", "ratio"),
        ("paper/its fp", "paper_to_full_precision"),
        ("ours/our fp", "to_full_precision"),
    ):
        table[heading] = ["-" if math.isnan(ratio) else f"{ratio:.3g}" for ratio in comparison[column]]
    return table.rename(columns=lambda name: name.removeprefix("config_"))


def _format(trials: pd.DataFrame, rows: pd.DataFrame, count_name: str) -> pd.DataFrame:
    """Return one line per configuration; settings that vary between them have columns of their own.

    Args:
        trials: They say which configuration a row belongs to.
        rows: Figures, each with the index of its trial.
        count_name: Heading of the number of rows of a configuration.
    """
    varying = [key for key in SETTINGS if not is_constant(trials[key])]
    groups = rows[FIGURES].join(trials[CONFIGURATION]).groupby(CONFIGURATION)
    spreads = groups.std(ddof=1, skipna=False).add_suffix("_std")
    numbers = pd.concat([groups.mean(skipna=False), spreads, groups.size().rename("n_rows")], axis=1)
    named = first_trials(trials)[["config_dataset", "config_model", "schedule", *varying]]
    figures = named.join(numbers, how="inner")
    table = pd.DataFrame(
        {
            "Data set": figures["config_dataset"].map(lambda name: Path(str(name)).name),
            "Model": figures["config_model"],
            "Method": figures["schedule"],
            count_name: figures["n_rows"].map(str),
            **{key.removeprefix("config_"): figures[key].map(str) for key in varying},
        }
    )
    for column, (title, factor, style) in COLUMNS.items():
        ends = (figures[[column, f"{column}_std"]] * factor).itertuples(index=False, name=None)
        table[title] = [mean_and_spread(mean, spread, style) for mean, spread in ends]
    return table.reset_index(drop=True)


def caption(trials: pd.DataFrame) -> str:
    """Return where the numbers of some trials come from, in one line."""

    def values(column: str) -> str:
        return "/".join(dict.fromkeys(str(value) for value in trials[column].dropna().unique())) or "not measured"

    dataset = "/".join(dict.fromkeys(Path(str(value)).name for value in trials["config_dataset"].unique()))
    seeds = trials["config_seed"].nunique()
    return (
        f"{dataset}, {values('config_model')}, {values('config_epochs')} epochs, {seeds} "
        f"seed{'s' if seeds > 1 else ''}; {values('cpu_model')}; energy: CPU {values('cpu_source')}, "
        f"RAM {values('ram_source')}, GPU {values('gpu_source')}, share {values('share_method')}; "
        f"{values('carbon_intensity_g_per_kwh')} g/kWh ({values('carbon_intensity_source')})"
    )
