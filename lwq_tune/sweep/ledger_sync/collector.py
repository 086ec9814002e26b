"""Copies energy logs and trials' logs of a cluster's hosts into the run folder, which only the driver's host has."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import for_host
from lwq_tune.energy.service.host_spool import ENERGY_LOG, LOGS, MAX_BYTES, HostSpools, LogChunk, RunLocation
from lwq_tune.energy.service.location import ledger_folder
from lwq_tune.errors import ResultsError
from lwq_tune.files import jsonl
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.ledger_sync.log_copy import LogCopy
from lwq_tune.sweep.ledger_sync.node_agent import start_agents
from lwq_tune.sweep.plan import Plan

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
ANSWER_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 15.0
_LOOK_S = 0.2

Have = dict[tuple[str, str], int]


class RemoteLedger:
    """The ledger of a host that does not share the run folder, as the driver sees it; safe for several threads.

    Attributes:
        is_unreachable: Whether the host did not answer the last request.

    Args:
        folder: The run folder.
        location: Where the run folder is.
        session: This session.
        name: Name of the host.

    Raises:
        ResultsError: The copy of its energy log in the run folder is damaged.
    """

    def __init__(self, folder: RunFolder, location: RunLocation, session: str, name: str) -> None:
        self._folder, self._location, self._session, self._name = folder, location, session, name
        self._agents: list[Any] = []
        self._energy_log = LogCopy(folder.energy / f"{name}.jsonl")
        self._logs: Have = {}
        self._lock = threading.Lock()
        self.is_unreachable = False

    def add(self, agent: Any) -> None:
        """Add an agent that runs on the host; a host may have several nodes, and nodes may join later."""
        self._agents.append(agent)
        self.is_unreachable = False

    def fetch(self) -> bool:
        """Fetch what is new and return whether the host answered.

        Raises:
            ResultsError: The run folder cannot be written.
        """
        with self._lock:
            chunks: list[LogChunk] | None = None
            while chunks is None or any(len(chunk.content) > MAX_BYTES // 2 for chunk in chunks):
                chunks = self._ask(lambda agent: agent.chunks.remote(self._location.key, self._session, self._have()))
                if chunks is None:
                    return False
                for chunk in chunks:
                    self._take(chunk)
            return True

    def close(self, end_s: float) -> bool:
        """Close the run in the host's ledger, fetch the rest of its log and remove its spool.

        Args:
            end_s: Time at which to stop waiting, in `time.monotonic` seconds.

        Returns:
            Whether the log is complete.

        Raises:
            ResultsError: The run folder cannot be written.
        """
        for agent in self._agents:
            self._ask_one(agent.leave.remote())
        while self.fetch() and not self._energy_log.is_closed(self._session):
            if time.monotonic() > end_s:
                return False
            time.sleep(_LOOK_S)
        if self.is_unreachable:
            return False
        self._ask(lambda agent: agent.clear.remote(self._location.key, self._have()))
        return True

    def _have(self) -> Have:
        return {(session, ENERGY_LOG): n_bytes for session, n_bytes in self._energy_log.n_bytes.items()} | self._logs

    def _take(self, chunk: LogChunk) -> None:
        if chunk.name == ENERGY_LOG:
            self._energy_log.add(chunk.session, chunk.offset, chunk.content)
            return
        try:
            path = self._folder.path / LOGS / Path(chunk.name).name
            path.parent.mkdir(exist_ok=True)
            with jsonl.open_log(path) as log:
                jsonl.append(log, chunk.content)
        except OSError as error:
            raise ResultsError(f"a trial's log must be writable, {path} is not ({error.strerror})") from error
        self._logs[chunk.session, chunk.name] = chunk.offset + len(chunk.content)

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """Return the answer of the newest agent that answers, None if none does."""
        for agent in reversed(self._agents):
            answer = self._ask_one(request(agent))
            if answer is not None:
                self.is_unreachable = False
                return answer[0]
        self.is_unreachable = True
        return None

    @staticmethod
    def _ask_one(answer: Any) -> tuple[Any] | None:
        import ray

        try:
            return (ray.get(answer, timeout=ANSWER_TIMEOUT_S),)
        except (ray.exceptions.RayError, TimeoutError):
            return None


class LedgerCollector:
    """Fetches logs every second from all hosts but the driver's, including hosts that join the cluster later.

    Args:
        plan: The sweep; its run folder is on this host.
        location: Where the run folder is.
        agents: Handle of the `NodeAgent` of each node, by node id; each has opened the run in the ledger of its host.
        names: Host name of each node, by node id.
    """

    def __init__(self, plan: Plan, location: RunLocation, agents: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._plan, self._location = plan, location
        self._known = set(agents)
        self._remote_ledgers: dict[str, RemoteLedger] = {}
        self._warned: set[str] = set()
        for node_id, agent in agents.items():
            self._add(names[node_id], agent)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-collector", daemon=True)
        self._thread.start()

    def fetch(self, hostname: str) -> None:
        """Fetch what a host has logged so far, unless it did not answer the last request."""
        remote = self._remote_ledgers.get(hostname)
        if remote is not None and not remote.is_unreachable:
            self._try(remote.fetch)

    def close(self) -> None:
        """Close the run in the ledgers of all hosts and fetch the rest of their logs."""
        self._stop.set()
        self._thread.join()
        end_s = time.monotonic() + CLOSE_TIMEOUT_S
        for name, remote in sorted(self._remote_ledgers.items()):
            if not self._try(functools.partial(remote.close, end_s)):
                _log.warning(
                    "the energy log of %s is incomplete: what it used after its last row is missing, until the run is "
                    "resumed with that host",
                    name,
                )

    def _add(self, name: str, agent: Any) -> None:
        if name != self._location.host:
            if name not in self._remote_ledgers:
                self._remote_ledgers[name] = RemoteLedger(self._plan.folder, self._location, self._plan.session, name)
            self._remote_ledgers[name].add(agent)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._try(self._add_joined_nodes)
            for remote in list(self._remote_ledgers.values()):
                self._try(remote.fetch)

    def _add_joined_nodes(self) -> bool:
        """Start agents on nodes that have joined the cluster since, and open the run in the ledgers there."""
        import ray

        for node in ray.nodes():  # type: ignore[no-untyped-call]
            node_id, name = node["NodeID"], node["NodeManagerHostname"]
            if not node["Alive"] or node_id in self._known:
                continue
            self._known.add(node_id)
            if for_host(self._plan.intensities, name) is None:
                _log.warning("%s has joined the cluster, its carbon intensity is not known; trials on it fail", name)
                continue
            agent = start_agents([node_id])[node_id]
            agent.open.remote(self._plan.spec(name))
            self._add(name, agent)
        return True

    def _try(self, action: Callable[[], bool]) -> bool:
        """Return what ``action`` returns; if the run folder cannot be written, log that once and return False."""
        try:
            return action()
        except ResultsError as error:
            if str(error) not in self._warned:
                _log.warning("%s; this is tried again while the sweep runs", error)
            self._warned.add(str(error))
            return False


def import_host_spools(plan: Plan) -> None:
    """Copy the spools of this host into the run folder, where they are from sessions with the run folder elsewhere.

    It must be called before the ledger of this host writes into the run folder itself.

    Raises:
        ResultsError: A spool or the run folder cannot be read or written.
    """
    if plan.run_location is None:
        return
    spools = HostSpools(ledger_folder(), plan.run_location.key, plan.run_location.host)
    energy_log = LogCopy(plan.folder.energy / f"{plan.run_location.host}.jsonl")

    def have() -> Have:
        return {(session, ENERGY_LOG): n_bytes for session, n_bytes in energy_log.n_bytes.items()}

    while chunks := spools.read(plan.session, have()):
        for chunk in chunks:
            energy_log.add(chunk.session, chunk.offset, chunk.content)
    spools.remove(have())
