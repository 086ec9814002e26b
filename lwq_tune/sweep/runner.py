"""Runs the trials of a sweep on Ray Tune."""

from __future__ import annotations

import logging
import math
import socket
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lwq_tune.config.carbon_budget import parse_budget
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.row_log import read_log
from lwq_tune.results.schema import ENDED
from lwq_tune.sweep.cluster.hosts import SweepHosts, open_sweep_hosts, wait_for_ledgers
from lwq_tune.sweep.confirmation import in_random_blocks, prepare_host
from lwq_tune.sweep.ledger_sync.collector import import_host_spools
from lwq_tune.sweep.ledger_sync.overhead_account import DriverAccount
from lwq_tune.sweep.loggers.choice import choose_loggers, make_loggers
from lwq_tune.sweep.loggers.trial_logger import TrialLogger
from lwq_tune.sweep.plan import NO_RULES, AdaptiveSearch, Plan, SessionEnd
from lwq_tune.sweep.progress import make_progress
from lwq_tune.sweep.search.proposer import Proposer
from lwq_tune.sweep.search.trial_queue import ListQueue, SearchQueue, outcome_of
from lwq_tune.sweep.space.prerequisites import waves
from lwq_tune.sweep.stopping.controller import StopController
from lwq_tune.sweep.stopping.rules import StopRules
from lwq_tune.sweep.tune.tuner import SweepSinks, run_tune

if TYPE_CHECKING:
    from ray.tune import Callback

_log = logging.getLogger(__name__)


def run_trials(plan: Plan, recorder: RunRecorder, tell: Callable[[str], object]) -> SessionEnd:
    """Train the planned trials in waves, as many at a time as fit, and record their rows and ends.

    A trial that starts from another one's network is in a later wave than that one; proposals of a search come last.

    Args:
        plan: The sweep.
        recorder: Its records; rows and ends are added.
        tell: Takes one line on the cluster that the sweep has joined.

    Returns:
        Why Ray ended the sweep early, such as a host out of memory, or which rule ended it. A trial without an end in
        the records is unfinished and can be resumed.

    Raises:
        ConfigError: A trial reserves more than a host has; or the cluster cannot be joined, or cannot run the trials.
        ResultsError: A row could not be written, which ends the sweep; or this host has no energy ledger.
    """
    controller = _make_controller(plan, recorder)
    controller.check()
    if controller.ended_by is not None:
        recorder.finish()
        return SessionEnd(ended_by=controller.ended_by)
    progress, hosts = None, None
    import_host_spools(plan)
    account = DriverAccount(plan.spec(socket.gethostname()))
    try:
        with open_sweep_hosts(plan) as hosts:
            proposed = (0, 0) if plan.search is None else plan.search.size()
            found = hosts.describe(max([proposed[0], *(plan.n_together[key] for key in plan.trials)]))
            if found is not None:
                tell(found)
            if plan.config.exclusive:
                _prepare_hosts(hosts, account)
            progress = make_progress(plan.trials, sys.stderr, recorder.epochs_done(), proposed)
            loggers = make_loggers(choose_loggers(plan.config), plan.folder.path.resolve(), plan.config.run)
            sinks = SweepSinks(recorder, progress, controller, hosts.fetch_log, _logging_callbacks(loggers, plan))
            stopped_by = _run_waves(plan, hosts, sinks)
            return SessionEnd(stopped_by, controller.ended_by)
    finally:
        if progress is not None:
            progress.close()
        account.close()
        if hosts is not None:
            wait_for_ledgers(plan.folder.energy, plan.session, hosts.remaining)
        _finish(recorder)


def _logging_callbacks(loggers: Mapping[str, Callable[[], TrialLogger]], plan: Plan) -> list[Callback]:
    """Return the callbacks of the loggers for all of the sweep's runs of Tune: one that failed stays dropped."""
    from lwq_tune.sweep.tune.logging_callback import LoggingCallback

    return [LoggingCallback(flag, make, plan.config.run) for flag, make in loggers.items()]


def _finish(recorder: RunRecorder) -> None:
    """Write the tables; an error in it is raised only if none was raised before, such as for a full disk."""
    is_first_error = sys.exc_info()[0] is None
    try:
        recorder.finish()
    except (ResultsError, OSError):
        if is_first_error:
            raise


def _make_controller(plan: Plan, recorder: RunRecorder) -> StopController:
    rules = StopRules(plan.stopping, plan.n_seeds) if plan.stopping != NO_RULES else None
    budget = None if plan.config.carbon_budget is None else parse_budget(plan.config.carbon_budget)
    controller = StopController(recorder, rules, budget, plan.started_from())
    controller.replay(read_log(plan.folder.log))
    return controller


def _prepare_hosts(hosts: SweepHosts, account: DriverAccount) -> None:
    prepare_host()
    sources = hosts.idle_sources() or {socket.gethostname(): account.idle_source()}
    for name in sorted(name for name, source in sources.items() if source == "unknown"):
        _log.warning("%s was not idle before the first trial, so idle power counts as the trials' own", name)


def _run_waves(plan: Plan, hosts: SweepHosts, sinks: SweepSinks) -> str | None:
    for wave in waves(plan.trials):
        order = in_random_blocks(wave) if plan.config.exclusive else wave
        slots = hosts.slots(max(plan.n_together[key] for key in order))
        stopped_by = run_tune(plan, ListQueue(order), slots, sinks)
        if stopped_by is not None or not _have_ended(wave, sinks.recorder):
            return stopped_by
    return None if plan.search is None or sinks.controller.is_over() else _run_search(plan, hosts, plan.search, sinks)


def _run_search(plan: Plan, hosts: SweepHosts, search: AdaptiveSearch, sinks: SweepSinks) -> str | None:
    """Train the schedules that a search proposes."""
    slots = hosts.slots(search.size()[0])
    lag = search.lag or choose_lag(slots.n_slots, plan.n_seeds)
    known = {
        bit_widths: outcome_of(sinks.recorder, trials, plan.failed_before)
        for bit_widths, trials in search.known.items()
    }
    settings = search.settings
    proposer = Proposer(
        settings.method,  # type: ignore[arg-type]
        search.candidates,
        n_trials=settings.trials or 0,
        seed=settings.seed,
        lag=lag,
        known=known,
        population=settings.population,
    )
    queue = SearchQueue(proposer, search.trials_of, search.costs_of, sinks.recorder, plan.failed_before)
    return run_tune(plan, queue, slots, sinks)


def choose_lag(n_slots: int, n_seeds: int) -> int:
    """Return how many schedules a search proposes before it knows their outcomes: enough to keep the slots busy.

    It is one more than fit at a time, so that no slot waits until the last seed of a schedule has ended.

    Args:
        n_slots: Trials at a time.
        n_seeds: Trials of each schedule.

    >>> [choose_lag(n_slots, 2) for n_slots in (1, 2, 4)]
    [1, 2, 3]
    """
    return 1 if n_slots == 1 else math.ceil(n_slots / n_seeds) + 1


def _have_ended(wave: Mapping[str, TrialConfig], recorder: RunRecorder) -> bool:
    return all(status in ENDED for status in recorder.statuses_of(wave).values())
