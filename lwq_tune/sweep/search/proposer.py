"""Which schedule a search trains next: Optuna, called in an order that the outcomes determine. No torch, no Ray.

Both objectives of `Outcome` are used as they are and not combined into one figure. ``tpe`` is the multi-objective
tree-structured Parzen estimator (Ozaki et al. 2022, J. Artif. Intell. Res. 73), ``nsga2`` the genetic algorithm of
Deb et al. 2002. ``python -m benchmarks.search`` measures what either gains over a random draw.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, get_args

from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.sweep.space.candidates import Candidates

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler

Method = Literal["tpe", "nsga2"]

N_STARTUP = 5
GOOD_SHARE = 0.2
ASKS_PER_PROPOSAL = 5
MIN_POPULATION, MAX_POPULATION = 4, 50


class Pause(Enum):
    """Why there is no next schedule.

    Attributes:
        WAITING: The next proposal depends on an outcome that is not known yet.
        EXHAUSTED: All proposals have been made.
    """

    WAITING = "waiting"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a schedule, for a search.

    Attributes:
        val_accuracy: Mean over seeds, a fraction; more is better.
        emissions_kg_co2eq: Mean over seeds of what a trial of full length emits; less is better.

    Raises:
        ValueError: A figure is not finite.
    """

    val_accuracy: float
    emissions_kg_co2eq: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.val_accuracy) and math.isfinite(self.emissions_kg_co2eq)):
            raise ValueError(f"an outcome must hold finite figures, got {self}; give None for a trial that failed")


Outcomes = Mapping[BitWidths, Outcome | None]


class Proposer:
    """Propose schedules, each once, as a pure function of the arguments and of the outcomes so far.

    Proposal k (from 0) depends on the outcomes of proposals 0 to k - lag, passed to Optuna in that order, and no other.
    A search is therefore replayed by a new `Proposer` with the same arguments that is given the outcomes in the results
    table: it makes the same proposals again, whatever the order in which trials ended. The first two are the
    candidates of the fewest and of the most bits, the usual ends of a front. Where Optuna proposes what was proposed
    before, it is asked again, `ASKS_PER_PROPOSAL` times in all; then, and where it proposes what is no candidate, the
    closest candidate left is taken, and Optuna is told of that one.

    Args:
        method: Which of Optuna's samplers proposes.
        candidates: Schedules that may be trained; they need not be listed.
        n_trials: How many schedules to propose; fewer where fewer candidates are left.
        seed: Of the sampler and of ties.
        lag: Trials that run at a time. At 1 every proposal depends on all outcomes before it.
        known: Outcomes of schedules that were trained before the search began, None where the trial failed; they are
            passed to Optuna first and never proposed. Outcomes outside the candidates' bit-widths are left out.
        population: Individuals per generation of ``nsga2``; default `default_population`.

    Raises:
        ValueError: The method is none, or a number is too small.
    """

    def __init__(
        self,
        method: Method,
        candidates: Candidates,
        n_trials: int,
        seed: int,
        lag: int = 1,
        known: Outcomes | None = None,
        population: int | None = None,
    ) -> None:
        import optuna

        _check(method, n_trials, lag)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else every study and trial is a line on stderr
        known = known or {}
        self.lag = lag
        self._candidates = candidates
        self._choices = candidates.choices
        self._taken = set(known)
        self._ends = candidates.ends(self._taken)
        self._n_proposals = candidates.count_left(self._taken, n_trials)
        self._proposals: list[tuple[BitWidths, Trial]] = []
        self._random = random.Random(seed)  # noqa: S311 (ties, no secret)
        self._sampler = _sampler(method, seed, population, self._n_proposals)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=self._sampler)
        for bit_widths in sorted(known):
            if len(bit_widths) == len(self._choices) and all(
                bits in choices for choices, bits in zip(self._choices, bit_widths, strict=True)
            ):
                self._tell(self._place(bit_widths), known[bit_widths])

    def next(self, outcomes: Outcomes) -> BitWidths | Pause:
        """Return the next proposal, or why there is none.

        Args:
            outcomes: Outcomes of all schedules that have been trained, None if the trial failed.
        """
        if len(self._proposals) == self._n_proposals:
            return Pause.EXHAUSTED
        due = len(self._proposals) - self.lag
        if due >= 0:
            bit_widths, trial = self._proposals[due]
            if bit_widths not in outcomes:
                return Pause.WAITING
            self._tell(trial, outcomes[bit_widths])
        bit_widths, trial = self._ask()
        self._taken.add(bit_widths)
        self._proposals.append((bit_widths, trial))
        return bit_widths

    def _ask(self) -> tuple[BitWidths, Trial]:
        """Return a schedule that is left, and Optuna's trial of it."""
        from optuna.trial import TrialState

        if self._ends:
            bit_widths = self._ends.pop(0)
            return bit_widths, self._place(bit_widths)
        for _ in range(ASKS_PER_PROPOSAL):
            trial = self._ask_optuna()
            bit_widths = tuple(
                choices[trial.params[f"stage{stage}"]] for stage, choices in enumerate(self._choices, start=1)
            )
            is_candidate = bit_widths in self._candidates
            if is_candidate and bit_widths not in self._taken:
                return bit_widths, trial
            # As a failed trial it leaves no mark on the sampler but the state of its generator.
            self._study.tell(trial, state=TrialState.FAIL)
            if not is_candidate:
                break
        closest = self._candidates.closest(bit_widths, self._taken, self._random)
        if closest is None:
            raise RuntimeError(f"a search ends once no candidate is left, {len(self._proposals)} were proposed")
        return closest, self._place(closest)

    def _place(self, bit_widths: BitWidths) -> Trial:
        """Return Optuna's trial of a schedule that it did not choose itself."""
        from optuna.samplers import BaseGASampler

        indices = (choices.index(bits) for choices, bits in zip(self._choices, bit_widths, strict=True))
        self._study.enqueue_trial({f"stage{stage}": index for stage, index in enumerate(indices, start=1)})
        trial = self._ask_optuna()
        if isinstance(self._sampler, BaseGASampler):
            # Else an enqueued trial is of no generation, and never a parent (Optuna 5.0).
            self._sampler.get_trial_generation(self._study, self._study.get_trials(deepcopy=False)[-1])
        return trial

    def _ask_optuna(self) -> Trial:
        from optuna.distributions import IntDistribution

        return self._study.ask(
            {f"stage{stage}": IntDistribution(0, len(choices) - 1) for stage, choices in enumerate(self._choices, 1)}
        )

    def _tell(self, trial: Trial, outcome: Outcome | None) -> None:
        from optuna.trial import TrialState

        if outcome is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, [outcome.val_accuracy, outcome.emissions_kg_co2eq])


def default_population(n_trials: int) -> int:
    """Return the individuals per generation: few, so that a short search has generations too.

    Of 4, 8, 12, 20 and 30, 4 did best with 10 to 14 trials and 8 with 20 to 60; beyond, 8 generations are a guess.
    """
    return min(MAX_POPULATION, max(MIN_POPULATION, min(8, n_trials // 3), n_trials // 8))


def _sampler(method: Method, seed: int, population: int | None, n_trials: int) -> BaseSampler:
    """Return Optuna's sampler. The settings are those that did best in ``benchmarks.search``."""
    from optuna.samplers import NSGAIISampler, TPESampler

    if method == "tpe":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # gamma goes with Optuna 6
            return TPESampler(seed=seed, n_startup_trials=N_STARTUP, multivariate=True, gamma=_n_good)
    return NSGAIISampler(seed=seed, population_size=population or default_population(n_trials))


def _n_good(n_trials: int) -> int:
    """Return how many trials count as good ones: Optuna's tenth is a single one of the first ten."""
    return math.ceil(GOOD_SHARE * n_trials)


def _check(method: str, n_trials: int, lag: int) -> None:
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    if n_trials < 1 or lag < 1:
        raise ValueError(f"n_trials and lag must be at least 1, got {n_trials} and {lag}")
