"""The steps of a front as they are drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.figures.front import draw_pareto
from analysis.fronts.pareto import pareto_front
from analysis.runs.load import Objective


@pytest.mark.parametrize(
    ("directions", "points", "turn"),
    [
        (("maximize", "minimize"), [(0.9, 0.9), (0.5, 0.5)], (0.5, 0.9)),
        (("maximize", "maximize"), [(0.9, 0.5), (0.5, 0.9)], (0.5, 0.5)),
        (("minimize", "minimize"), [(0.9, 0.5), (0.5, 0.9)], (0.9, 0.9)),
    ],
)
def test_between_two_points_the_steps_turn_at_what_both_reach(
    directions: tuple[str, str], points: list[tuple[float, float]], turn: tuple[float, float]
) -> None:
    objectives = [Objective("test_accuracy", directions[0]), Objective("val_accuracy", directions[1])]
    frame = pd.DataFrame(points, columns=["test_accuracy", "val_accuracy"])
    frame = frame.assign(schedule=["fixed_2", "fixed_3"], family="fixed")
    front = pareto_front(frame, objectives)
    assert front["on_front"].all()
    (line,) = draw_pareto(front, frame, objectives, "caption").axes[0].lines
    assert line.get_drawstyle() == "steps-post"
    xs, ys = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    # The first objective runs upwards; after the edge and the first point, the step runs to the second's x.
    assert (float(ys[1]), float(xs[2])) == turn


def test_a_front_of_one_point_is_drawn_to_the_edges() -> None:
    objectives = [Objective("test_accuracy", "maximize"), Objective("val_accuracy", "minimize")]
    frame = pd.DataFrame({"test_accuracy": [0.9, 0.5], "val_accuracy": [0.1, 0.5]})
    frame = frame.assign(schedule=["fixed_2", "fixed_3"], family="fixed")
    axes = draw_pareto(pareto_front(frame, objectives), frame, objectives, "caption").axes[0]
    (line,) = axes.lines
    assert np.asarray(line.get_xdata()).tolist() == [0.1, 0.1, axes.get_xlim()[1]]
    assert np.asarray(line.get_ydata()).tolist() == [axes.get_ylim()[0], 0.9, 0.9]
