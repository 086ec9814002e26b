from __future__ import annotations

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from analysis.figures.point_labels import place_names


def written(points: list[tuple[float, float]], names: list[str], *, line_at: float | None = None) -> list[Bbox]:
    """Return where the names of some points in the unit square are written, in pixels of the axes."""
    figure = Figure(figsize=(6, 4))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    if line_at is not None:
        axes.plot([0, 1], [line_at, line_at])
    canvas.draw()
    xs, ys = zip(*points, strict=True)
    place_names(axes, (xs, ys), names, ["black"] * len(names), 7.5)
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == names
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes), "inside the axes"
    return boxes


def test_names_of_near_points_do_not_cover_each_other() -> None:
    boxes = written([(0.5, 0.5), (0.52, 0.5), (0.5, 0.53)], ["ascending_234", "ascending_244", "fixed_2"])
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_name_at_the_edge_is_written_inside() -> None:
    right, left = written([(0.99, 0.4), (0.01, 0.6)], ["full_precision (width 0.25)", "descending_432"])
    assert right.x0 > left.x1, "each on its side"


def test_a_name_keeps_off_lines() -> None:
    (without,) = written([(0.5, 0.5)], ["fixed_2"])
    (box,) = written([(0.5, 0.5)], ["fixed_2"], line_at=0.5)
    centre = (without.y0 + without.y1) / 2
    assert abs(centre - 0.5 * 400) < 20, "beside the point where nothing is in its way"
    assert box.y0 > centre or box.y1 < centre
