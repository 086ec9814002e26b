"""The hosts of a sweep: this host with a Ray of its own, or a cluster; what they give to a trial, and their ledgers."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from lwq_tune.energy.ledger.interval_log import CLOSED, EVENT
from lwq_tune.errors import ResultsError
from lwq_tune.files import jsonl
from lwq_tune.host.hardware import available_cpus
from lwq_tune.results.tables import write_json
from lwq_tune.sweep.cluster.join import Cluster, joined_cluster
from lwq_tune.sweep.cluster.ray_session import local_ray
from lwq_tune.sweep.plan import Plan
from lwq_tune.sweep.slots import Host, Slots, describe_hosts, same_share, usable_memory_mib

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 15.0
_LOOK_S = 0.1
_TAIL_BYTES = 4096


class SweepHosts:
    """The hosts of one session of a sweep.

    Attributes:
        remaining: After the sweep, names of the cluster's hosts that stayed to the end and write into the run folder;
            empty before, and always empty without a cluster.

    Args:
        plan: The sweep.
        hosts: Their resources.
        cluster: The cluster that was joined, None if the sweep has a Ray of its own.
    """

    def __init__(self, plan: Plan, hosts: tuple[Host, ...], cluster: Cluster | None = None) -> None:
        self._plan, self._hosts, self._cluster = plan, hosts, cluster
        self._first = _first_hosts(plan.folder.path / "hosts.json", hosts)
        self._slots: dict[int, Slots] = {}
        self.remaining: frozenset[str] = frozenset()

    def slots(self, n_trials: int) -> Slots:
        """Return how many of ``n_trials`` trials run at a time, and what each reserves.

        Raises:
            ConfigError: A trial reserves more than any host has.
        """
        if n_trials not in self._slots:  # so that its warnings are logged once
            self._slots[n_trials] = same_share(self._plan.config, self._first, self._hosts, n_trials)
        return self._slots[n_trials]

    def describe(self, n_trials: int) -> str | None:
        """Describe in one line the cluster that the sweep has joined; None without a cluster.

        Args:
            n_trials: As in `slots`.
        """
        if self._cluster is None:
            return None
        found = describe_hosts(self._hosts, self.slots(n_trials))
        return "; ".join([f"Ray cluster: {found}", *self._cluster.left_out])

    def idle_sources(self) -> dict[str, str | None]:
        """Return the sources of idle power by host of the cluster; empty without a cluster."""
        return {} if self._cluster is None else self._cluster.idle_sources()

    def fetch_log(self, hostname: str) -> None:
        """Copy what a host has logged so far into the run folder, if the host does not write there itself.

        This happens before a row of the host is recorded, so that the energy of every recorded row is in the log on
        the driver's host, even if the row's host is lost right after it has sent the row.
        """
        if self._cluster is not None and self._cluster.collector is not None:
            self._cluster.collector.fetch(hostname)


@contextlib.contextmanager
def open_sweep_hosts(plan: Plan) -> Iterator[SweepHosts]:
    """Connect to the Ray that a plan asks for, and disconnect after the body.

    Raises:
        ConfigError: Ray could not be started or joined, or a node cannot run the trials.
        ResultsError: The run folder could not be read or written.
    """
    if plan.config.address is None:
        with local_ray(available_cpus(), plan.dashboard):
            import ray

            n_gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
            yield SweepHosts(plan, (Host(available_cpus(), n_gpus, usable_memory_mib()),))
        return
    with joined_cluster(plan) as cluster:
        hosts = SweepHosts(plan, cluster.hosts, cluster)
        try:
            yield hosts
        finally:
            alive = cluster.hosts_alive()
            hosts.remaining = alive if plan.run_location is None else alive & {plan.run_location.host}


def _first_hosts(file: Path, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """Return the hosts of the run's first session, from its folder: they decide what a trial reserves."""
    try:
        return tuple(Host(**values) for values in json.loads(file.read_text(encoding="utf-8"))["hosts"])
    except FileNotFoundError:
        write_json(file, {"hosts": [asdict(host) for host in hosts]})
        return hosts
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"a resumed run reserves what its first session did, {file} was changed ({error}); remove the file to "
            "reserve by the hosts of now"
        ) from error


def wait_for_ledgers(folder: Path, session: str, names: Iterable[str]) -> None:
    """Wait until the ledgers of some hosts have written all that a sweep used.

    Args:
        folder: Folder of the energy logs.
        session: Session of the sweep.
        names: Names of the hosts.
    """
    end_s = time.monotonic() + CLOSE_TIMEOUT_S
    for name in sorted(names):
        while not _is_closed(folder / f"{name}.jsonl", session):
            if time.monotonic() > end_s:
                _log.warning("the ledger of %s has not closed the run: the last seconds of that host are missing", name)
                break
            time.sleep(_LOOK_S)


def _is_closed(log: Path, session: str) -> bool:
    """Return whether a log ends with the end of a session, or does not exist."""
    if not log.exists():
        return True
    lines = jsonl.read_from(log, max(0, log.stat().st_size - _TAIL_BYTES)).splitlines()
    try:
        last = json.loads(lines[-1]) if lines else {}
    except ValueError:  # a record longer than what was read
        return False
    return (last.get(EVENT), last.get("session")) == (CLOSED, session)
