"""Drawing of `analysis.effects.sensitivity`: a cluster of points for each of few units, a bar for each of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.sensitivity import ALL_STEPS, CONFIDENCE, Sensitivity
from analysis.figures.style import COLUMN_WIDTH_IN, PRINT_STYLE, add_note, make_figure
from analysis.paper.published import SENSITIVITY, are_stages_of_paper
from analysis.runs.networks import FEW_UNITS
from analysis.wording import join_words

# Okabe and Ito 2008, and a marker each for black and white; black is kept for the mean over all steps.
STEP_STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "v"),
    ("#56B4E9", "P"),
    ("#E69F00", "X"),
)
HEIGHT_SHARE = 0.62
BAR_IN = 0.16  # height of a bar with its name, at 6 points
POINTS = 100  # percentage points of a fraction
LOSS, GAIN = "#D55E00", "#0072B2"


def draw_sensitivity(found: Sensitivity, *, width_in: float = COLUMN_WIDTH_IN) -> Figure:
    """Return the change of accuracy of each unit: for each step of bits where units are few, else one bar.

    Args:
        found: From `analysis.effects.sensitivity.measure_sensitivity`.
        width_in: Printed width in inches.
    """
    if len(found.units) > FEW_UNITS or found.n_configurations:
        return _draw_bars(found, width_in)
    return _draw_steps(found, width_in)


def _draw_steps(found: Sensitivity, width_in: float) -> Figure:
    """Return a cluster of points for each unit, one for each step; small points are pairs, means over their seeds."""
    effects = found.effects
    steps = [*effects.loc[effects["step"] != ALL_STEPS, "step"].drop_duplicates(), ALL_STEPS]
    stages = sorted(set(effects["stage"]))
    offsets = np.linspace(-0.3, 0.3, len(steps)) if len(steps) > 1 else np.zeros(1)
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, HEIGHT_SHARE * min(width_in, 5.5) + 0.55)
        axes = figure.add_subplot()
        axes.axhline(0, color="0.3", linewidth=0.6, zorder=1)
        for index, (step, offset) in enumerate(zip(steps, offsets, strict=True)):
            colour, marker = ("black", "D") if step == ALL_STEPS else STEP_STYLES[index % len(STEP_STYLES)]
            _draw_step(axes, found, step, float(offset), colour, marker)
        axes.set_xticks(stages, [_unit_label(found.units, stage) for stage in stages], fontsize=6)
        axes.set_xlim(min(stages) - 0.5, max(stages) + 0.5)
        for stage in stages[:-1]:
            axes.axvline(stage + 0.5, color="0.85", linewidth=0.6, zorder=0)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(_axis_label(found))
        axes.grid(visible=True, axis="y")
        figure.legend(
            loc="outside upper center",
            ncols=min(len(steps), 4),
            frameon=False,
            handletextpad=0.1,
            columnspacing=1.0,
            title="bits of the unit lowered from … to …",
            title_fontsize=6.5,
        )
        add_note(figure, sensitivity_note(effects))
    return figure


def _draw_bars(found: Sensitivity, width_in: float) -> Figure:
    """Return a bar for each unit, the first on top, with its interval."""
    rows = found.by_unit
    means = POINTS * rows["mean"].to_numpy(dtype=float)
    ends = POINTS * np.vstack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, BAR_IN * max(len(rows), 4) + 0.75)
        axes = figure.add_subplot()
        colours = [GAIN if mean > 0 else LOSS for mean in means]
        axes.barh(np.arange(len(rows)), means, height=0.72, color=colours)
        if not np.isnan(ends).all():
            style: Any = {"fmt": "none", "ecolor": "0.15", "elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8}
            axes.errorbar(means, np.arange(len(rows)), xerr=ends, **style)
        axes.axvline(0, color="0.3", linewidth=0.6)
        axes.set_yticks(np.arange(len(rows)), rows["unit"], fontsize=5.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(_axis_label(found))
        axes.grid(visible=True, axis="x")
        add_note(figure, _bars_note(found, rows))
    return figure


def _bars_note(found: Sensitivity, rows: pd.DataFrame) -> str:
    """Return what the bars are, and which units have none."""
    if found.n_configurations:
        bars = (
            f"Bars: a bit less in the unit, by a regression over {found.n_configurations} schedules; "
            f"{CONFIDENCE:.0%} intervals over schedules."
        )
    else:
        steps = "over the steps of bits that all units share" if rows["is_comparable"].all() else (
            "over its own steps of bits, which differ between units, so that lengths do not compare"
        )  # fmt: skip
        n_seeds = int(rows["n_seeds"].max())
        interval = f"{CONFIDENCE:.0%} intervals over {n_seeds} seeds" if n_seeds > 1 else "one seed, no intervals"
        bars = f"Bars: bits of the unit alone lowered, mean {steps}; {interval}."
    lacking = [name for name in found.units if name not in set(rows["unit"])]
    return f"{bars} Without a pair: {join_words(lacking)}." if lacking else bars


def _axis_label(found: Sensitivity) -> str:
    images = {"test": "test", "val": "validation"}[found.images]
    return f"change of {images} accuracy (points{' a bit' if found.n_configurations else ''})"


def sensitivity_note(effects: pd.DataFrame) -> str:
    """Return what points and bars are."""
    n_seeds = int(effects["n_seeds"].max())
    pairs = "Small points: pairs of configurations that differ in this unit only"
    if n_seeds < 2:
        return f"{pairs}; large: their mean. One seed: no intervals, differences may be chance."
    return f"{pairs}; large: mean over {n_seeds} seeds with {CONFIDENCE:.0%} interval (Student's t over seeds)."


def _unit_label(units: Sequence[str], stage: int) -> str:
    """Return the name of a unit, and what the paper claims of it where it is one of its three stages."""
    return units[stage - 1] + (f"\npaper: {SENSITIVITY[stage]}" if are_stages_of_paper(units) else "")


def _draw_step(axes: Axes, found: Sensitivity, step: str, offset: float, colour: str, marker: str) -> None:
    rows = found.effects[found.effects["step"] == step]
    if rows.empty:
        return
    xs = rows["stage"].to_numpy() + offset
    means = POINTS * rows["mean"].to_numpy()
    if step != ALL_STEPS:
        is_step = (found.pairs["from_bits"] == rows["from_bits"].iloc[0]) & (
            found.pairs["to_bits"] == rows["to_bits"].iloc[0]
        )
        pairs = found.pairs[is_step].groupby(["stage", "pair"], as_index=False)["effect"].mean()
        xs_of_pairs = pairs["stage"] + offset - 0.04
        axes.scatter(xs_of_pairs, POINTS * pairs["effect"], s=3, color=colour, alpha=0.45, linewidths=0, zorder=2)
    ends = POINTS * np.vstack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
    bars = None if np.isnan(ends).all() else ends
    axes.errorbar(
        xs,
        means,
        yerr=bars,
        fmt=marker,
        color=colour,
        markersize=4.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
        elinewidth=0.9,
        capsize=1.8,
        capthick=0.9,
        zorder=3,
        label="mean of steps" if step == ALL_STEPS else step,
    )
