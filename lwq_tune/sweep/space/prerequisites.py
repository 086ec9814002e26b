"""Which trials others start from: found, added to a sweep, put in order. No torch, no Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from lwq_tune.config.trial import TrialConfig


def never(trial: TrialConfig) -> bool:
    """Return that no trial has been trained elsewhere."""
    return False


def with_initial_trials(
    listed: Iterable[TrialConfig], is_trained: Callable[[TrialConfig], bool] = never
) -> tuple[TrialConfig, ...]:
    """Return ``listed`` and every trial that one of them starts from, each once, each after its initial trial.

    Args:
        listed: Trials of a search space.
        is_trained: Whether a trial is there already; what it started from is then not needed.
    """
    by_key = {trial.trial_key: trial for trial in listed}
    waiting = deque(by_key.values())
    while waiting:
        initial = waiting.popleft().initial
        if initial is not None and initial.trial_key not in by_key and not is_trained(initial):
            by_key[initial.trial_key] = initial
            waiting.append(initial)
    return tuple(trial for wave in waves(by_key) for trial in wave.values())


def waves(trials: Mapping[str, TrialConfig]) -> list[dict[str, TrialConfig]]:
    """Return the trials in waves: each starts from trials of earlier waves, or from none of these trials."""
    levels: dict[str, int] = {}

    def level(key: str) -> int:
        if key not in levels:
            initial = trials[key].initial
            initial_key = None if initial is None else initial.trial_key
            levels[key] = 0 if initial_key not in trials else level(str(initial_key)) + 1
        return levels[key]

    found: list[dict[str, TrialConfig]] = []
    for key, trial in trials.items():
        while len(found) <= level(key):
            found.append({})
        found[level(key)][key] = trial
    return found


def n_together(trials: Mapping[str, TrialConfig]) -> dict[str, int]:
    """Return, for each trial, how many are in its wave."""
    return {key: len(wave) for wave in waves(trials) for key in wave}


def initial_keys(listed: Sequence[TrialConfig], trials: Iterable[TrialConfig]) -> frozenset[str]:
    """Return the keys of the trials that are there only because listed ones start from them."""
    asked_for = {trial.trial_key for trial in listed}
    return frozenset(trial.trial_key for trial in trials) - asked_for
