"""The interactive front: a point for each configuration, its spread, its verdict, and what the seeds attain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.energy.sources import EnergyKind
from analysis.figures.front import MOST_LABELS
from analysis.figures.style import FAMILY_STYLE, GRAMS, WATT_HOURS, Axis, make_axis
from analysis.fronts.choice import choice_sentence
from analysis.fronts.pareto import is_nondominated, to_costs
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.figure import Figure, Panel, axis_layout, axis_title
from analysis.report.figures.styles import MUTED, base_layout, faint, family_colour, family_symbol, verdict_marker
from analysis.report.formatting import Values, plain, scaled
from analysis.runs.load import Objective
from analysis.wording import as_sentence, counted_range

MOST_POINTS = 5000
MOST_BARS = 300
MOST_REPLICATES = 500
MARGIN = 0.08
Range = tuple[float, float]


def front_axes(evidence: Evidence) -> tuple[Objective, Objective, Axis, Axis]:
    """Return the objectives along x and y, the cost along x, and how they are drawn."""
    vertical, horizontal = sorted(evidence.objectives[:2], key=lambda objective: objective.direction)
    x, y = (make_axis(axis, evidence.done[axis.column]) for axis in (horizontal, vertical))
    return horizontal, vertical, x, y


def draw_front(evidence: Evidence, hover: dict[int, str]) -> Figure:
    """Return the front; points lead to the key of their configuration.

    Args:
        evidence: With a front.
        hover: What a point says, by configuration.
    """
    horizontal, vertical, x, y = front_axes(evidence)
    points = _finite(evidence.front, x, y).head(MOST_POINTS)
    trials = _finite(evidence.done, x, y) if len(evidence.done) <= MOST_REPLICATES else evidence.done.iloc[:0]
    limits = _limits(points, trials, x), _limits(points, trials, y)
    data = [*_surface_traces(evidence, horizontal, vertical, (x, y), limits)]
    data += _front_trace(points, horizontal, vertical, (x, y), limits)
    is_named, has_bars = len(points) <= MOST_LABELS, len(points) <= MOST_BARS
    for family in (name for name in FAMILY_STYLE if (points["family"] == name).any()):
        data = [*_replicate_trace(trials[trials["family"] == family], family, x, y), *data]  # means lie on top
        data.append(
            _family_trace(points[points["family"] == family], family, x, y, hover, is_named=is_named, has_bars=has_bars)
        )
    panel = Panel(1, x_title=axis_title(x, _remark(x, evidence)), y_title=axis_title(y))
    layout = base_layout(
        **axis_layout(panel, "x", range=list(limits[0])), **axis_layout(panel, "y", range=list(limits[1]))
    )
    note = _note(evidence, points, with_replicates=len(trials) > 0)
    return Figure(
        "front", "Accuracy against cost: the front", note, evidence.origin, data, layout, [panel], panel_height=430
    )


def _finite(rows: pd.DataFrame, x: Axis, y: Axis) -> pd.DataFrame:
    """Return the rows that have both figures."""
    is_finite = np.isfinite(rows[[x.column, y.column]].to_numpy(dtype=float)).all(axis=1)
    kept: pd.DataFrame = rows[is_finite]
    return kept


def _remark(axis: Axis, evidence: Evidence) -> str:
    """Return whether an energy is estimated, empty for other figures."""
    if axis.unit not in (WATT_HOURS, GRAMS):
        return ""
    if axis.unit == GRAMS and evidence.energy_kind is EnergyKind.MEASURED:
        return "from measured energy"  # no meter counts grams: the carbon intensity is looked up
    return str(evidence.energy_kind)


def _limits(points: pd.DataFrame, trials: pd.DataFrame, axis: Axis) -> Range:
    """Return both ends of an axis in drawn units, what is drawn and its bars inside."""
    spread = points[f"{axis.column}_std"].fillna(0) if len(points) <= MOST_BARS else 0.0
    mean = points[axis.column]
    values = pd.concat([mean - spread, mean + spread, trials[axis.column]])
    ends = [end for end in scaled([values.min(), values.max()], axis) if end is not None]
    reach = (max(ends) - min(ends)) * MARGIN or abs(max(ends)) * 0.1 or 1.0
    return min(ends) - reach, max(ends) + reach


def _family_trace(
    part: pd.DataFrame, family: str, x: Axis, y: Axis, hover: dict[int, str], *, is_named: bool, has_bars: bool
) -> Values:
    trace: Values = {
        "type": "scatter",
        "mode": "markers",
        "name": family.replace("_", " "),
        "meta": {"family": family},
        "x": scaled(part[x.column], x),
        "y": scaled(part[y.column], y),
        "customdata": part.index.tolist(),
        "hovertext": [hover[configuration] for configuration in part.index],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": verdict_marker(family, part["verdict"]),
        "cliponaxis": False,
    }
    if is_named:
        trace |= {
            "text": [plain(label) for label in part["label"]],
            "textposition": "bottom right",
            "textfont": {"size": 11},
            "meta": {"family": family, "isNamed": True},
        }
    if has_bars:
        for letter, axis in (("x", x), ("y", y)):
            spread = part[f"{axis.column}_std"]
            if spread.notna().any():
                bars = {"color": faint(family_colour(family), 0.55), "thickness": 1, "width": 3}
                trace[f"error_{letter}"] = {"type": "data", "array": scaled(spread, axis), **bars}
    return trace


def _replicate_trace(trials: pd.DataFrame, family: str, x: Axis, y: Axis) -> list[Values]:
    """Return the single trials of a family, small and light behind the means."""
    if trials.empty or trials["config_seed"].nunique() < 2:
        return []
    marker = {"symbol": family_symbol(family), "size": 6, "color": family_colour(family), "opacity": 0.35}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "single seeds",
            "meta": {"family": family},
            "showlegend": False,
            "x": scaled(trials[x.column], x),
            "y": scaled(trials[y.column], y),
            "marker": marker,
            "hoverinfo": "skip",
        }
    ]


def _steps(
    corners: pd.DataFrame,
    horizontal: Objective,
    vertical: Objective,
    axes: tuple[Axis, Axis],
    limits: tuple[Range, Range],
) -> Values:
    """Return the boundary that some corners attain as steps from edge to edge: level first, then up."""
    xs, ys = (scaled(corners[axis.column], axis) for axis in axes)
    worst_x, worst_y = (
        limit[1 if axis.sign > 0 else 0] for limit, axis in zip(limits, (horizontal, vertical), strict=True)
    )
    return {"x": [xs[0], *xs, worst_x], "y": [worst_y, *ys, ys[-1]], "line": {"shape": "hv"}}


def _front_trace(
    points: pd.DataFrame,
    horizontal: Objective,
    vertical: Objective,
    axes: tuple[Axis, Axis],
    limits: tuple[Range, Range],
) -> list[Values]:
    """Return the steps of the front of means in this plane; members off it show by their verdict."""
    members = points[points["on_front"]].sort_values(axes[0].column, ascending=horizontal.sign > 0)
    members = members[is_nondominated(to_costs(members, [horizontal, vertical]))]
    if members.empty:
        return []
    trace = _steps(members, horizontal, vertical, axes, limits)
    trace["line"] |= {"color": "#404040", "width": 1.5, "dash": "6px,3px"}
    return [{"type": "scatter", "mode": "lines", "name": "front of the means", "hoverinfo": "skip", **trace}]


def _surface_traces(
    evidence: Evidence,
    horizontal: Objective,
    vertical: Objective,
    axes: tuple[Axis, Axis],
    limits: tuple[Range, Range],
) -> list[Values]:
    """Return the best, median and worst attainment surface; of three objectives there is none in this plane."""
    surfaces = evidence.surfaces
    if isinstance(surfaces, Missing) or len(evidence.objectives) != 2:
        return []
    traces = []
    for name, line in (("best", "1px,3px"), ("worst", "1px,3px"), ("median", "solid")):
        corners = surfaces[surfaces["surface"] == name].sort_values(axes[0].column, ascending=horizontal.sign > 0)
        trace = _steps(corners, horizontal, vertical, axes, limits)
        trace["line"] |= {"color": MUTED, "width": 1, "dash": line}
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"attainment: {name}",
                "hoverinfo": "skip",
                "opacity": 0.7,
                **trace,
            }
        )
    return traces


def _note(evidence: Evidence, points: pd.DataFrame, *, with_replicates: bool) -> str:
    """Return what points, bars, edges and lines are."""
    seeds = sorted({int(count) for count in points["n_seeds"]})
    sentences = [] if evidence.choice is None else [as_sentence(choice_sentence(evidence.choice, with_option=False))]
    sentences.append(
        f"Points: means of {counted_range(seeds, 'seed')}; hollow: shown dominated; black edge: shown on the front; "
        "plain: neither is shown."
    )
    if seeds[-1] > 1 and len(points) <= MOST_BARS:
        sentences.append("Bars: standard deviation over seeds.")
    if seeds == [1]:
        sentences.append("One seed each: no spread is known and none is drawn.")
    if with_replicates and seeds[-1] > 1:
        sentences.append("Small light marks: single seeds.")
    sentences.append("Dashed steps: front of the means.")
    if not isinstance(evidence.surfaces, Missing) and len(evidence.objectives) == 2:
        sentences.append("Solid grey steps: what half of the seeds attain; dotted: at best, and all.")
    if len(evidence.objectives) > 2:
        others = ", ".join(axis.column for axis in evidence.objectives[2:])
        sentences.append(f"The front is also over {others}, so members may lie behind the steps.")
    left = len(evidence.front) - len(points)
    if left:
        sentences.append(
            f"Not drawn: {left:,} of {len(evidence.front):,} configurations, without both figures or behind the others "
            "in rank."
        )
    return " ".join(sentences)
