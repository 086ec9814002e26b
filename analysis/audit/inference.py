"""Adds up again what measuring deployed networks recorded: their windows, and the ledger of the deployment."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.audit.checks import balance_nodes, check_intervals
from analysis.audit.compare import Check, compare
from analysis.audit.tables import Tables

WINDOW = "inference of {trial_key} ({float_precision}), batch size {batch_size}, repetition {repetition}"
MICROJOULES_PER_KWH = 3.6e12
MICROGRAMS_PER_GRAM = 1e6
DEPLOYMENT = "deployment: "


def check_deployment(tables: Tables) -> list[Check]:
    """Return all checks of measured inference; none where nothing was deployed."""
    inference, intervals = tables.inference, tables.deployment_intervals
    if inference is None or intervals is None:
        return []
    balances = [check for _, check in balance_nodes(intervals)]
    own = [*balances, *check_intervals(intervals)]
    return [
        check_windows(inference, intervals),
        *check_images(inference),
        *(replace(check, name=f"{DEPLOYMENT}{check.name}") for check in own),
    ]


def check_windows(inference: pd.DataFrame, intervals: pd.DataFrame) -> Check:
    """Check that the ledger charged each process with the energy of its windows, and of compiling, or more.

    A process measures one network at each batch size and compiles it once, which each of its rows names.
    """
    named = inference[inference["energy_segment"] != ""]
    windows = named.assign(kwh=named["energy_per_image_uj"] * named["n_images"] / MICROJOULES_PER_KWH)
    keys = ["trial_key", "energy_segment"]
    by_process = windows.groupby(keys).agg(
        windows_kwh=("kwh", lambda values: values.sum(skipna=False)), compile_kwh=("compile_energy_kwh", "first"),
        float_precision=("float_precision", "first"), repetition=("repetition", "first"),
    )  # fmt: skip
    own = intervals[intervals["part"] == "trial"].rename(columns={"segment": "energy_segment"})
    charged = own.groupby(keys)["energy_kwh"].sum(skipna=False)
    places = by_process.reset_index()
    recorded_kwh = by_process["windows_kwh"] + by_process["compile_kwh"].fillna(0.0)
    return compare(
        "windows of inference are within the intervals of their process",
        places,
        "inference of {trial_key} ({float_precision}), repetition {repetition}, process {energy_segment}",
        recorded_kwh.reset_index(drop=True),
        charged.reindex(by_process.index, fill_value=0.0).reset_index(drop=True),
        at_least=True,
    )


def check_images(inference: pd.DataFrame) -> list[Check]:
    """Check the figures per image of each window, each by itself."""
    energy_uj, time_us = inference["energy_per_image_uj"], inference["time_per_image_us"]
    micrograms = energy_uj / MICROJOULES_PER_KWH * inference["carbon_intensity_g_per_kwh"] * MICROGRAMS_PER_GRAM
    active_uj = inference["active_energy_per_image_uj"]
    smallest = inference[["energy_per_image_uj", "active_energy_per_image_uj", "time_per_image_us"]].min(axis=1)
    return [
        compare("no figure is negative, inference", inference, WINDOW, smallest.clip(lower=0), smallest, unit=""),
        compare("active <= energy, inference", inference, WINDOW, active_uj, energy_uj, unit="uJ", at_least=True),
        compare(
            "emissions == energy x intensity, inference", inference, WINDOW, micrograms,
            inference["emissions_per_image_ug_co2eq"], unit="ug CO2eq",
        ),
        compare(
            "images x time per image == window, inference", inference, WINDOW, inference["window_s"],
            inference["n_images"] * time_us / 1e6, unit="s",
        ),
    ]  # fmt: skip
