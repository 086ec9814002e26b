"""Ends trials and sweeps early: stop rules, a carbon budget, an error of the records. No Ray."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lwq_tune.config.carbon_budget import Budget
from lwq_tune.config.trial import TrialConfig
from lwq_tune.results.energy_tables import EnergyLog
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.sweep.stopping.rules import Decision, EndStatus, StopRules

# Accounts that count towards the sweep: its trials, however they ended, and its own processes.
OF_THE_SWEEP = ("trial", "driver", "ray", "ledger")


def used_by_sweep(energy: EnergyLog) -> tuple[float, float]:
    """Return the energy in kWh and the emissions in kg CO2eq that the ledgers have charged to a sweep."""
    parts = [energy.parts[name] for name in OF_THE_SWEEP if name in energy.parts]
    return sum(part.kwh for part in parts), sum(part.kg_co2eq for part in parts)


class StopController:
    """Receives each epoch before it is recorded and decides whether the trial, or the sweep, ends with it.

    Args:
        recorder: Records of the run.
        rules: Stop rules, None without any.
        budget: Limit on what the sweep may use in all its sessions, None without one.
        exempt: Trials that no rule ends, since others start from them.
    """

    def __init__(
        self, recorder: RunRecorder, rules: StopRules | None, budget: Budget | None, exempt: Collection[str] = ()
    ) -> None:
        self._recorder, self._rules, self._budget = recorder, rules, budget
        self._exempt = frozenset(exempt)
        self._cut: set[str] = set()
        self._budget_is_used = False
        self.ended_by: str | None = None

    def replay(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Restore the state of the rules from the records of earlier sessions.

        Args:
            records: Records of the log, in order.
        """
        for record in records:
            if record["kind"] == "epoch":
                self._see_epoch(record["trial_key"], record)
            elif record["kind"] == "end":
                self.end_trial(record["trial_key"], record["status"])

    def check(self) -> None:
        """Set `ended_by` if the sweep must end."""
        if self.ended_by is not None:
            return
        if self._budget is not None:
            used = self._budget.used(*used_by_sweep(self._recorder.energy()))
            if used >= self._budget.limit:
                self._budget_is_used = True
                self.ended_by = (
                    f"the carbon budget of {self._budget.text(self._budget.limit)} is used "
                    f"({self._budget.text(used)}); resume with a larger --carbon-budget to go on"
                )
                return
        self.ended_by = None if self._rules is None else self._rules.should_end_sweep()

    def ends_trial(self, trial_key: str, row: Mapping[str, Any], *, is_last: bool) -> bool:
        """Return whether a trial ends with this epoch, although it could go on.

        Args:
            trial_key: The trial.
            row: Its row of the epoch.
            is_last: Whether it is the last epoch of the trial.
        """
        decision = self._see_epoch(trial_key, row)
        self.check()
        if is_last:
            return False
        if decision is None and self._budget_is_used:
            self._cut.add(trial_key)
        return decision is not None or self._budget_is_used

    def is_over(self) -> bool:
        """Return whether no further trial may start."""
        self.check()
        return self.ended_by is not None

    def before_start(self, trial_key: str) -> Decision | None:
        """Return why a trial must not start, None if it may.

        A rule ended it before a crash, or has stopped another seed of its configuration.
        """
        if self._rules is None or trial_key in self._exempt:
            return None
        configuration = configuration_key(self._recorder.config(trial_key))
        if self._rules.is_stopped(configuration):
            return Decision("replicate", f"another seed of {configuration} was stopped", is_end=False)
        return self._rules.decision(trial_key)

    def decision(self, trial_key: str) -> Decision | None:
        """Return the rule's decision that ended a trial early, if one did."""
        return None if self._rules is None else self._rules.decision(trial_key)

    def is_cut(self, trial_key: str) -> bool:
        """Return whether the budget ended a trial; such a trial can be resumed."""
        return trial_key in self._cut

    def end_trial(self, trial_key: str, status: EndStatus) -> None:
        """Tell the rules that a trial has ended."""
        if self._rules is not None and trial_key not in self._exempt:
            self._rules.end_trial(trial_key, configuration_key(self._recorder.config(trial_key)), status)

    def _see_epoch(self, trial_key: str, row: Mapping[str, Any]) -> Decision | None:
        if self._rules is None or trial_key in self._exempt:
            return None
        trial = self._recorder.config(trial_key)
        return self._rules.add_epoch(
            trial_key,
            configuration_key(trial),
            row["epoch"],
            trial.n_rows,
            row["val_accuracy"],
            row["cumulative_emissions_kg_co2eq"],
        )


@dataclass(frozen=True)
class ConfigurationKey:
    """Identifies a configuration: what replicates of a trial have in common, which is everything but the seed."""

    schedule: str
    key: str

    def __str__(self) -> str:
        return self.schedule


def configuration_key(trial: TrialConfig) -> ConfigurationKey:
    """Return the key of a trial's configuration.

    >>> first, second = (configuration_key(TrialConfig(bit_widths=(2, 3, 4), seed=seed)) for seed in (0, 1))
    >>> str(first), first == second
    ('ascending_234', True)
    """
    return ConfigurationKey(trial.schedule, trial.model_copy(update={"seed": 0}).trial_key)
