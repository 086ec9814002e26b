"""The rules that stop trials and sweeps early; they receive each epoch and each end. Pure: no torch, no Ray, no clock.

Their state is a function of what they received, in order. So a resumed sweep, which replays its tables, decides like an
uninterrupted one. A call costs O(log n) of the n trials so far, and O(front) where a configuration finishes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from lwq_tune.sweep.stopping.asha import Rungs
from lwq_tune.sweep.stopping.dominance import judge_dominance
from lwq_tune.sweep.stopping.front import Front, Point
from lwq_tune.sweep.stopping.history import ConfigurationHistory, TrialHistory
from lwq_tune.sweep.stopping.marginal import MarginalGain
from lwq_tune.sweep.stopping.settings import Stopping

EndStatus = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class Decision:
    """The decision that a trial ends now.

    Attributes:
        rule: ``target``, ``plateau``, ``asha``, ``dominance``, or ``replicate``: another of its seeds was stopped.
        reason: One sentence with the figures.
        is_end: Whether the trial counts as done, since its protocol ends there; if not, it counts as stopped.
    """

    rule: str
    reason: str
    is_end: bool


class StopRules:
    """The rules of a sweep.

    They receive nothing about trials that others start from: if one were stopped, the others could not start.

    Args:
        settings: Which rules, and how strict.
        n_seeds: Trials of each configuration, one per seed; it is finished when all are done.
    """

    def __init__(self, settings: Stopping, n_seeds: int) -> None:
        self._settings = settings
        self._n_seeds = n_seeds
        self._configurations: dict[Hashable, ConfigurationHistory] = {}
        self._decisions: dict[str, Decision] = {}
        self._rungs = (
            None if settings.asha is None else Rungs(settings.asha.grace_epochs, settings.asha.reduction_factor)
        )
        self._front = Front()
        self._marginal = None if settings.marginal is None else MarginalGain(settings.marginal)

    def add_epoch(
        self,
        trial_key: str,
        configuration: Hashable,
        epoch: int,
        n_epochs: int,
        val_accuracy: float,
        cumulative_emissions_kg: float | None,
    ) -> Decision | None:
        """Add an epoch and return the decision that its trial ends now, None if it continues.

        An epoch that was trained again after a crash does not count again; its accuracy and emissions replace the
        former, as in the tables. A decision stays: later epochs of the trial return it again.

        Args:
            trial_key: The trial.
            configuration: What it shares with its replicates alone; reasons name it by its ``str``.
            epoch: Epochs done, from 1.
            n_epochs: Epochs of the whole trial; no rule acts after the last.
            val_accuracy: After this epoch, a fraction.
            cumulative_emissions_kg: Training emissions up to this epoch, kg CO2eq; None where not measured.

        Raises:
            ValueError: A configuration has more trials than seeds.
        """
        found, trial = self._find(trial_key, configuration)
        is_new = epoch > trial.epoch
        trial.status = "running"
        trial.epoch, trial.n_epochs = max(epoch, trial.epoch), n_epochs
        trial.val_accuracy, trial.emissions_kg = val_accuracy, cumulative_emissions_kg
        trial.best = max(trial.best, val_accuracy)
        if is_new and epoch < n_epochs and trial_key not in self._decisions:
            decision = self._decide(found, trial)
            if decision is not None:
                self._decisions[trial_key] = decision
        return self._decisions.get(trial_key)

    def end_trial(self, trial_key: str, configuration: Hashable, status: EndStatus) -> None:
        """Add the end of a trial; a failed one may start again.

        Raises:
            ValueError: A configuration has more trials than seeds.
        """
        found, trial = self._find(trial_key, configuration)
        trial.status = status
        self._charge(trial)
        if status == "stopped":
            found.is_stopped = True
        elif status == "done":
            self._finish(found)

    def decision(self, trial_key: str) -> Decision | None:
        """Return the decision on a trial; after a crash, it may not have been carried out yet."""
        return self._decisions.get(trial_key)

    def is_stopped(self, configuration: Hashable) -> bool:
        """Return whether a trial of a configuration was stopped; its other seeds then need no training."""
        found = self._configurations.get(configuration)
        return found is not None and found.is_stopped

    def should_end_sweep(self) -> str | None:
        """Return why no further trial may start, None if they may."""
        return None if self._marginal is None else self._marginal.verdict

    def _find(self, trial_key: str, configuration: Hashable) -> tuple[ConfigurationHistory, TrialHistory]:
        found = self._configurations.setdefault(configuration, ConfigurationHistory(configuration))
        if trial_key not in found.trials:
            if len(found.trials) == self._n_seeds:
                raise ValueError(
                    f"a configuration has one trial per seed ({self._n_seeds}), got another for {configuration}: "
                    f"{trial_key}; trials that differ in more than the seed need names of their own"
                )
            found.trials[trial_key] = TrialHistory()
        return found, found.trials[trial_key]

    def _decide(self, configuration: ConfigurationHistory, trial: TrialHistory) -> Decision | None:
        """Return the first decision; every rule is asked, so that each rung is entered whatever another rule says."""
        decisions = (
            self._target(trial),
            self._plateau(trial),
            _replicate(configuration),
            self._asha(configuration, trial),
            self._dominance(configuration, trial),
        )
        return next((decision for decision in decisions if decision is not None), None)

    def _target(self, trial: TrialHistory) -> Decision | None:
        target = self._settings.target
        if target is None or trial.val_accuracy < target.val_accuracy:
            return None
        reason = f"val_accuracy {trial.val_accuracy:.4f} at epoch {trial.epoch} reaches {target.val_accuracy:g}"
        return Decision("target", reason, is_end=True)

    def _plateau(self, trial: TrialHistory) -> Decision | None:
        plateau = self._settings.plateau
        if plateau is None:
            return None
        if trial.val_accuracy >= trial.gained + plateau.min_gain:
            trial.gained, trial.gain_epoch = trial.val_accuracy, trial.epoch
        if trial.epoch - trial.gain_epoch < plateau.epochs:
            return None
        reason = (
            f"val_accuracy has not gained {plateau.min_gain:g} on its {trial.gained:.4f} of epoch {trial.gain_epoch} "
            f"in the {plateau.epochs} epochs since"
        )
        return Decision("plateau", reason, is_end=True)

    def _asha(self, configuration: ConfigurationHistory, trial: TrialHistory) -> Decision | None:
        if self._rungs is None or trial.epoch <= configuration.rung or not self._rungs.is_rung(trial.epoch):
            return None
        configuration.rung = trial.epoch
        standing = self._rungs.enter(trial.epoch, trial.val_accuracy)
        if standing.goes_on:
            return None
        reason = (
            f"val_accuracy {trial.val_accuracy:.4f} at epoch {trial.epoch} is below {standing.cutoff:.4f}, the least "
            f"of the best {standing.n_kept} among the {standing.n_arrived} configurations that have reached it"
        )
        return Decision("asha", reason, is_end=False)

    def _dominance(self, configuration: ConfigurationHistory, trial: TrialHistory) -> Decision | None:
        dominance = self._settings.dominance
        if dominance is None:
            return None
        reason = judge_dominance(configuration, trial, self._front, dominance, self._n_seeds)
        return None if reason is None else Decision("dominance", reason, is_end=False)

    def _finish(self, configuration: ConfigurationHistory) -> None:
        """Add a configuration whose seeds are all done to the front."""
        trials = configuration.trials.values()
        if len(trials) < self._n_seeds or any(trial.status != "done" for trial in trials):
            return
        emissions = [trial.emissions_kg for trial in trials if trial.emissions_kg is not None]
        mean_kg = math.fsum(emissions) / self._n_seeds if len(emissions) == self._n_seeds else None
        if mean_kg is not None:
            accuracy = math.fsum(trial.val_accuracy for trial in trials) / self._n_seeds
            self._front.add(Point(configuration.name, accuracy, mean_kg))
        if self._marginal is not None:
            self._marginal.finish(self._front, mean_kg)

    def _charge(self, trial: TrialHistory) -> None:
        """Count what the epochs of a trial have emitted, once where it failed and ran again."""
        if self._marginal is None or trial.epoch == 0:
            return
        if trial.emissions_kg is None:
            self._marginal.spend(None)
            return
        self._marginal.spend(max(0.0, trial.emissions_kg - trial.charged_kg))
        trial.charged_kg = max(trial.charged_kg, trial.emissions_kg)


def _replicate(configuration: ConfigurationHistory) -> Decision | None:
    if not configuration.is_stopped:
        return None
    return Decision("replicate", "a trial of the same configuration with another seed was stopped", is_end=False)
