"""Share of a front that a search finds in k trials: Optuna's samplers against a random draw.

In the table every schedule has been trained, so a search is played on it without training anything. The share is that
of the whole table's hypervolume (validation accuracy up, emissions down), measured from the worst of either objective
and 10 % of its range beyond. ``ends+random`` draws at random after the two candidates that `Proposer` begins with.

RUN_DIR is a run in which all schedules of a space are done, the mean over seeds counts; --cost takes another column
than the emissions, such as bitops, where all schedules emit about the same. Without RUN_DIR three SYNTHETIC
tables are made anew for each seed, with random positive stage weights s and m that each sum to 1, bits b, and noise of
0.008 in accuracy and 3 % in emissions:
  rising       accuracy 0.9 - 1.44 sum(s 2^-b), emissions 1 + 0.15 sum(m min(b, 16))
  interacting  the same, less 0.024 in accuracy for each doubling or halving of b between neighbouring stages
  flat         the accuracy of ``rising``, emissions 1 - 0.3 sum(m over stages at 32 bit): no gain from fewer bits

Run: python -m benchmarks.search --json search.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.support.machine import version_of, write_json
from lwq_tune.quantization.schedules import BitWidths, enumerate_bit_widths
from lwq_tune.sweep.search.proposer import Method, Outcome, Pause, Proposer
from lwq_tune.sweep.space.candidates import ListedCandidates

Table = Mapping[BitWidths, Outcome]

SYNTHETIC = ("rising", "interacting", "flat")
METHODS: tuple[Method, ...] = ("tpe", "nsga2")
QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}
COSTS = ("emissions_kg_co2eq", "bitops", "weight_mib", "modelled_inference_energy_uj")
TARGETS = (0.95, 0.99)
REFERENCE_MARGIN = 0.1
N_DRAWS = 50  # a draw costs nothing, and the luck of a few would hide what a search gains


def main() -> None:
    """Measure, print, write."""
    arguments = _parse()
    tables: dict[str, Callable[[int], Table]]
    if arguments.run_dir is not None:
        trained = read_table(arguments.run_dir, arguments.cost)
        tables = {str(arguments.run_dir): lambda _: trained}
    else:
        candidates = enumerate_bit_widths(arguments.choices, arguments.stages, arguments.constraint)
        tables = {f"SYNTHETIC {kind}": _maker(kind, candidates) for kind in SYNTHETIC}
    figures = {
        "tables": {name: measure(table, arguments, index) for index, (name, table) in enumerate(tables.items())},
        "settings": {key: value for key, value in vars(arguments).items() if key not in ("json", "run_dir")},
        "versions": {package: version_of(package) for package in ("optuna", "moocore", "numpy")},
    }
    _print(figures)
    write_json(arguments.json, figures)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir", nargs="?", type=Path, metavar="RUN_DIR")
    parser.add_argument("--cost", choices=COSTS, default=COSTS[0], help="column of RUN_DIR that is to be low")
    parser.add_argument("--seeds", type=int, default=20, help="searches per method")
    parser.add_argument("--trials", type=int, default=20, help="schedules that a search trains")
    parser.add_argument("--lag", type=int, default=1, help="trials at a time")
    parser.add_argument("--choices", type=int, nargs="+", default=[2, 3, 4], help="bit-widths of the synthetic tables")
    parser.add_argument("--stages", type=int, default=3)
    parser.add_argument("--constraint", choices=("free", "ascending", "descending", "fixed"), default="free")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.run_dir is None and arguments.cost != COSTS[0]:
        parser.error(f"--cost is a column of a run, the synthetic tables have emissions alone, got {arguments.cost}")
    return arguments


def read_table(run_dir: Path, cost: str = COSTS[0]) -> Table:
    """Return the mean validation accuracy and cost of each schedule of a run whose trials are done.

    Args:
        run_dir: Of the run.
        cost: Column that stands in place of the emissions.

    Raises:
        SystemExit: There is no such run, or fewer than two schedules are done and measured.
    """
    file = run_dir / "trials.parquet"
    if not file.is_file():
        raise SystemExit(f"RUN_DIR must be the folder of a run, {file} is missing; leave it out for synthetic tables")
    trials = pd.read_parquet(file)
    columns = ["val_accuracy", cost]
    done = trials[trials["status"] == "done"].dropna(subset=columns)
    means = done.assign(bit_widths=done["bit_widths"].map(tuple)).groupby("bit_widths")[columns].mean()
    if len(means) < 2:
        raise SystemExit(f"a search needs two schedules to choose from, {file} has {len(means)} that are measured")
    return {
        tuple(int(bits) for bits in schedule): Outcome(*map(float, row))
        for schedule, row in zip(means.index, means.to_numpy(), strict=True)
    }


def synthetic_table(kind: str, candidates: Sequence[BitWidths], seed: int) -> Table:
    """Return the table of one of the formulas above."""
    generator = np.random.default_rng(seed)
    n_stages = len(candidates[0])
    sensitivity = generator.dirichlet(np.full(n_stages, 2.0))
    share = generator.dirichlet(np.full(n_stages, 8.0))
    bits = np.array(candidates, dtype=float)
    accuracy = 0.9 - 1.44 * 2.0**-bits @ sensitivity
    emissions = 1 - 0.3 * (bits == 32) @ share if kind == "flat" else 1 + 0.15 * np.minimum(bits, 16) @ share
    if kind == "interacting":
        accuracy = accuracy - 0.024 * np.abs(np.diff(np.log2(bits), axis=1)).sum(axis=1)
    accuracy = accuracy + generator.normal(0, 0.008, len(candidates))
    emissions = emissions * np.exp(generator.normal(0, 0.03, len(candidates)))
    return {
        schedule: Outcome(float(up), float(down))
        for schedule, up, down in zip(candidates, accuracy, emissions, strict=True)
    }


def _maker(kind: str, candidates: Sequence[BitWidths]) -> Callable[[int], Table]:
    return lambda seed: synthetic_table(kind, candidates, seed)


def search(method: str, table: Table, n_trials: int, seed: int, lag: int) -> list[BitWidths]:
    """Return the schedules that a search trains, in order; their outcomes are read in the table."""
    candidates = ListedCandidates(table)
    draw = candidates.draw(len(table), seed)
    if method == "random":
        return draw[:n_trials]
    if method == "ends+random":
        return list(dict.fromkeys([*candidates.ends(()), *draw]))[:n_trials]
    sampler: Method = "tpe" if method == "tpe" else "nsga2"
    proposer = Proposer(sampler, candidates, n_trials, seed, lag)
    found: list[BitWidths] = []
    while not isinstance(proposal := proposer.next(table), Pause):
        found.append(proposal)
    return found


def hypervolume_shares(table: Table, order: Sequence[BitWidths]) -> NDArray[np.float64]:
    """Return the share of the whole table's hypervolume after each schedule of ``order``, shape (len(order),)."""
    costs = {schedule: (-outcome.val_accuracy, outcome.emissions_kg_co2eq) for schedule, outcome in table.items()}
    everything = np.array(list(costs.values()))
    worst, best = everything.max(axis=0), everything.min(axis=0)
    reference = worst + REFERENCE_MARGIN * (worst - best)
    found = np.array([costs[schedule] for schedule in order])
    volumes = [moocore.hypervolume(found[: k + 1], ref=reference) for k in range(len(found))]
    shares: NDArray[np.float64] = np.array(volumes) / moocore.hypervolume(everything, ref=reference)
    return shares


def measure(table_of: Callable[[int], Table], arguments: argparse.Namespace, index: int) -> dict[str, Any]:
    """Return, for each method, quartiles of the share after k trials, and the median trials to 95 and 99 %.

    Args:
        table_of: The table of a seed.
        arguments: Of the command line.
        index: Of the kind of table, so that no two kinds are searched with the same chance.
    """
    n_schedules = len(table_of(0))
    n_trials = min(arguments.trials, n_schedules)
    steps = sorted({k for k in (3, 5, 7, 10, 15, 20, 30, 50, 100) if k < n_trials} | {n_trials})
    figures: dict[str, Any] = {"n_schedules": n_schedules, "methods": {}}
    for method in ("random", "ends+random", *METHODS):
        shares = np.array(
            [
                hypervolume_shares(table, search(method, table, n_trials, _seed(index, seed, draw), arguments.lag))
                for seed in range(arguments.seeds)
                for table in [table_of(seed)]
                for draw in range(1 if method in METHODS else N_DRAWS)
            ]
        )
        figures["methods"][method] = {
            "share": {
                str(k): {name: float(np.quantile(shares[:, k - 1], q)) for name, q in QUARTILES.items()} for k in steps
            },
            **{f"trials_to_{target:.0%}".rstrip("%"): _trials_to(target, shares) for target in TARGETS},
        }
    return figures


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _trials_to(target: float, shares: NDArray[np.float64]) -> float | None:
    """Return the median number of trials to a share, None where half of the searches or more end before."""
    first = np.where((shares >= target).any(axis=1), (shares >= target).argmax(axis=1) + 1.0, np.inf)
    median = float(np.median(first))
    return median if np.isfinite(median) else None


def _print(figures: dict[str, Any]) -> None:
    settings = figures["settings"]
    print(
        f"share of the whole front's hypervolume in %, median [quartiles] of {settings['seeds']} searches, "
        f"{N_DRAWS} times as many draws, {settings['lag']} at a time, Optuna {figures['versions']['optuna']}"
    )
    for name, table in figures["tables"].items():
        print(f"{name}, {table['n_schedules']} schedules")
        steps = list(next(iter(table["methods"].values()))["share"])
        print(f"  {'after k trials':12}" + "".join(f"{k:>18}" for k in steps) + "   trials to 95 %   99 %")
        for method, figure in table["methods"].items():
            cells = "".join(
                f"{100 * s['median']:>5.1f} [{100 * s['q1']:3.0f} {100 * s['q3']:3.0f}]"
                for s in figure["share"].values()
            )
            print(f"  {method:14}{cells}{_count(figure['trials_to_95']):>16}{_count(figure['trials_to_99']):>7}")


def _count(n_trials: float | None) -> str:
    return "more" if n_trials is None else f"{n_trials:g}"


if __name__ == "__main__":
    main()
