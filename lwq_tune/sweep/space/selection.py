"""Which trials of a space are trained: those within its limits, all, a random draw, or what a search proposes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.sweep.space.candidates import Candidates, CostLimits, ListedCandidates, SampledCandidates
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
    given = {name.removeprefix("max_"): limit for name, limit in space.limits.model_dump().items() if limit is not None}
    limits = CostLimits(given, lambda bit_widths: costs_of(space.trials_of(bit_widths)[0]))
    if space.search.trials is None:
        return _with_schedules(space, _within_limits(space, limits))
    candidates = _find_candidates(space, limits)
    n_found = 0 if candidates is None else candidates.count_left((), at_most=space.search.trials)
    if candidates is None or n_found < space.search.trials:
        takes_all = "; method: grid takes them all" if space.unlisted is None else ""
        raise ConfigError(
            f"search.trials must be at most {n_found}, the schedules of bit_widths within the limits, got "
            f"{space.search.trials}{takes_all}"
        )
    if space.search.is_adaptive:
        return _with_candidates(space, candidates)
    return _with_schedules(space, candidates.draw(space.search.trials, space.search.seed))


def _find_candidates(space: SearchSpace, limits: CostLimits) -> Candidates | None:
    """Return the schedules of ``bit_widths`` within the limits, None where there is none but listed ones."""
    if space.unlisted is not None:
        return SampledCandidates(space.unlisted, limits, excluded=space.listed)
    within = _within_limits(space, limits)
    return ListedCandidates(within) if within else None


def _within_limits(space: SearchSpace, limits: CostLimits) -> list[BitWidths]:
    """Return the schedules of ``bit_widths`` within the limits where they are among the trials of the space."""
    offered = dict.fromkeys(trial.bit_widths for trial in space.trials if trial.bit_widths not in space.listed)
    within = [bit_widths for bit_widths in offered if limits.allow(bit_widths)]
    if offered and not within:
        raise limits.nothing_within(offered)
    return within


def _with_candidates(space: SearchSpace, candidates: Candidates) -> SearchSpace:
    if space.base.init_from == "progressive":
        raise ConfigError(
            f"search.method: {space.search.method} needs trials that start from scratch or from full precision, "
            "got init_from: progressive, whose initial trials differ by schedule; use grid or random"
        )
    listed = tuple(trial for trial in space.trials if trial.bit_widths in space.listed)
    return replace(space, trials=listed, candidates=candidates)


def _with_schedules(space: SearchSpace, schedules: Collection[BitWidths]) -> SearchSpace:
    """Return the space with the trials of listed schedules and of these."""
    if space.unlisted is None:
        kept = {*space.listed, *schedules}
        return replace(space, trials=tuple(trial for trial in space.trials if trial.bit_widths in kept))
    drawn = [trial for bit_widths in sorted(schedules) for trial in space.trials_of(bit_widths)]
    in_order = [trial for seed in space.seeds for trial in (*space.trials, *drawn) if trial.seed == seed]
    return replace(space, trials=tuple(in_order))
