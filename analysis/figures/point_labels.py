"""Names beside the points of a plot, each where it covers least of what is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Array = NDArray[np.float64]


def place_names(axes: Axes, xy: tuple[Any, Any], names: Sequence[str], colours: Sequence[str], size: float) -> None:
    """Write a name beside each point, off other points, names, lines and bars as far as there is room.

    Args:
        axes: Where; drawn before, and not moved later.
        xy: Coordinates of the points, shape (n,) each.
        names: Of the points.
        colours: Of the names.
        size: Of the type, in points.
    """
    points = axes.transData.transform(np.column_stack(xy))
    beside = [(px - 9, py - 9, px + 9, py + 9) for px, py in points] + _line_boxes(axes)
    taken = np.array(beside, dtype=float).reshape(-1, 4)
    for (px, py), name, colour in zip(points, names, colours, strict=True):
        width, height = 0.8 * size * len(name) + 4, 13.0
        spots = [
            (px + 9, py - 5),
            (px - 9 - width, py - 5),
            (px - width / 2, py + 10),
            (px - width / 2, py - 22),
            (px + 6, py + 8),
            (px - 6 - width, py - 20),
        ]
        boxes = np.array([(left, low, left + width, low + height) for left, low in spots])
        best = boxes[np.argmin(_outside(boxes, axes) + _overlaps(boxes, taken).sum(axis=1))]
        taken = np.vstack([taken, best])
        left, low = axes.transData.inverted().transform(best[:2])
        axes.text(
            left,
            low,
            name,
            fontsize=size,
            color=colour,
            zorder=6,
            bbox={"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.4},
        )


def _line_boxes(axes: Axes) -> list[Box]:
    """Return thin boxes along the drawn steps and bars, so that names keep off them."""
    boxes: list[Box] = []
    for line in axes.lines:
        path = axes.transData.transform(line.get_xydata())
        for (x0, y0), (x1, y1) in itertools.pairwise(path):
            boxes.append((min(x0, x1), y0 - 1, max(x0, x1), y0 + 1))
            boxes.append((x1 - 1, min(y0, y1), x1 + 1, max(y0, y1)))
    for bars in (drawn for drawn in axes.collections if isinstance(drawn, LineCollection)):
        for path in (axes.transData.transform(segment) for segment in bars.get_segments() if len(segment)):
            boxes.append((*(path.min(axis=0) - 1), *(path.max(axis=0) + 1)))
    return boxes


def _outside(boxes: Array, axes: Axes) -> Array:
    """Return the area of each box beyond the axes, shape (n,)."""
    inner = np.array([[axes.bbox.x0, axes.bbox.y0, axes.bbox.x1, axes.bbox.y1]])
    areas: Array = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return areas - _overlaps(boxes, inner)[:, 0]


def _overlaps(boxes: Array, others: Array) -> Array:
    """Return the area that each box shares with each other one, shape (n, n_others)."""
    lows = np.maximum(boxes[:, None, :2], others[None, :, :2])
    highs = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Array = np.prod(np.maximum(highs - lows, 0.0), axis=2)
    return shared
