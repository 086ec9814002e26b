from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.figures.front import draw_pareto
from analysis.figures.front_lines import FAMILY_DASHES, boundary
from analysis.figures.style import FAMILY_STYLE
from analysis.fronts.pareto import pareto_front
from analysis.runs.load import Objective

ACCURACY, EMISSIONS = Objective("test_accuracy", "maximize"), Objective("emissions_kg_co2eq", "minimize")
FRAME = pd.DataFrame(
    [
        ("fixed_2", "fixed", 0.70, 2.0),
        ("fixed_3", "fixed", 0.60, 3.0),
        ("fixed_4", "fixed", 0.80, 3.0),
        ("ascending_234", "ascending", 0.85, 1.0),
    ],
    columns=["schedule", "family", "test_accuracy", "emissions_kg_co2eq"],
)


def draw(*, with_families: bool) -> Axes:
    objectives = [ACCURACY, EMISSIONS]
    front = pareto_front(FRAME, objectives)
    return draw_pareto(front, FRAME, objectives, "caption", with_families=with_families).axes[0]


def drawn_steps(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the corners of each line that has some, by its colour."""
    return {
        to_hex(line.get_color()).upper(): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for line in axes.lines
        if len(np.asarray(line.get_xdata()))
    }


def test_every_family_has_dashes_of_its_own() -> None:
    assert FAMILY_DASHES.keys() == FAMILY_STYLE.keys()
    assert len(set(FAMILY_DASHES.values())) == len(FAMILY_DASHES)


def test_the_own_front_of_a_family_runs_through_its_members_to_the_edges() -> None:
    axes = draw(with_families=True)
    lines = drawn_steps(axes)
    assert lines.keys() == {"#0072B2", "#009E73", "#CCCCCC"}, "fixed, ascending, and the front of all"
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    assert lines["#0072B2"] == [(2.0, bottom), (2.0, 0.7), (3.0, 0.8), (right, 0.8)]
    assert lines["#009E73"] == lines["#CCCCCC"] == [(1.0, bottom), (1.0, 0.85), (right, 0.85)]


def test_the_legend_shows_each_family_with_marker_and_dashes() -> None:
    axes = draw(with_families=True)
    keys = {line.get_label(): line for line in axes.lines if line.get_label() in ("fixed", "ascending")}
    legend = axes.get_legend()
    assert legend is not None
    assert {"fixed", "ascending", "front (means)"} <= {text.get_text() for text in legend.get_texts()}
    assert [keys[name].get_marker() for name in ("fixed", "ascending")] == ["o", "^"]
    assert all(keys[name].is_dashed() for name in keys)


def test_without_the_flag_only_the_front_of_all_is_a_line() -> None:
    assert list(drawn_steps(draw(with_families=False))) == ["#404040"]


@pytest.mark.parametrize(("direction", "names"), [("minimize", ["b", "a"]), ("maximize", ["a", "d"])])
def test_a_boundary_leaves_out_what_is_dominated_in_the_plane(direction: str, names: list[str]) -> None:
    frame = pd.DataFrame(
        {"name": list("abcd"), "test_accuracy": [0.9, 0.8, 0.7, 0.1], "energy_kwh": [3.0, 1.0, 2.0, 9.0]}
    )
    horizontal = Objective("energy_kwh", direction)
    found = boundary(frame, horizontal, ACCURACY)["name"].tolist()
    assert found == (names if direction == "minimize" else names[::-1])
