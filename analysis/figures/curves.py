"""The paper's Figures 2 and 3: accuracy and loss against the epoch, on training and test images, for all schedules."""

from __future__ import annotations

from typing import Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis.effects.curves import QUANTITIES
from analysis.figures.style import (
    COLUMN_WIDTH_IN,
    FAMILY_STYLE,
    PRINT_STYLE,
    LineStyle,
    add_note,
    line_styles,
    make_figure,
)
from analysis.wording import counted_range

Band = Literal["range", "std"]
BAND_MEANINGS = {"range": "least to greatest over seeds", "std": "mean ± standard deviation over seeds"}
IMAGE_NAMES = {"train": "training", "val": "validation", "test": "test"}
MOST_NAMED = len(FAMILY_STYLE) + 3  # more lines than that cannot be told apart by eye
LOG_LOSS_FACTOR = 50.0
HEIGHT_SHARE = 0.82


def draw_curves(
    frame: pd.DataFrame, *, band: Band = "range", width_in: float = COLUMN_WIDTH_IN, note: str | None = None
) -> Figure:
    """Return four panels: accuracy and loss in columns, training and test images in rows.

    Args:
        frame: From `analysis.effects.curves.curve_frame`.
        band: What is shaded around a line: ``range`` or ``std`` over seeds.
        width_in: Printed width in inches.
        note: What stands below the panels; by default `curve_note`.
    """
    labels = frame.drop_duplicates("label")[["label", "family"]]
    is_named = len(labels) <= MOST_NAMED
    named, families = labels["label"].tolist(), labels["family"].tolist()
    kinds = _family_styles(families)
    styles = line_styles(named, families) if is_named else dict(zip(named, (kinds[f] for f in families), strict=True))
    splits = list(dict.fromkeys(frame["images"]))
    height_in = HEIGHT_SHARE * min(width_in, 5.5) + 0.13 * (-(-len(labels) // 3) if is_named else 2) + 0.25
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, height_in)
        panels = figure.subplots(len(splits), len(QUANTITIES), sharex=True, squeeze=False)
        for row, images in enumerate(splits):
            for axes, quantity in zip(panels[row], QUANTITIES, strict=True):
                part = frame[(frame["images"] == images) & (frame["quantity"] == quantity)]
                _draw_panel(axes, part, styles, band if is_named else None)
                axes.set_ylabel(f"{IMAGE_NAMES[images]} {quantity}{' (%)' if quantity == 'accuracy' else ''}")
        for axes in panels[-1]:
            axes.set_xlabel("epoch")
        if is_named:
            _add_legend(figure, styles)
        else:
            _add_legend(figure, {family.replace("_", " "): style for family, style in kinds.items()}, is_plain=True)
        add_note(figure, curve_note(frame, band) if note is None else note)
        figure.align_ylabels()
    return figure


def curve_note(frame: pd.DataFrame, band: Band) -> str:
    """Return what line and band are."""
    seeds = sorted(set(frame["n_seeds"]))
    n_lines = frame["label"].nunique()
    if n_lines > MOST_NAMED:
        return f"Lines: means over {counted_range(seeds, 'seed')} of {n_lines} schedules, coloured by family; no bands."
    if seeds == [1]:
        return "One seed each: no band; differences between lines may be chance."
    return f"Line: mean over {counted_range(seeds, 'seed')}; band: {BAND_MEANINGS[band]}."


def _draw_panel(axes: Axes, part: pd.DataFrame, styles: dict[str, LineStyle], band: Band | None) -> None:
    """Draw one line for each style; without a band, thin plain lines."""
    n_epochs = int(part["epoch"].max())
    step = max(1, -(-n_epochs // 6))
    for index, (label, style) in enumerate(styles.items()):
        line = part[part["label"] == label].sort_values("epoch")
        axes.plot(
            line["epoch"],
            line["mean"],
            color=style.colour,
            linestyle=style.line if band else "-",
            linewidth=1.1 if band else 0.6,
            marker=style.marker if band else None,
            markevery=(index % step, step),
            markerfacecolor=style.colour if style.is_filled else "white",
            markeredgewidth=0.7,
            zorder=3,
        )
        if band and (line["n_seeds"] > 1).any():
            spread = line["std"]
            low, high = (
                (line["low"], line["high"]) if band == "range" else (line["mean"] - spread, line["mean"] + spread)
            )
            axes.fill_between(line["epoch"], low, high, color=style.colour, alpha=0.2, linewidth=0, zorder=1)
    if not np.isfinite(part["mean"]).any():
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
    _scale(axes, part)
    axes.grid(visible=True)


def _scale(axes: Axes, part: pd.DataFrame) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if (part["quantity"] == "accuracy").all():
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol="", decimals=0))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return
    means = part["mean"][np.isfinite(part["mean"])]
    if len(means) and means.min() > 0 and means.max() > LOG_LOSS_FACTOR * means.min():
        axes.set_yscale("log")


def _family_styles(families: list[str]) -> dict[str, LineStyle]:
    present = [family for family in FAMILY_STYLE if family in families]
    return line_styles(present, present)


def _add_legend(figure: Figure, styles: dict[str, LineStyle], *, is_plain: bool = False) -> None:
    """Name the lines above the panels, where no data is; plain lines have neither dashes nor markers."""
    handles = [
        Line2D(
            [],
            [],
            color=style.colour,
            linestyle="-" if is_plain else style.line,
            marker="" if is_plain else style.marker,
            markeredgewidth=0.7,
            markerfacecolor=style.colour if style.is_filled else "white",
            label=label,
        )
        for label, style in styles.items()
    ]
    longest = max(map(len, styles))
    columns = max(1, min(len(styles), int(figure.get_figwidth() * 72 / (longest * 3.6 + 30))))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        frameon=False,
        handlelength=3.2,
        columnspacing=1.2,
        labelspacing=0.25,
        borderaxespad=0.1,
    )
