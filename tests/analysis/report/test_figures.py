"""Every figure as Plotly's own schema sees it, and what its caption says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from analysis.figures.style import FAMILY_STYLE
from analysis.report.figures.styles import SYMBOLS, configuration_styles, dash, family_dash, family_symbol
from tests.analysis.report.conftest import TRIPLES, accuracy_of, data_of

KEYS = ["front", "parallel", "heatmap-accuracy", "heatmap-emissions", "curves", "ledgers"]
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
LEAST_DISTANCE = 15.0  # in CIE L*a*b*; 2.3 is just noticeable side by side


@pytest.fixture(scope="module")
def figures(grid_report: Path) -> dict[str, Any]:
    data = data_of(grid_report.read_text(encoding="utf-8"))
    return {figure["key"]: figure for figure in data["figures"]}


@pytest.mark.parametrize("key", KEYS)
def test_plotly_knows_every_word_of_a_figure(figures: dict[str, Any], key: str) -> None:
    figure = figures[key]
    checked = go.Figure(data=figure["data"], layout=figure["layout"])
    assert len(checked.data) == len(figure["data"]) > 0


@pytest.mark.parametrize("key", KEYS)
def test_a_caption_says_how_many_seeds_and_where_the_numbers_come_from(figures: dict[str, Any], key: str) -> None:
    note = figures[key]["note"]
    for words in ("5 seeds", "measured:rapl-package", "estimated:dimm-heuristic", "500.0 g/kWh (user)"):
        assert words in note, words


def test_the_front_has_each_configuration_once_where_its_means_are(figures: dict[str, Any]) -> None:
    traces = [trace for trace in figures["front"]["data"] if "hovertext" in trace]
    assert [trace["meta"]["family"] for trace in traces] == list(FAMILY_STYLE)
    places = {
        text.split("</b>")[0].removeprefix("<b>"): (x, y)
        for trace in traces
        for text, x, y in zip(trace["hovertext"], trace["x"], trace["y"], strict=True)
    }
    assert len(places) == 28
    assert places["ascending_234"] == pytest.approx((19.0, 100 * accuracy_of((2, 3, 4))))
    assert places["full_precision"] == pytest.approx((8.0, 95.0))
    fixed = next(trace for trace in traces if trace["meta"]["family"] == "fixed")
    assert set(fixed["marker"]["color"]) == {"white"}, "shown dominated: hollow"


def test_the_steps_of_the_front_run_from_edge_to_edge(figures: dict[str, Any]) -> None:
    (steps,) = (trace for trace in figures["front"]["data"] if trace["name"] == "front of the means")
    low, high = figures["front"]["layout"]["xaxis"]["range"], figures["front"]["layout"]["yaxis"]["range"]
    assert steps["x"] == [8.0, 8.0, low[1]]
    assert steps["y"] == pytest.approx([high[0], 95.0, 95.0])
    assert steps["line"]["shape"] == "hv"


def test_every_triple_has_its_cell(figures: dict[str, Any]) -> None:
    figure = figures["heatmap-accuracy"]
    titles = [panel["title"] for panel in figure["panels"]]
    assert titles == ["stage 3: 2 bit", "stage 3: 3 bit", "stage 3: 4 bit"]
    cells = {
        (int(one), int(two), 2 + place): value
        for place, trace in enumerate(figure["data"])
        for one, row in zip(trace["y"], trace["z"], strict=True)
        for two, value in zip(trace["x"], row, strict=True)
    }
    assert sorted(cells) == TRIPLES
    for triple, value in cells.items():
        assert value == pytest.approx(100 * accuracy_of(triple))


def test_a_line_of_the_parallel_coordinates_keeps_the_order_of_its_bits(figures: dict[str, Any]) -> None:
    figure = figures["parallel"]
    lines = {trace["text"].split("</b>")[0].removeprefix("<b>"): trace["y"] for trace in figure["data"]}
    assert len(lines) == 28
    first, second, third = lines["ascending_234"][:3]
    assert first < second < third
    assert lines["fixed_2"][3] == 0.0, "the least accurate"
    assert lines["full_precision"][3:] == [1.0, 0.0], "the most accurate at the least emissions"
    assert all(high > low for low, high in zip(lines["fixed_2"][:3], lines["fixed_3"][:3], strict=True))


def test_families_differ_in_colour_for_the_colour_blind_and_in_shape_for_black_and_white() -> None:
    for name, matrix in SIGHT.items():
        seen = {family: lab(matrix @ linear(colour)) for family, (colour, _) in FAMILY_STYLE.items()}
        for one, other in itertools.combinations(seen, 2):
            distance = float(np.linalg.norm(seen[one] - seen[other]))
            assert distance > LEAST_DISTANCE, f"{one} and {other} look alike under {name}: {distance:.0f}"
    assert len({family_symbol(family) for family in FAMILY_STYLE}) == len(FAMILY_STYLE)
    assert len({family_dash(family) for family in FAMILY_STYLE}) == len(FAMILY_STYLE)


def test_lines_of_one_family_differ_in_dashes_and_markers() -> None:
    labels = [f"fixed_{bits}" for bits in range(2, 9)]
    styles = configuration_styles(labels, ["fixed"] * len(labels))
    looks = {(line["dash"], marker["symbol"]) for line, marker in styles.values()}
    assert len(looks) == len(labels)
    assert dash(0) == "solid"
    assert {marker for _, marker in FAMILY_STYLE.values()} <= set(SYMBOLS)


def linear(colour: str) -> Any:
    """Return linear RGB of an sRGB colour (IEC 61966-2-1)."""
    encoded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lab(rgb: Any) -> Any:
    """Return CIE L*a*b* of linear RGB, white point D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = matrix @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
