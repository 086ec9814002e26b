"""Where a sweep runs: a Ray of its own on this host, or a cluster; what its hosts give to a trial, and their books."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lwq_tune.energy.ledger.interval_log import CLOSED, EVENT
from lwq_tune.errors import ResultsError
from lwq_tune.host.provenance import available_cpus
from lwq_tune.results.store import write_json
from lwq_tune.sweep.cluster.join import Cluster, joined_cluster
from lwq_tune.sweep.cluster.ray_session import local_ray
from lwq_tune.sweep.cluster.slots import Host, Slots, describe_hosts, same_share, usable_memory_mib
from lwq_tune.sweep.plan import Plan

if TYPE_CHECKING:
    from ray.tune import Callback

_log = logging.getLogger(__name__)

BOOKS_TIMEOUT_S = 15.0
_LOOK_S = 0.1
_TAIL_BYTES = 4096


class Site:
    """The hosts of one session of a sweep.

    Attributes:
        remaining: Names of a cluster's hosts that were there to the end and write into the run folder; empty before
            that, and on a host alone.

    Args:
        plan: The sweep.
        hosts: What they have to give.
        cluster: The cluster that they are, None where the sweep has a Ray of its own.
    """

    def __init__(self, plan: Plan, hosts: tuple[Host, ...], cluster: Cluster | None = None) -> None:
        self._plan, self._hosts, self._cluster = plan, hosts, cluster
        self._first = _first_hosts(plan.folder.path / "hosts.json", hosts)
        self._slots: dict[int, Slots] = {}
        self.remaining: frozenset[str] = frozenset()

    def slots(self, n_trials: int) -> Slots:
        """Return how many trials run at a time, of ``n_trials`` that could, and what each reserves.

        Raises:
            ConfigError: A trial reserves more than any host has.
        """
        if n_trials not in self._slots:  # what it warns of is told once
            self._slots[n_trials] = same_share(self._plan.config, self._first, self._hosts, n_trials)
        return self._slots[n_trials]

    def describe(self, n_trials: int) -> str | None:
        """Return in one line what the sweep found on the cluster that it has joined, None for a host alone.

        Args:
            n_trials: As in `slots`.
        """
        if self._cluster is None:
            return None
        found = describe_hosts(self._hosts, self.slots(n_trials))
        return "; ".join([f"Ray cluster: {found}", *self._cluster.left_out])

    def idle_sources(self) -> dict[str, str | None]:
        """Return how idle power is known on the hosts of a cluster, by name; nothing for a host alone."""
        return {} if self._cluster is None else self._cluster.idle_sources()

    def callbacks(self) -> list[Callback]:
        """Return what Tune calls before anything is recorded."""
        if self._cluster is None or self._cluster.courier is None:
            return []
        from lwq_tune.sweep.ledger_sync.callback import BooksFirst

        return [BooksFirst(self._cluster.courier)]


@contextlib.contextmanager
def open_site(plan: Plan) -> Iterator[Site]:
    """Be connected to the Ray that a plan asks for.

    Raises:
        ConfigError: It could not be started or joined, or a node cannot run the trials.
        ResultsError: The run folder could not be read or written.
    """
    if plan.config.address is None:
        with local_ray(available_cpus(), plan.dashboard):
            import ray

            n_gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
            yield Site(plan, (Host(available_cpus(), n_gpus, usable_memory_mib()),))
        return
    with joined_cluster(plan) as cluster:
        site = Site(plan, cluster.hosts, cluster)
        try:
            yield site
        finally:
            alive = cluster.hosts_alive()
            site.remaining = alive if plan.home is None else alive & {plan.home.host}


def _first_hosts(file: Path, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """Return the hosts of the run's first session, which are noted in its folder: trials reserve by them."""
    try:
        return tuple(Host(**values) for values in json.loads(file.read_text(encoding="utf-8"))["hosts"])
    except FileNotFoundError:
        write_json(file, {"hosts": [asdict(host) for host in hosts]})
        return hosts
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"a run is continued as it was begun, {file} was changed ({error}); remove it, and trials reserve what "
            "there is now"
        ) from error


def wait_for_books(folder: Path, session: str, names: Iterable[str]) -> None:
    """Wait until the ledgers of some hosts have written what a sweep used to its end.

    Args:
        folder: Folder of the energy logs.
        session: Of the sweep.
        names: The hosts.
    """
    end_s = time.monotonic() + BOOKS_TIMEOUT_S
    for name in sorted(names):
        while not _is_closed(folder / f"{name}.jsonl", session):
            if time.monotonic() > end_s:
                _log.warning("the ledger of %s has not closed its books: the last seconds there are missing", name)
                break
            time.sleep(_LOOK_S)


def _is_closed(log: Path, session: str) -> bool:
    """Return whether a log ends with the end of a session, or there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = stream.read().splitlines(keepends=True)
    except FileNotFoundError:
        return True
    if not lines or not lines[-1].endswith(b"\n"):
        return False
    try:
        last = json.loads(lines[-1])
    except ValueError:  # a record longer than what was read
        return False
    return (last.get(EVENT), last.get("session")) == (CLOSED, session)
