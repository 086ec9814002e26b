"""Sweeps as the stop rules are told of them: trials, at random, crashes among them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from lwq_tune.sweep.stopping.rules import Decision, StopRules
from lwq_tune.sweep.stopping.settings import Asha, Dominance, Marginal, Plateau, Stopping, Target

EVERY_RULE = Stopping(
    asha=Asha(),
    dominance=Dominance(optimism=0.3),
    plateau=Plateau(epochs=3, min_gain=0.01),
    target=Target(val_accuracy=0.9),
    marginal=Marginal(last=2, min_hypervolume_per_kg=0.05),
)
Curve = Sequence[tuple[float, float | None]]  # accuracy after each epoch, emissions up to it
Grid = dict[str, dict[str, Curve]]  # by configuration and trial


CRASHES = st.sampled_from([0.0, 0.2])


def train(rules: StopRules, curve: Curve, key: str = "trial", configuration: str = "c") -> Decision | None:
    """Tell of a trial and its end, and return the decision that ended it early."""
    for epoch, (accuracy, kg) in enumerate(curve, start=1):
        decision = rules.add_epoch(key, configuration, epoch, len(curve), accuracy, kg)
        if decision is not None:
            rules.end_trial(key, configuration, "done" if decision.is_end else "stopped")
            return decision
    rules.end_trial(key, configuration, "done")
    return None


def steady(accuracies: Sequence[float], kg: float | None = 1.0) -> Curve:
    """Return a curve that emits ``kg`` in each epoch."""
    return [(accuracy, None if kg is None else kg * epoch) for epoch, accuracy in enumerate(accuracies, start=1)]


@dataclass
class Told:
    """A sweep as the rules were told of it."""

    grid: Grid
    events: list[tuple[Any, ...]] = field(default_factory=list)
    decisions: list[Decision | None] = field(default_factory=list)
    verdicts: list[str | None] = field(default_factory=list)
    ended: dict[str, Decision] = field(default_factory=dict)  # by trial


def run_sweep(rules: StopRules, grid: Grid, n_slots: int, chance: random.Random, crash_rate: float = 0.0) -> Told:
    """Train a grid, ``n_slots`` trials at a time, an epoch of a random one after the other, some of them twice."""
    told = Told(grid)
    waiting = [(configuration, key) for configuration, trials in grid.items() for key in trials]
    chance.shuffle(waiting)
    running: list[list[Any]] = []  # configuration, trial, epochs done
    while waiting or running:
        while waiting and len(running) < n_slots:
            running.append([*waiting.pop(), 0])
        slot = chance.choice(running)
        configuration, key, epoch = slot
        curve = grid[configuration][key]
        if epoch and chance.random() < crash_rate:  # an epoch is lost, and trained again; some trials fail for good
            slot[2] -= 1
            if chance.random() < 0.3:
                tell(rules, told, ("end", key, configuration, "failed"))
            continue
        event = ("epoch", key, configuration, epoch + 1, len(curve), *curve[epoch])
        decision = tell(rules, told, event)
        slot[2] += 1
        if decision is not None or slot[2] == len(curve):
            status = "done" if decision is None or decision.is_end else "stopped"
            tell(rules, told, ("end", key, configuration, status))
            running.remove(slot)
            if decision is not None:
                told.ended[key] = decision
    return told


def tell(rules: StopRules, told: Told, event: tuple[Any, ...]) -> Decision | None:
    kind, *values = event
    decision = rules.add_epoch(*values) if kind == "epoch" else rules.end_trial(*values)
    told.events.append(event)
    told.decisions.append(decision)
    told.verdicts.append(rules.should_end_sweep())
    return decision


@st.composite
def grids(draw: st.DrawFn) -> tuple[Grid, int]:
    """Return trials of 1 to 3 seeds with any accuracies and growing emissions."""
    n_seeds, n_epochs = draw(st.integers(1, 3)), draw(st.integers(1, 8))
    curve = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=n_epochs, max_size=n_epochs)
    grid: Grid = {}
    for number in range(draw(st.integers(2, 8))):
        for seed in range(n_seeds):
            total, points = 0.0, []
            for accuracy, kg in draw(curve):
                total += kg
                points.append((accuracy, total))
            grid.setdefault(f"c{number}", {})[f"c{number}s{seed}"] = points
    return grid, n_seeds
