"""The boundary that a front attains, drawn as steps: of all configurations, and of each family alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis.fronts.pareto import is_nondominated, to_costs
from analysis.runs.load import Objective

# A dash pattern each, so that families stay apart in black and white; the front of all is solid or plainly dashed.
FAMILY_DASHES: dict[str, Any] = {
    "full_precision": (0, (9, 2, 1.5, 2, 1.5, 2)),
    "fixed": (0, (1.2, 1.6)),
    "ascending": (0, (7, 2)),
    "descending": (0, (5, 1.6, 1.2, 1.6)),
    "mixed": (0, (3, 1.6)),
}
FAMILY_LINE_WIDTH = 1.1


def boundary(members: pd.DataFrame, horizontal: Objective, vertical: Objective) -> pd.DataFrame:
    """Return those of some configurations that no other dominates in these two axes, from the best along x on.

    >>> frame = pd.DataFrame({"test_accuracy": [0.9, 0.7, 0.8], "energy_kwh": [3.0, 2.0, 1.0]})
    >>> axes = Objective("energy_kwh", "minimize"), Objective("test_accuracy", "maximize")
    >>> boundary(frame, *axes)["test_accuracy"].tolist()
    [0.8, 0.9]
    """
    kept = members[is_nondominated(to_costs(members, [horizontal, vertical]))]
    return kept.sort_values(horizontal.column, ascending=horizontal.sign > 0)


def draw_steps(
    axes: Axes,
    corners: pd.DataFrame,
    horizontal: Objective,
    vertical: Objective,
    factors: tuple[float, float],
    **style: Any,
) -> None:
    """Draw what the vertical objective reaches at each horizontal cost; the limits of the axes stay.

    It runs on to the edges of the axes, so that a front of one point is seen as well.

    Args:
        axes: Where; with its limits set.
        corners: From `boundary`, one or more.
        horizontal: Axis along x.
        vertical: Axis along y.
        factors: From the units of both to what is drawn.
        style: Of the line.
    """
    xs, ys = (
        (corners[axis.column] * factor).tolist() for axis, factor in zip((horizontal, vertical), factors, strict=True)
    )
    worst_x = axes.get_xlim()[1 if horizontal.sign > 0 else 0]
    worst_y = axes.get_ylim()[1 if vertical.sign > 0 else 0]
    axes.autoscale(False)
    axes.step([xs[0], *xs, worst_x], [worst_y, *ys, ys[-1]], where="post", **style)


def draw_family_fronts(
    axes: Axes,
    front: pd.DataFrame,
    horizontal: Objective,
    vertical: Objective,
    factors: tuple[float, float],
    styles: Mapping[str, tuple[str, str]],
) -> None:
    """Draw the own front of each family in its colour and dashes; the legend has them with its points.

    Args:
        axes: Where; with its limits set.
        front: Configurations, from `analysis.fronts.pareto.pareto_front`.
        horizontal: Axis along x.
        vertical: Axis along y.
        factors: From the units of both to what is drawn.
        styles: Colour and marker by family.
    """
    for family, (colour, _) in styles.items():
        members = front[(front["family"] == family) & front["on_family_front"]]
        if not members.empty:
            draw_steps(
                axes,
                boundary(members, horizontal, vertical),
                horizontal,
                vertical,
                factors,
                color=colour,
                linestyle=FAMILY_DASHES[family],
                linewidth=FAMILY_LINE_WIDTH,
                zorder=3.2,
            )


def draw_line_key(axes: Axes, family: str, colour: str, marker: str, size: float, name: str) -> None:
    """Put a family into the legend with its points and the line of its front; the size is the marker's, in points."""
    axes.plot(
        [],
        [],
        color=colour,
        marker=marker,
        markersize=size,
        markeredgewidth=0,
        linestyle=FAMILY_DASHES[family],
        linewidth=FAMILY_LINE_WIDTH,
        label=name,
    )
