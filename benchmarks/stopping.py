"""What early stopping saves and what it stops falsely, replayed over the tables of a fully trained run.

The stopping rules receive the trials of the run as a sweep would have trained them: ``--at-once`` at a time, in random
orders, seed after seed, each epoch as long as it was. A *false stop* is a configuration on the true front of
validation accuracy and training emissions that a rule stopped, or left untrained. Figures are means over the orders.

Run: python -m benchmarks.stopping RUN_DIR --json stopping.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.fronts.pareto import Costs, hypervolume, is_nondominated
from analysis.runs.load import AnalysisError
from benchmarks.support.stopping_replay import Ended, Recorded, read_grid, replay
from lwq_tune.formatting import format_columns
from lwq_tune.sweep.stopping.dominance import accuracy_bound
from lwq_tune.sweep.stopping.settings import Dominance, Stopping, check_stopping

Case = Mapping[str, Mapping[str, float]]

CASES: list[Case] = [
    *({"asha": {"grace_epochs": grace, "reduction_factor": eta}} for grace in (1, 2, 4) for eta in (2, 3)),
    *({"dominance": {"optimism": optimism}} for optimism in (0.0, 0.25, 0.5, 1.0)),
    {"dominance": {"optimism": 0.0, "margin": 0.0}},
    *({"plateau": {"epochs": epochs}} for epochs in (2, 3, 5, 10)),
    *({"target": {"val_accuracy": target}} for target in (0.8, 0.9, 0.95)),
    *({"marginal": {"last": 5, "min_hypervolume_per_kg": least}} for least in (0.001, 0.003, 0.01)),
    {"asha": {}, "dominance": {}},
]
EMISSIONS_FRONT = ("val_accuracy", "emissions_kg_co2eq")
REFERENCE_FACTOR = 1.1

Points = dict[str, tuple[float, float]]  # mean validation accuracy and mean emissions in kg, by configuration


def main() -> None:
    """Replay, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping", description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="trials at a time (default 2)")
    parser.add_argument("--orders", type=int, default=20, metavar="N", help="random orders (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the orders (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if min(arguments.at_once, arguments.orders) < 1:
        parser.error(f"--at-once and --orders must be at least 1, got {arguments.at_once} and {arguments.orders}")
    try:
        trials = read_grid(arguments.run_dir)
    except AnalysisError as error:
        parser.error(str(error))
    figures = {
        "run": arguments.run_dir.resolve().name,
        **measure(trials, arguments.at_once, arguments.orders, arguments.seed),
    }
    _print(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(trials: Sequence[Recorded], n_at_once: int, n_orders: int, seed: int) -> dict[str, Any]:
    """Return the figures of every case that can act on trials of this length."""
    n_epochs = max(len(trial.time_s) for trial in trials)
    cases = []
    for case in CASES:
        stopping = Stopping.model_validate(case)
        if not check_stopping(stopping, n_epochs, EMISSIONS_FRONT):
            cases.append({"rules": case, **judge(trials, stopping, n_at_once, n_orders, seed)})
    truth = true_points(trials)
    return {
        "n_trials": len(trials),
        "n_configurations": len(truth),
        "n_epochs": n_epochs,
        "front": front(truth),
        "settings": {"at_once": n_at_once, "orders": n_orders, "seed": seed},
        "cases": cases,
    }


def judge(trials: Sequence[Recorded], stopping: Stopping, n_at_once: int, n_orders: int, seed: int) -> dict[str, Any]:
    """Return what some rules save and lose, means over the orders; of false stops also the most, and which."""
    truth = true_points(trials)
    reference = np.array([0.0, REFERENCE_FACTOR * max(kg for _, kg in truth.values())])
    whole = hypervolume(_costs(truth), reference)
    whole_kg = sum(trial.emissions_kg[-1] for trial in trials)
    figures: dict[str, list[float]] = defaultdict(list)
    false_stops: Counter[str] = Counter()
    for order in range(n_orders):
        ends = replay(trials, stopping, n_at_once, random.Random(f"{seed} {order}"))  # noqa: S311 (an order)
        stopped, left_out = (
            {trial.configuration for trial in trials if ends[trial.key].status == status}
            for status in ("stopped", "left_out")
        )
        missed = set(front(truth)) & (stopped | left_out)
        false_stops.update(missed)
        left = hypervolume(_costs(points(trials, ends)), reference)
        figures["emissions_saved"].append(1 - emitted_kg(trials, ends) / whole_kg)
        figures["stopped"].append(len(stopped))
        figures["left_out"].append(len(left_out - stopped))
        figures["ended_early"].append(sum(_is_ended_early(trial, ends[trial.key]) for trial in trials))
        figures["false_stops"].append(len(missed))
        figures["hypervolume_lost"].append(1 - left / whole)
    return {
        **{name: statistics.fmean(values) for name, values in figures.items()},
        "most_false_stops": int(max(figures["false_stops"])),
        "false_stops_of": dict(false_stops.most_common()),
        "trials_beyond_bound": None if stopping.dominance is None else count_beyond(trials, stopping.dominance),
    }


def count_beyond(trials: Iterable[Recorded], dominance: Dominance) -> int:
    """Return how many trials ended above a bound that they had had, which dominance stopping assumes of none."""
    n_beyond = 0
    for trial in trials:
        n_epochs, best = len(trial.val_accuracy), list(itertools.accumulate(trial.val_accuracy, max))
        bounds = (
            accuracy_bound(best[epoch - 1], epoch, n_epochs, optimism=dominance.optimism, margin=dominance.margin)
            for epoch in range(dominance.grace_epochs, n_epochs)
        )
        n_beyond += trial.val_accuracy[-1] > min(bounds, default=1.0)
    return n_beyond


def true_points(trials: Iterable[Recorded]) -> Points:
    """Return the points of all configurations, trained to their end."""
    everything = list(trials)
    return points(everything, {trial.key: Ended(len(trial.time_s)) for trial in everything})


def points(trials: Iterable[Recorded], ends: Mapping[str, Ended]) -> Points:
    """Return the points of the configurations whose seeds all count as done, each where its trials ended."""
    finals: dict[str, list[tuple[float, float]]] = defaultdict(list)
    missing = set()
    for trial in trials:
        end = ends[trial.key]
        if end.status == "done":
            last = end.n_epochs - 1
            finals[trial.configuration].append((trial.val_accuracy[last], trial.emissions_kg[last]))
        else:
            missing.add(trial.configuration)
    return {
        name: (statistics.fmean(accuracy for accuracy, _ in pairs), statistics.fmean(kg for _, kg in pairs))
        for name, pairs in finals.items()
        if name not in missing
    }


def front(candidates: Points) -> list[str]:
    """Return the configurations that no other dominates."""
    return list(itertools.compress(candidates, is_nondominated(_costs(candidates))))


def emitted_kg(trials: Iterable[Recorded], ends: Mapping[str, Ended]) -> float:
    """Return the training emissions of all epochs that were trained, kg CO2eq."""
    trained = ((trial, ends[trial.key].n_epochs) for trial in trials)
    return sum(trial.emissions_kg[n_epochs - 1] for trial, n_epochs in trained if n_epochs)


def _costs(candidates: Points) -> Costs:
    return np.array([(-accuracy, kg) for accuracy, kg in candidates.values()]).reshape(-1, 2)


def _is_ended_early(trial: Recorded, end: Ended) -> bool:
    return end.status == "done" and end.n_epochs < len(trial.time_s)


def _print(figures: dict[str, Any]) -> None:
    settings = figures["settings"]
    print(
        f"{figures['run']}: {figures['n_trials']} trials of {figures['n_configurations']} configurations, up to "
        f"{figures['n_epochs']} epochs; {settings['orders']} orders, {settings['at_once']} at a time"
    )
    print(f"front of validation accuracy and training emissions: {', '.join(figures['front'])}")
    header = ["rule", "settings", "beyond", "saved", "stopped", "left out", "ended", "false", "most", "hv lost"]
    print(format_columns(header, [_cells(case) for case in figures["cases"]]))
    print(
        "saved: share of training emissions; stopped, left out, false: configurations, mean over the orders, most in "
        "one;\nended: trials that count as done before their last epoch; beyond: trials that ended above a bound that "
        "they had had;\nhv lost: share of the true front's hypervolume, from accuracy 0 and 1.1 times the dearest "
        "emissions; below 0 where\ntrials that ended early emitted less for nearly the same accuracy"
    )


def _cells(case: dict[str, Any]) -> list[str]:
    rules: Case = case["rules"]
    beyond = case["trials_beyond_bound"]
    return [
        "+".join(rules),
        " ".join(f"{key}={value:g}" for values in rules.values() for key, value in values.items()) or "defaults",
        "-" if beyond is None else str(beyond),
        f"{100 * case['emissions_saved']:.1f} %",
        *(f"{case[name]:.1f}" for name in ("stopped", "left_out", "ended_early")),
        f"{case['false_stops']:.2f}",
        str(case["most_false_stops"]),
        f"{100 * case['hypervolume_lost']:.2f} %",
    ]


if __name__ == "__main__":
    main()
