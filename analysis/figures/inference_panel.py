"""The second panel of a front: accuracy of the deployed networks against measured emissions of inference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.figures.front_lines import boundary, draw_steps
from analysis.figures.point_labels import place_names
from analysis.figures.style import FAMILY_STYLE, Axis, make_axis
from analysis.figures.uncertainty_marks import draw_error_bars
from analysis.lifetime.inference_front import EMISSIONS, OBJECTIVES, InferenceFront
from analysis.lifetime.sentences import energy_words
from analysis.lifetime.variants import ACCURACY
from analysis.runs.load import Objective

Array = NDArray[np.float64]
ALARM_COLOUR = "#b00020"
IN_FLOAT = "QUANTIZED LAYERS RAN IN FLOAT"


def inference_axes(found: InferenceFront) -> tuple[Axis, Axis]:
    """Return the axes along x and y."""
    emissions = Objective(EMISSIONS, "minimize", "kg CO2eq", "inference emissions per million images")
    accuracy = Objective(ACCURACY, "maximize", "1", "deployed test accuracy")
    return make_axis(emissions, found.points[EMISSIONS]), make_axis(accuracy, found.points[ACCURACY])


def draw_inference(axes: Axes, found: InferenceFront, scale: float) -> None:
    """Draw the deployed networks, their intervals and their front.

    Args:
        axes: Where; its labels are set by the caller.
        found: From `analysis.lifetime.inference_front.find_inference_front`.
        scale: Of the size of points.
    """
    vertical, horizontal = OBJECTIVES
    axes.margins(x=0.24)  # networks of one class stand above each other, their names to both sides
    x, y = inference_axes(found)
    points = found.points
    for family, (colour, marker) in FAMILY_STYLE.items():
        own = points[points["family"] == family]
        if own.empty:
            continue
        xy = own[x.column].to_numpy() * x.factor, own[y.column].to_numpy() * y.factor
        draw_error_bars(axes, xy, (_half_width(own, x), _half_width(own, y)), colour, 0.55)
        size = scale * (150 if family == "full_precision" else 60)
        name = family.replace("_", " ")
        axes.scatter(*xy, s=size, c=colour, marker=marker, edgecolors="white", linewidths=1.0, zorder=4)
        axes.scatter([], [], s=size, c=colour, marker=marker, label=name)
    in_float = points[points["float_fallbacks"] != ""]
    if len(in_float):
        style: dict[str, Any] = {"facecolors": "none", "edgecolors": ALARM_COLOUR, "linewidths": 1.8, "marker": "s"}
        axes.scatter(in_float[x.column] * x.factor, in_float[y.column] * y.factor, s=scale * 260, zorder=5, **style)
        axes.scatter([], [], s=scale * 120, label=IN_FLOAT, **style)
    if axes.get_xlim()[0] < 0:
        axes.set_xlim(left=0)  # intervals of few repetitions reach below, emissions do not
    corners = boundary(points[points["on_inference_front"]], horizontal, vertical)
    line: dict[str, Any] = {"color": "0.25", "linewidth": 1.2, "linestyle": "--", "zorder": 3}
    draw_steps(axes, corners, horizontal, vertical, (x.factor, y.factor), label="front (means)", **line)


def _half_width(points: pd.DataFrame, axis: Axis) -> Array:
    half: Array = (points[f"{axis.column}_high"] - points[axis.column]).to_numpy(dtype=float) * axis.factor
    return half


def name_inference(axes: Axes, found: InferenceFront, size: float, most: int) -> None:
    """Name the networks, or of many only the front and what ran in float.

    Args:
        axes: Drawn before, and not moved later.
        found: As drawn.
        size: Of the type in points.
        most: Names at most.
    """
    x, y = inference_axes(found)
    named, is_float = found.points, found.points["float_fallbacks"] != ""
    if len(named) > most:
        named = named[named["on_inference_front"] | is_float]
    alarms = list(is_float[named.index])
    pairs = zip(named["label"], alarms, strict=True)
    names = [f"{label}: IN FLOAT" if is_alarm else label for label, is_alarm in pairs]
    colours = [ALARM_COLOUR if is_alarm else FAMILY_STYLE[family][0]
               for family, is_alarm in zip(named["family"], alarms, strict=True)]  # fmt: skip
    place_names(axes, (named[x.column] * x.factor, named[y.column] * y.factor), names, colours, size)


def inference_caption(found: InferenceFront) -> str:
    """Return what the panel shows."""
    axis = found.axis
    pooled = " (one cost for each precision class that is shown to cost the same)"
    return (
        f"Inference: {axis.runtime}, batch size {axis.batch_size}, {', '.join(axis.hosts) or 'unknown host'}, "
        f"{energy_words(axis)} ({', '.join(axis.sources) or 'unknown source'}), {axis.g_per_kwh:g} g/kWh; bars: 95 % "
        f"intervals over repetitions{pooled if found.points['inference_is_pooled'].any() else ''} and over seeds."
    )
