"""Finding the front of many points, beside moocore and pymoo.

Points of two and three objectives, minimised: even in the unit cube (few are on the front), all on the front, and of
few distinct values (ties and duplicates). Each filter finds the same front, all of equal points or none. Calls take
turns, so that a drift falls on all alike; the figure is the fastest of the rounds. Ours is moocore's filter, but for
many points of two objectives a sort: here one sees whether the sort is still worth its lines. Where pymoo is not
installed, the benchmark says so. pymoo 0.6.2 calls moocore itself: ``find_non_dominated`` its filter,
``NonDominatedSorting`` its ranks.

Run: python -m benchmarks.fronts --json fronts.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray

from analysis.fronts.pareto import is_nondominated
from benchmarks.support.machine import version_of, write_json
from lwq_tune.host.hardware import available_cpus, cpu_model

Points = NDArray[np.float64]
SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000)
KINDS = ("even", "all on the front", "few values")
FIND, SORT = "pymoo find_non_dominated", "pymoo NonDominatedSorting"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fronts", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--most-in-three", type=int, default=10_000, metavar="N", help="points of three objectives")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if min(*arguments.sizes, arguments.rounds) < 1:
        parser.error("--sizes and --rounds must be at least 1")
    figures = {
        "cases": measure(arguments.sizes, arguments.rounds, arguments.most_in_three),
        "machine": {
            "cpu_model": cpu_model(),
            "cpus": available_cpus(),
            **{name: version_of(name) for name in ("numpy", "moocore", "pymoo")},
        },
    }
    _print(figures)
    write_json(arguments.json, figures)


def measure(sizes: Sequence[int], n_rounds: int, most_in_three: int) -> list[dict[str, Any]]:
    """Return of each number of objectives, kind and size the shortest time of each filter in seconds.

    Raises:
        SystemExit: Two filters find different fronts.
    """
    cases = []
    for n_objectives in (2, 3):
        for kind in KINDS:
            for size in (size for size in sizes if n_objectives == 2 or size <= most_in_three):
                points = make_points(kind, size, n_objectives, np.random.default_rng(0))
                times, on_front = time_filters(points, n_rounds)
                cases.append(
                    {"objectives": n_objectives, "kind": kind, "points": size, "on_front": on_front, "times_s": times}
                )
    return cases


def make_points(kind: str, size: int, n_objectives: int, generator: np.random.Generator) -> Points:
    """Return points of a kind of ``KINDS``, shape (size, n_objectives)."""
    points = generator.random((size, n_objectives))
    if kind == "all on the front":
        points[:, -1] = -points[:, :-1].sum(axis=1)
    elif kind == "few values":
        points = np.floor(points * 50)
    return points


def filters() -> dict[str, Callable[[Points], NDArray[np.int64]]]:
    """Return the filters that are installed, each from points to the indices of the front."""
    found: dict[str, Callable[[Points], NDArray[np.int64]]] = {
        "ours": lambda points: is_nondominated(points).nonzero()[0],
        "moocore": lambda points: moocore.is_nondominated(points, keep_weakly=True).nonzero()[0],
    }
    try:
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting, find_non_dominated
    except ImportError:
        return found
    found[FIND] = find_non_dominated
    found[SORT] = lambda points: NonDominatedSorting().do(points, only_non_dominated_front=True)
    return found


def time_filters(points: Points, n_rounds: int) -> tuple[dict[str, float], int]:
    """Return the shortest time of each filter in seconds, and the number of points on the front.

    Raises:
        SystemExit: Two filters find different fronts.
    """
    found, generator = filters(), np.random.default_rng(0)
    expected = found["ours"](points)
    shortest = dict.fromkeys(found, np.inf)
    n_calls = max(1, 2000 // len(points))
    for _ in range(n_rounds):
        for name in generator.permutation(list(found)).tolist():
            for _ in range(n_calls):  # not timed: caches and branches are as another filter left them
                front = found[name](points)
            if not np.array_equal(np.sort(front), expected):
                raise SystemExit(f"{name} finds another front of {len(points)} points than ours")
            begin_s = time.perf_counter()
            for _ in range(n_calls):
                found[name](points)
            shortest[name] = min((time.perf_counter() - begin_s) / n_calls, shortest[name])
    return shortest, len(expected)


def _print(figures: Mapping[str, Any]) -> None:
    host = figures["machine"]
    print(f"{host['cpu_model']}, {host['cpus']} CPUs, numpy {host['numpy']}, moocore {host['moocore']}, milliseconds")
    if host["pymoo"] is None:
        print("pymoo is not installed, so nothing is compared with it: pip install pymoo")
    names = list(figures["cases"][0]["times_s"])
    print(f"{'objectives, kind':<22}{'points':>9}{'on front':>9}" + "".join(f"{name:>28}" for name in names))
    for case in figures["cases"]:
        times = "".join(f"{1000 * case['times_s'][name]:>28.3f}" for name in names)
        label = f"{case['objectives']}, {case['kind']}"
        print(f"{label:<22}{case['points']:>9}{case['on_front']:>9}{times}")
    for name in names[1:]:
        ratios = [case["times_s"][name] / case["times_s"]["ours"] for case in figures["cases"]]
        print(f"{name} over ours: {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
