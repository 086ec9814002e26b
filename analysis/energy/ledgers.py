"""Two ledgers side by side, never added: training energy as recorded, inference energy as modelled."""

from __future__ import annotations

import pandas as pd

from analysis.energy.hardware.reader import default_hardware
from analysis.energy.hardware.table import HardwareTable
from analysis.energy.inference_model import LATENCY, inference_energy
from analysis.energy.sources import distinct_sources, sources_text, trial_sources
from analysis.runs.keys import CONFIGURATION, SETTINGS, first_trials
from analysis.runs.seeds import configuration_labels, seed_means
from analysis.wording import mean_and_spread
from lwq_tune.results.schema import CONFIG

IMAGES = 1000  # of the ledger of inference: uJ per image are mJ per 1,000 images
FULL_PRECISION = "full_precision"

# Columns of the table that people see, with their titles.
SHOWN = {
    "label": "schedule",
    "n_seeds": "seeds",
    "ratio": "x full precision",
    "coverage": "coverage",
    "compute_mj": "compute mJ",
    "weight_sram_mj": "weights SRAM mJ",
    "weight_dram_mj": "weights DRAM mJ",
    "activation_sram_mj": "activations mJ",
    "on_chip_mj": "all on chip mJ",
    "dram_mj": "DRAM weights, all mJ",
    LATENCY: "ms per image",
}


def ledger_frame(trials: pd.DataFrame, hardware: HardwareTable | None = None) -> pd.DataFrame:
    """Return one row per configuration, by its key: what its training used, and what the model gives its inference.

    Args:
        trials: Finished trials, comparable in how their energy was found (`refuse_incomparable`).
        hardware: What inference is modelled for; by default the 45 nm model.

    Returns:
        ``label``, ``schedule``, ``family``, ``bit_widths``, ``n_seeds``.
        Recorded: ``training_energy_kwh`` and ``training_energy_kwh_std`` over seeds (ddof 1), ``ratio``, ``ratio_low``
        and ``ratio_high``: over full precision of the same settings and seed, mean, least and greatest of
        ``n_ratio_seeds`` seeds (NaN and 0 without it), ``init_energy_kwh`` (of the training it starts from, in
        no other column), ``coverage`` (least over trials), ``sources`` (`analysis.energy.sources.Sources`). Null where
        not measured.
        Modelled, in mJ per 1,000 images: ``compute_mj``, ``weight_sram_mj``, ``weight_dram_mj``,
        ``activation_sram_mj``, ``on_chip_mj``, ``dram_mj``, as `inference_model` defines them, and ``latency_ms`` of an
        image where the hardware has times; null where its table has no cost, or does not cover the bits.
        ``bitops``; ``hardware``, the table.

    Raises:
        AnalysisError: This version does not know the recorded network or its modelled MAC energy.
    """
    hardware = hardware or default_hardware()
    modelled = inference_energy(trials, hardware)
    known = pd.concat([trials, modelled], axis=1).assign(label=configuration_labels(trials))
    by_seed = seed_means(trials, ["energy_kwh", "init_energy_kwh"])
    energies = by_seed.groupby(CONFIGURATION)[["energy_kwh", "init_energy_kwh"]]
    ratios = _ratios(by_seed).groupby(by_seed[CONFIGURATION])
    first = first_trials(known)
    frame = first[["label", "schedule", "family", "bit_widths"]].assign(
        n_seeds=by_seed.groupby(CONFIGURATION).size(),
        training_energy_kwh=energies.mean(skipna=False)["energy_kwh"],
        training_energy_kwh_std=energies.std(ddof=1, skipna=False)["energy_kwh"],
        ratio=ratios.mean(),
        ratio_low=ratios.min(),
        ratio_high=ratios.max(),
        n_ratio_seeds=ratios.count(),
        init_energy_kwh=energies.mean(skipna=False)["init_energy_kwh"],
        coverage=known["coverage"].astype(float).groupby(known[CONFIGURATION]).min(),
        sources=trial_sources(known).groupby(known[CONFIGURATION]).agg(distinct_sources),
        bitops=first["bitops"],
        **{column.replace("_energy_uj", "_mj"): first[column] for column in map(str, modelled)},
        hardware=pd.Series([hardware] * len(first), index=first.index, dtype=object),
    )
    return frame.assign(n_ratio_seeds=frame["n_ratio_seeds"].fillna(0).astype(int))


def _ratios(by_seed: pd.DataFrame) -> pd.Series:
    """Return the energy of each trial over that of full precision with the same settings and seed.

    Bits of stem and classifier, and what the trial starts from, say nothing of a full-precision network.
    """
    settings = [column.name for column in CONFIG if column.name in SETTINGS and not column.is_of_quantization]
    alike = by_seed.groupby([*settings, "config_seed"], sort=False, dropna=False).ngroup()
    is_base = by_seed["schedule"] == FULL_PRECISION
    base = by_seed["energy_kwh"][is_base].groupby(alike[is_base]).mean()
    ratio = by_seed["energy_kwh"] / alike.map(base.where(base > 0))  # calibration alone trains nothing
    return ratio.where(~is_base)


def ledgers_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a `ledger_frame` as it is written: its sources and its hardware as text."""
    labels = frame["hardware"].map(lambda hardware: hardware.label)
    return frame.assign(sources=frame["sources"].map(sources_text), hardware=labels)


def hardware_of(frame: pd.DataFrame) -> HardwareTable:
    """Return what the inference of a `ledger_frame` is modelled for."""
    hardware: HardwareTable = frame["hardware"].iloc[0]
    return hardware


def shown_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns to print, as text."""
    given = frame.dropna(axis="columns", how="all")
    columns = [name for name in SHOWN if name in given or not (name.endswith("_mj") or name == LATENCY)]
    table = frame[columns].copy()
    table["ratio"] = frame["ratio"].map("{:.2f}".format).where(frame["ratio"].notna(), "-")
    table["coverage"] = frame["coverage"].map("{:.1%}".format).where(frame["coverage"].notna(), "-")
    for column in columns:
        if column.endswith("_mj") or column == LATENCY:
            table[column] = frame[column].map("{:.2f}".format).where(frame[column].notna(), "-")
    energies = zip(frame["training_energy_kwh"], frame["training_energy_kwh_std"], strict=True)
    table.insert(2, "training kWh", [mean_and_spread(mean, spread, ".3e") for mean, spread in energies])
    return table.rename(columns=SHOWN)
