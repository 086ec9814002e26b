from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fronts import FIND, KINDS, main, make_points, time_filters


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_objectives", [2, 3])
def test_filters_agree_on_points_of_every_kind(kind: str, n_objectives: int) -> None:
    points = make_points(kind, 3000, n_objectives, np.random.default_rng(1))
    times, on_front = time_filters(points, 1)
    assert {"ours", "moocore"} <= set(times)
    assert (on_front == 3000) == (kind == "all on the front")


def test_the_benchmark_names_what_it_lacks_and_compares_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fronts.json"
    monkeypatch.setattr("sys.argv", ["fronts", "--sizes", "10", "3000", "--rounds", "1", "--json", str(file)])
    main()
    figures, printed = json.loads(file.read_text()), capsys.readouterr().out
    assert len(figures["cases"]) == 2 * len(KINDS) * 2
    ratios = [case["times_s"]["moocore"] / case["times_s"]["ours"] for case in figures["cases"]]
    assert f"moocore over ours: {min(ratios):.2f} to {max(ratios):.2f}" in printed
    has_pymoo = figures["machine"]["pymoo"] is not None
    assert ("pymoo is not installed" in printed) == (not has_pymoo)
    assert (f"{FIND} over ours" in printed) == has_pymoo
