"""Drawing of `analysis.effects.sensitivity`: one cluster of points for each stage, the paper's claim beside it."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.sensitivity import ALL_STEPS, CONFIDENCE, Sensitivity
from analysis.figures.style import COLUMN_WIDTH_IN, PRINT_STYLE, add_note, make_figure
from analysis.paper.published import SENSITIVITY

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
POINTS = 100  # percentage points of a fraction


def draw_sensitivity(found: Sensitivity, *, width_in: float = COLUMN_WIDTH_IN) -> Figure:
    """Return the change of accuracy for each stage and step; small points are pairs, means over their seeds.

    Args:
        found: From `analysis.effects.sensitivity.measure_sensitivity`.
        width_in: Printed width in inches.
    """
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
        axes.set_xticks(stages, [_stage_label(stage, len(stages)) for stage in stages], fontsize=6)
        axes.set_xlim(min(stages) - 0.5, max(stages) + 0.5)
        for stage in stages[:-1]:
            axes.axvline(stage + 0.5, color="0.85", linewidth=0.6, zorder=0)
        axes.tick_params(axis="x", length=0)
        images = {"test": "test", "val": "validation"}[found.images]
        axes.set_ylabel(f"change of {images} accuracy (points)")
        axes.grid(visible=True, axis="y")
        figure.legend(
            loc="outside upper center",
            ncols=min(len(steps), 4),
            frameon=False,
            handletextpad=0.1,
            columnspacing=1.0,
            title="bits of the stage lowered from … to …",
            title_fontsize=6.5,
        )
        add_note(figure, sensitivity_note(effects))
    return figure


def sensitivity_note(effects: pd.DataFrame) -> str:
    """Return what points and bars are."""
    n_seeds = int(effects["n_seeds"].max())
    pairs = "Small points: pairs of configurations that differ in this stage only"
    if n_seeds < 2:
        return f"{pairs}; large: their mean. One seed: no intervals, differences may be chance."
    return f"{pairs}; large: mean over {n_seeds} seeds with {CONFIDENCE:.0%} interval (Student's t over seeds)."


def _stage_label(stage: int, n_stages: int) -> str:
    claim = SENSITIVITY.get(stage) if n_stages == len(SENSITIVITY) else None
    return f"stage {stage}" + (f"\npaper: {claim}" if claim else "")


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
