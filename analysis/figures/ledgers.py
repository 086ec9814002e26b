"""Drawing of `analysis.energy.ledgers`: one row for each configuration, a panel for each ledger, axes of their own."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.energy.ledgers import hardware_of
from analysis.energy.sources import EnergyKind, energy_kind, labels_of
from analysis.figures.style import COLUMN_WIDTH_IN, FAMILY_STYLE, PRINT_STYLE, add_note, make_axis, make_figure
from analysis.runs.load import Objective
from analysis.wording import counted_range

ROW_IN = 0.17
# Modelled figures: column, label, marker, its size (the tick of the compute stands out behind the point next to it).
MODELLED = (
    ("compute_mj", "compute", "|", 8.0),
    ("on_chip_mj", "all on chip", "o", 3.2),
    ("dram_mj", "DRAM weights", "D", 3.8),
)


def draw_ledgers(frame: pd.DataFrame, *, width_in: float = COLUMN_WIDTH_IN) -> Figure:
    """Return two panels over the same rows: recorded training energy, modelled inference energy.

    Args:
        frame: From `analysis.energy.ledgers.ledger_frame`.
        width_in: Printed width in inches.
    """
    rows = frame.iloc[::-1].reset_index(drop=True)
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, 1.05 + ROW_IN * len(rows))
        training, inference = figure.subplots(1, 2, sharey=True)
        _draw_training(training, rows)
        for column, name, marker, size in given_figures(frame):
            inference.plot(
                rows[column],
                rows.index,
                linestyle="",
                marker=marker,
                color="black",
                label=name,
                markersize=size,
                markerfacecolor="white",
                markeredgewidth=0.8,
            )
        inference.set_xscale("log")
        inference.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        inference.set_xlabel(f"modelled, {hardware_of(frame).title}\n(mJ per 1,000 images)")
        training.set_yticks(rows.index, rows["label"])
        training.set_ylim(-0.6, len(rows) - 0.4)
        for axes in (training, inference):
            axes.grid(visible=True)
            axes.tick_params(axis="y", length=0)
        figure.legend(
            *inference.get_legend_handles_labels(),
            loc="outside upper right",
            ncols=3,
            frameon=False,
            handletextpad=0.1,
            columnspacing=0.8,
        )
        add_note(figure, ledger_note(frame))
    return figure


def ledger_note(frame: pd.DataFrame, places: tuple[str, str] = ("Left", "Right")) -> str:
    """Return what points and bars are, and that the two are apart.

    Args:
        frame: From `analysis.energy.ledgers.ledger_frame`.
        places: Where the recorded and the modelled energy stand.
    """
    seeds = counted_range(frame["n_seeds"], "seed")
    spread = "; bars: standard deviation over seeds" if frame["n_seeds"].max() > 1 else "; no spread"
    kind = energy_kind(labels_of(frame["sources"]))
    estimated = f" ({kind})" if kind in (EnergyKind.ESTIMATED, EnergyKind.ESTIMATED_IN_PART) else ""
    return (
        f"{places[0]}: recorded{estimated}, mean over {seeds}{spread}. "
        f"{places[1]}: {modelled_note(frame)} The two are not added."
    )


def modelled_note(frame: pd.DataFrame) -> str:
    """Return what the modelled inference of a `ledger_frame` rests on, and that it was not measured."""
    hardware = hardware_of(frame)
    return f"{hardware.modelled_for}, {hardware.figures} costs{hardware.assumption}, logarithmic; no measurement."


def given_figures(frame: pd.DataFrame) -> list[tuple[str, str, str, float]]:
    """Return the entries of `MODELLED` that the hardware of a `ledger_frame` has costs for."""
    return [entry for entry in MODELLED if frame[entry[0]].notna().any()]


def _draw_training(axes: Axes, rows: pd.DataFrame) -> None:
    axis = make_axis(Objective("energy_kwh", "minimize"), rows["training_energy_kwh"].dropna())
    if rows["training_energy_kwh"].isna().all():
        axes.text(
            0.5,
            0.5,
            "not measured",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color="0.4",
            backgroundcolor="white",
        )
        axes.set_xticks([])
        axes.set_xlabel("recorded training")
        return
    for place, (_, row) in enumerate(rows.iterrows()):
        colour, marker = FAMILY_STYLE[row["family"]]
        spread = row["training_energy_kwh_std"] * axis.factor
        axes.errorbar(
            row["training_energy_kwh"] * axis.factor,
            place,
            xerr=None if np.isnan(spread) else spread,
            color=colour,
            marker=marker,
            markersize=4,
            elinewidth=0.9,
            capsize=1.5,
        )
    base = rows.loc[rows["schedule"] == "full_precision", "training_energy_kwh"]
    if len(base) == 1:
        axes.axvline(base.iloc[0] * axis.factor, color="0.4", linewidth=0.7, linestyle="--", zorder=0)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.03)
    axes.set_xlabel(f"recorded training\n({axis.drawn_unit})")
