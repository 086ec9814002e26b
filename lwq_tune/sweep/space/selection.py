"""Which trials of a space are trained: those within its limits, all, a random draw, or what a search proposes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.sweep.space.search_space import SearchSpace


def select_trials(space: SearchSpace, costs_of: Callable[[TrialConfig], ModelCosts]) -> SearchSpace:
    """Return a space without the trials that its limits and its search leave out.

    Listed schedules stay. Of the others those that cost too much go, and of the rest a random search draws without
    replacement; every schedule keeps all its seeds. What an adaptive search may propose becomes the candidates.

    Args:
        space: A whole space.
        costs_of: Modelled inference costs of a trial.

    Raises:
        ConfigError: Nothing but listed schedules is within the limits, or fewer than are to be drawn.
    """
    first_of: dict[BitWidths, TrialConfig] = {}
    for trial in space.trials:
        first_of.setdefault(trial.bit_widths, trial)
    offered = {bit_widths: trial for bit_widths, trial in first_of.items() if bit_widths not in space.listed}
    within = _within_limits(space, {bit_widths: costs_of(trial) for bit_widths, trial in offered.items()})
    drawn = _draw(space, within)
    if space.search.is_adaptive:
        return _with_candidates(space, drawn)
    kept = {*space.listed, *drawn}
    return replace(space, trials=tuple(trial for trial in space.trials if trial.bit_widths in kept))


def _with_candidates(space: SearchSpace, within: list[BitWidths]) -> SearchSpace:
    if any(trial.init_from == "progressive" for trial in space.trials):
        raise ConfigError(
            f"search.method: {space.search.method} needs trials that start from scratch or from full precision, "
            "got init_from: progressive, whose initial trials differ by schedule; use grid or random"
        )
    candidates: dict[BitWidths, list[TrialConfig]] = {bit_widths: [] for bit_widths in sorted(within)}
    for trial in space.trials:
        if trial.bit_widths in candidates:
            candidates[trial.bit_widths].append(trial)
    return replace(
        space,
        trials=tuple(trial for trial in space.trials if trial.bit_widths in space.listed),
        candidates={bit_widths: tuple(trials) for bit_widths, trials in candidates.items()},
    )


def _within_limits(space: SearchSpace, costs: dict[BitWidths, ModelCosts]) -> list[BitWidths]:
    limits = {
        name.removeprefix("max_"): limit for name, limit in space.limits.model_dump().items() if limit is not None
    }
    within = [
        bit_widths
        for bit_widths, cost in costs.items()
        if all(getattr(cost, name) <= limit for name, limit in limits.items())
    ]
    if costs and not within:
        least = ", ".join(
            f"max_{name}: {limit:g} (the least is {min(getattr(cost, name) for cost in costs.values()):g})"
            for name, limit in limits.items()
        )
        raise ConfigError(f"limits must leave a schedule of bit_widths, none is within {least}")
    return within


def _draw(space: SearchSpace, within: list[BitWidths]) -> list[BitWidths]:
    search = space.search
    if search.method == "grid" or search.trials is None:
        return within
    if search.trials > len(within):
        raise ConfigError(
            f"search.trials must be at most {len(within)}, the schedules of bit_widths within the limits, got "
            f"{search.trials}; method: grid takes them all"
        )
    if search.is_adaptive:
        return within
    return random.Random(search.seed).sample(sorted(within), search.trials)  # noqa: S311 (a draw, no secret)
