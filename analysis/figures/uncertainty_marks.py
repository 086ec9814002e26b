"""What a plot of a front shows of its seeds: error bars, attainment surfaces, verdicts, the knee."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.runs.load import Objective
from analysis.uncertainty.verdicts import Verdict

Array = NDArray[np.float64]
BAND_COLOUR, BAND_ALPHA = "#7a7a7a", 0.16


def face_and_edge(verdicts: pd.Series, colour: str) -> tuple[list[str], list[str]]:
    """Return fill and edge of each point: hollow where shown dominated, black edge where shown on the front.

    >>> face_and_edge(pd.Series(["on the front", "dominated", "undecided"]), "red")
    (['red', 'white', 'red'], ['black', 'red', 'white'])
    """
    faces = ["white" if verdict == Verdict.DOMINATED else colour for verdict in verdicts]
    edges = [{Verdict.DOMINATED: colour, Verdict.ON_FRONT: "black"}.get(verdict, "white") for verdict in verdicts]
    return faces, edges


def explain_verdicts(axes: Axes, front: pd.DataFrame) -> None:
    """Explain hollow points and black edges in the legend, where there are such."""
    verdicts = front["verdict"] if "verdict" in front else pd.Series(dtype=str)
    for verdict, label, face, edge in (
        (Verdict.ON_FRONT, "shown on the front", "0.75", "black"),
        (Verdict.DOMINATED, "shown dominated", "white", "0.4"),
    ):
        if (verdicts == verdict).any():
            axes.scatter([], [], s=42, linewidths=1.1, label=label, c=face, edgecolors=edge)


def draw_error_bars(
    axes: Axes, xy: tuple[Array, Array], std: tuple[Array | None, Array | None], colour: str, alpha: float
) -> None:
    """Draw the standard deviation over seeds through each mean; what has none has no bar."""
    x_std, y_std = (None if values is None else np.nan_to_num(values) for values in std)
    axes.errorbar(*xy, xerr=x_std, yerr=y_std, fmt="none", ecolor=colour, elinewidth=0.9, alpha=alpha, zorder=3)


def mark_knee(axes: Axes, x: Any, y: Any, size: float) -> None:
    """Ring the knee of the front, if there is one."""
    if len(x):
        style: dict[str, Any] = {"facecolors": "none", "edgecolors": "0.15", "linestyles": ":"}
        axes.scatter(x, y, s=size, linewidths=1.0, zorder=5, **style)
        axes.scatter([], [], s=70, linewidths=1.0, label="knee (Das 1999)", **style)


def draw_surfaces(
    axes: Axes, surfaces: pd.DataFrame, horizontal: Objective, vertical: Objective, factors: tuple[float, float]
) -> None:
    """Draw the band between best and worst attainment surface, and the median; the limits of the axes stay.

    Args:
        axes: Where; with its limits set.
        surfaces: From `analysis.fronts.attainment.attainment_surfaces`.
        horizontal: Axis along x.
        vertical: Axis along y.
        factors: From the units of both to what is drawn.
    """
    limits = axes.get_xlim(), axes.get_ylim()
    edge_x, edge_y = (
        limit[1 if axis.sign > 0 else 0] for limit, axis in zip(limits, (horizontal, vertical), strict=True)
    )
    corners = {
        str(name): (part[horizontal.column].to_numpy() * factors[0], part[vertical.column].to_numpy() * factors[1])
        for name, part in surfaces.groupby("surface", sort=False)
    }
    every_x = np.unique(np.concatenate([xs for xs, _ in corners.values()] + [[edge_x]]))[:: int(horizontal.sign)]
    levels = {
        name: _reached(every_x, xs, ys, horizontal.sign, vertical.sign, edge_y) for name, (xs, ys) in corners.items()
    }
    n_seeds = int(surfaces["n_seeds"].iloc[0])
    axes.fill_between(
        every_x,
        levels["worst"],
        levels["best"],
        step="post",
        color=BAND_COLOUR,
        alpha=BAND_ALPHA,
        linewidth=0,
        zorder=0.5,
        label=f"attained by some to all of {n_seeds} seeds",
    )
    start = every_x[0]
    axes.step(
        [start, *every_x],
        [edge_y, *levels["median"]],
        where="post",
        color=BAND_COLOUR,
        linewidth=0.9,
        alpha=0.8,
        zorder=1,
        label="median attainment",
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def _reached(at: Array, xs: Array, ys: Array, x_sign: float, y_sign: float, edge_y: float) -> Array:
    """Return the best y of all corners that cost no more than each x; the edge where there is none."""
    is_open = x_sign * xs[None] <= x_sign * at[:, None]
    best = np.where(is_open, y_sign * ys, np.inf).min(axis=1)
    return np.where(np.isfinite(best), y_sign * best, edge_y)
