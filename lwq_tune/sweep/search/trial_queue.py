"""Decides which trial starts next: from a list, or as a search proposes from earlier trials. No Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.schema import ENDED
from lwq_tune.sweep.search.proposer import Outcome, Pause, Proposer


class TrialQueue(Protocol):
    """Keys of trials in the order in which they start."""

    def next(self) -> str | None:
        """Return the key of the trial to start next, None if none can start now."""

    @property
    def is_exhausted(self) -> bool:
        """Whether no trial will follow."""


class ListQueue:
    """The trials of a list, in order.

    Args:
        keys: Keys of the trials.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._waiting = deque(keys)

    def next(self) -> str | None:
        """Return the next key."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def is_exhausted(self) -> bool:
        """Whether all keys have been returned."""
        return not self._waiting


class SearchQueue:
    """The trials of the schedules that a search proposes, one per seed.

    A trial that has ended in an earlier session is not returned again. The search repeats its proposals from the
    beginning and makes the same ones, since they depend on recorded outcomes alone.

    Args:
        proposer: The search.
        trials_of: The trials of a schedule, one per seed; they are made when it is proposed.
        costs_of: Modelled inference costs of a trial.
        recorder: Records of the run.
        frozen: Trials that count as failed even if a retry succeeds: they had failed when the search continued.
    """

    def __init__(
        self,
        proposer: Proposer,
        trials_of: Callable[[BitWidths], tuple[TrialConfig, ...]],
        costs_of: Callable[[TrialConfig], ModelCosts],
        recorder: RunRecorder,
        frozen: Iterable[str] = (),
    ) -> None:
        self._proposer = proposer
        self._trials_of = trials_of
        self._costs_of = costs_of
        self._recorder = recorder
        self._frozen = frozenset(frozen)
        self._waiting: deque[str] = deque()
        self._open: dict[BitWidths, tuple[TrialConfig, ...]] = {}
        self._outcomes: dict[BitWidths, Outcome | None] = {}
        self._is_exhausted = False

    def next(self) -> str | None:
        """Return the next key, None while the search waits for an outcome."""
        while not self._waiting and not self._is_exhausted:
            self._close_ended()
            proposal = self._proposer.next(self._outcomes)
            if proposal is Pause.WAITING:
                return None
            if isinstance(proposal, Pause):
                self._is_exhausted = True
            else:
                self._open_trials(proposal)
        return self._waiting.popleft() if self._waiting else None

    @property
    def is_exhausted(self) -> bool:
        """Whether the search has ended and all its trials have been returned."""
        return self._is_exhausted and not self._waiting

    def _open_trials(self, bit_widths: BitWidths) -> None:
        trials = {trial.trial_key: trial for trial in self._trials_of(bit_widths)}
        known = self._recorder.statuses_of(trials)
        new = {key: trial for key, trial in trials.items() if key not in known}
        costs = {key: self._costs_of(trial) for key, trial in new.items()}
        self._recorder.add_trials(new, costs, lag=self._proposer.lag)
        self._open[bit_widths] = tuple(trials.values())
        self._waiting.extend(key for key in trials if known.get(key) not in ENDED)

    def _close_ended(self) -> None:
        for bit_widths, trials in list(self._open.items()):
            keys = [trial.trial_key for trial in trials]
            if all(status in ENDED for status in self._recorder.statuses_of(keys).values()):
                self._outcomes[bit_widths] = outcome_of(self._recorder, trials, self._frozen)
                del self._open[bit_widths]


def outcome_of(
    recorder: RunRecorder, trials: Iterable[TrialConfig], frozen: frozenset[str] = frozenset()
) -> Outcome | None:
    """Return the outcome of a schedule for a search: means over its seeds, None if all failed or no energy is known.

    Emissions of a trial that was stopped early are projected to its full length, since a stopped schedule is not a
    cheap one.

    Args:
        recorder: Records of the run.
        trials: The trials of the schedule, ended.
        frozen: Trials that count as failed.
    """
    accuracies, emissions_kg = [], []
    for trial in trials:
        row = recorder.trial_row(trial.trial_key)
        kg = row.get("emissions_kg_co2eq")
        if trial.trial_key in frozen or row["status"] == "failed" or kg is None:
            continue
        is_cut = row["status"] == "stopped"
        accuracies.append(row["val_accuracy"])
        emissions_kg.append(kg * trial.n_rows / row["epochs_done"] if is_cut else kg)
    if not accuracies:
        return None
    return Outcome(sum(accuracies) / len(accuracies), sum(emissions_kg) / len(emissions_kg))
