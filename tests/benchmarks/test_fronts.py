from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fronts import KINDS, make_points, time_filters
from tests.conftest import run_python


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_objectives", [2, 3])
def test_filters_agree_on_points_of_every_kind(kind: str, n_objectives: int) -> None:
    points = make_points(kind, 3000, n_objectives, np.random.default_rng(1))
    times, on_front = time_filters(points, 1)
    assert {"ours", "moocore"} <= set(times)
    assert (on_front == 3000) == (kind == "all on the front")


@pytest.mark.slow
def test_the_benchmark_names_what_it_lacks(tmp_path: Path) -> None:
    flags = ["--sizes", "10", "3000", "--rounds", "1", "--json", "fronts.json"]
    result = run_python("-m", "benchmarks.fronts", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "fronts.json").read_text())
    assert len(figures["cases"]) == 2 * len(KINDS) * 2
    has_pymoo = figures["machine"]["pymoo"] is not None
    assert ("pymoo is not installed" in result.stdout) == (not has_pymoo)
    assert ("ours over the faster of pymoo's" in result.stdout) == has_pymoo
