"""What one session of a sweep does, and the configurations of its trials. No Ray."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.deploy import DeploySettings
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.host_spool import RunLocation, run_spec
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedules import BitWidths
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.dashboard import Dashboard
from lwq_tune.sweep.space.candidates import Candidates
from lwq_tune.sweep.space.file_models import Search
from lwq_tune.sweep.space.search_space import SearchSpace
from lwq_tune.sweep.stopping.settings import Stopping
from lwq_tune.training.run_checkpoints import RunCheckpoints, checkpoints_of_run

NO_RULES = Stopping()


@dataclass(frozen=True)
class AdaptiveSearch:
    """A search that proposes schedules while the sweep runs.

    Attributes:
        settings: Method, number of schedules, seed.
        candidates: Schedules that it may propose.
        trials_of: The trials of a schedule, one per seed.
        costs_of: Modelled inference costs of a trial.
        known: Trials of listed schedules that it could propose too; they are trained before it begins.
        lag: Number of proposals made before the outcome of the first is used. None in the first session, where it
            follows from the number of trials that run at a time.
    """

    settings: Search
    candidates: Candidates
    trials_of: Callable[[BitWidths], tuple[TrialConfig, ...]]
    costs_of: Callable[[TrialConfig], ModelCosts]
    known: Mapping[BitWidths, tuple[TrialConfig, ...]] = field(default_factory=dict)
    lag: int | None = None

    @property
    def examples(self) -> tuple[TrialConfig, ...]:
        """Trials of one schedule, one per seed: data, length and start of all others are theirs."""
        return self.trials_of(self.candidates.example)

    @cached_property
    def stand_ins(self) -> Mapping[str, TrialConfig]:
        """Trials that stand for those it will propose, by key: of all candidates where these are listed."""
        schedules = self.candidates.spread(self.settings.trials or 0)
        return {trial.trial_key: trial for one in schedules for trial in self.trials_of(one)}

    def size(self) -> tuple[int, int]:
        """Return how many trials it proposes in all, over all seeds, and their epochs."""
        examples = self.examples
        n_trials = (self.settings.trials or 0) * len(examples)
        return n_trials, n_trials * examples[0].n_rows


@dataclass(frozen=True)
class Plan:
    """What one session of a sweep does.

    Attributes:
        folder: Its run folder, which exists.
        trials: The trials to train in this session, by key, each after the one it starts from.
        intensities: Carbon intensity by host; that of all other hosts is under the empty name.
        n_together: How many trials of the whole sweep could run at a time with each trial, finished ones included. The
            number of threads follows from it, and the last digits from that, so a resumed sweep must use it again.
        resume_from: Checkpoints of each trial, newest first.
        initial: Trials that are trained only because others start from them.
        search: The search that follows these trials, if the space has one.
        stopping: Rules that end trials and the sweep early.
        n_seeds: Trials of each configuration.
        failed_before: Trials that an earlier session recorded as failed and that this one trains again.
        dashboard: Ray's dashboard, None without one.
        deploy: How the networks are measured once all are trained; None if they are not.
        session: Identifies this session in the energy logs.
    """

    folder: RunFolder
    config: SweepConfig
    trials: Mapping[str, TrialConfig]
    intensities: Mapping[str, IntensitySeries]
    n_together: Mapping[str, int]
    resume_from: Mapping[str, list[str]] = field(default_factory=dict)
    initial: frozenset[str] = frozenset()
    search: AdaptiveSearch | None = None
    stopping: Stopping = NO_RULES
    n_seeds: int = 1
    failed_before: frozenset[str] = frozenset()
    dashboard: Dashboard | None = None
    deploy: DeploySettings | None = None
    session: str = field(default_factory=lambda: secrets.token_hex(8))

    def started_from(self) -> frozenset[str]:
        """Return the keys of the trials that others start from, including listed ones."""
        proposable = () if self.search is None else self.search.examples
        initial = (trial.initial for trial in (*self.trials.values(), *proposable))
        return self.initial | {trial.trial_key for trial in initial if trial is not None}

    def checkpoints(self) -> RunCheckpoints:
        """Return the checkpoints of the run."""
        return RunCheckpoints(self.folder, self.config.storage, self.config.run)

    @property
    def run_location(self) -> RunLocation | None:
        """Where the run folder is: on this host alone; None without a storage, where all hosts share the folder."""
        storage = self.config.storage
        return None if storage is None else RunLocation.of(socket.gethostname(), f"{storage}/{self.config.run}")

    def spec(self, hostname: str) -> RunSpec:
        """Return what the ledger of a host needs to know about the run."""
        run_dir, pue = self.folder.path.resolve(), self.config.pue
        return run_spec(run_dir, self.intensities, pue, hostname, self.session, self.run_location)


@dataclass(frozen=True)
class SessionEnd:
    """Why a session ended before all its trials did: an error of Ray, or a rule or a budget."""

    stopped_by: str | None = None
    ended_by: str | None = None


class CannotStartError(Exception):
    """A trial cannot start, since the trial whose network it starts from did not finish."""


def find_initial(plan: Plan, trial: TrialConfig) -> list[str]:
    """Return the last checkpoints of the trial that a trial starts from, in this run or in that of ``--init-run``.

    Raises:
        CannotStartError: There is none.
        ResultsError: A storage does not answer.
    """
    initial = trial.initial
    if initial is None:
        return []
    places = [plan.checkpoints()]
    if plan.config.init_run is not None:
        places.append(checkpoints_of_run(plan.config.init_run))
    found = [location for checkpoints in places for location in checkpoints.final(initial.trial_key, initial.n_rows)]
    if not found:
        raise CannotStartError(
            f"it starts from {initial.schedule} seed {initial.seed} ({initial.trial_key}), which did not finish"
        )
    return found


def find_checkpoints(checkpoints: RunCheckpoints, epochs_recorded: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the checkpoints of some trials in all sessions of a run, latest epoch first.

    Checkpoints after the last recorded row are left out: a run that was fetched from its storage may lack its newest
    rows, and continuing from a later checkpoint would leave a gap in the table.

    Args:
        checkpoints: The checkpoints of the run.
        epochs_recorded: Number of epochs that have a row, by trial.

    Raises:
        ResultsError: A storage does not answer.
    """
    return {
        key: [location for epoch, location in found if epoch <= epochs_recorded[key]]
        for key, found in checkpoints.find(epochs_recorded).items()
    }


def make_search(
    space: SearchSpace, costs_of: Callable[[TrialConfig], ModelCosts], lag: int | None = None
) -> AdaptiveSearch | None:
    """Return the search of a space, None if it only lists trials.

    Args:
        space: A space with its candidates, see `select_trials`.
        costs_of: Modelled inference costs of a trial.
        lag: As in `AdaptiveSearch`.
    """
    if not space.search.is_adaptive or space.candidates is None:
        return None
    offered = {bits for choices in space.candidates.choices for bits in choices}
    known: dict[BitWidths, tuple[TrialConfig, ...]] = {}
    for trial in space.trials:
        if set(trial.bit_widths) <= offered:
            known[trial.bit_widths] = (*known.get(trial.bit_widths, ()), trial)
    return AdaptiveSearch(space.search, space.candidates, space.trials_of, costs_of, known, lag)
