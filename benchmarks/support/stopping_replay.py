"""Replays the recorded trials of a fully trained run to the stopping rules, as a sweep would have trained them."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.runs.keys import configuration_keys
from analysis.runs.load import AnalysisError, load_run
from lwq_tune.sweep.stopping.rules import StopRules
from lwq_tune.sweep.stopping.settings import Stopping

CURVES = ["epoch_time_s", "val_accuracy", "cumulative_emissions_kg_co2eq"]


@dataclass(frozen=True)
class Recorded:
    """A trial as it was trained to its end; one entry per epoch.

    Attributes:
        key: Its trial key.
        configuration: What it shares with its replicates.
        seed: Its seed.
        is_exempt: Whether other trials start from it, so that no rule receives it.
        time_s: Length of each epoch.
        val_accuracy: After each epoch.
        emissions_kg: Training emissions up to each epoch, kg CO2eq.
    """

    key: str
    configuration: str
    seed: int
    is_exempt: bool
    time_s: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    emissions_kg: tuple[float, ...]


@dataclass(frozen=True)
class Ended:
    """How a trial ends in a replay.

    Attributes:
        n_epochs: Epochs that it was trained.
        status: ``done``, ``stopped`` by a rule or with another seed, or ``left_out`` at the end of the sweep.
    """

    n_epochs: int
    status: str = "done"


def read_grid(run_dir: Path) -> list[Recorded]:
    """Return the trials of a run.

    Raises:
        AnalysisError: It cannot be read, or a trial of it was not trained to its end with measured emissions.
    """
    runs = load_run(run_dir)
    epochs = dict(iter(runs.epochs.sort_values("epoch").groupby("trial_key")[CURVES]))
    names = _configuration_names(runs.trials)
    starts = set(runs.trials["init_trial_key"].dropna())
    grid = []
    for name, trial in zip(names, runs.trials.to_dict("records"), strict=True):
        n_epochs = 1 if trial["config_mode"] == "ptq" else trial["config_epochs"]
        curves = epochs.get(trial["trial_key"], pd.DataFrame(columns=CURVES))
        if trial["status"] != "done" or len(curves) < n_epochs or curves.isna().any(axis=None):
            raise AnalysisError(
                "rules are measured on trials that were trained to their end, with emissions, "
                f"{trial['trial_key']} of {run_dir} ({trial['status']}, {len(curves)} of {n_epochs} epochs) was not; "
                "train the whole space without stopping rules"
            )
        time_s, accuracy, kg = (tuple(map(float, curves[column])) for column in CURVES)
        key = trial["trial_key"]
        grid.append(Recorded(key, name, trial["config_seed"], key in starts, time_s, accuracy, kg))
    return grid


def _configuration_names(trials: pd.DataFrame) -> list[str]:
    """Return the schedule of each trial, with a number where a schedule is that of several configurations."""
    numbers = trials.groupby(configuration_keys(trials), sort=False, dropna=False).ngroup()
    if numbers.nunique() == trials["schedule"].nunique():
        return list(trials["schedule"])
    return [f"{schedule} #{number}" for schedule, number in zip(trials["schedule"], numbers, strict=True)]


def replay(trials: Iterable[Recorded], stopping: Stopping, n_at_once: int, chance: random.Random) -> dict[str, Ended]:
    """Return how each trial ends when the rules watch, by key.

    Seed after seed, each in a random order, as a sweep goes through its space; epochs take the time that they took.
    """
    ordered = sorted(trials, key=lambda trial: (trial.seed, chance.random()))
    waiting = deque(ordered)
    rules = StopRules(stopping, n_seeds=len({trial.seed for trial in ordered}))
    ends: dict[str, Ended] = {}
    running: list[tuple[float, int, Recorded, int]] = []
    numbers = itertools.count()
    now_s = 0.0
    while waiting or running:
        while waiting and len(running) < n_at_once:
            trial = waiting.popleft()
            if rules.should_end_sweep() is not None:
                ends[trial.key] = Ended(0, "left_out")
            elif rules.is_stopped(trial.configuration):
                ends[trial.key] = Ended(0, "stopped")
            else:
                heapq.heappush(running, (now_s + trial.time_s[0], next(numbers), trial, 1))
        if not running:
            break
        now_s, _, trial, epoch = heapq.heappop(running)
        end = _replay_epoch(rules, trial, epoch)
        if end is None:
            heapq.heappush(running, (now_s + trial.time_s[epoch], next(numbers), trial, epoch + 1))
        else:
            ends[trial.key] = end
    return ends


def _replay_epoch(rules: StopRules, trial: Recorded, epoch: int) -> Ended | None:
    """Pass an epoch to the rules, and the trial's end if it is the last."""
    n_epochs = len(trial.time_s)
    if trial.is_exempt:
        return Ended(epoch) if epoch == n_epochs else None
    kg = trial.emissions_kg[epoch - 1]
    decision = rules.add_epoch(trial.key, trial.configuration, epoch, n_epochs, trial.val_accuracy[epoch - 1], kg)
    if decision is None and epoch < n_epochs:
        return None
    is_stopped = decision is not None and not decision.is_end
    rules.end_trial(trial.key, trial.configuration, "stopped" if is_stopped else "done")
    return Ended(epoch, "stopped" if is_stopped else "done")
