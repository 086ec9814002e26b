"""Brings the books and logs of a cluster's hosts into the run folder, where only the driver's host has that."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import for_host
from lwq_tune.energy.service.host_spool import BOOKS, LOGS, MAX_BYTES, Home, Outposts, Parcel
from lwq_tune.energy.service.location import ledger_folder
from lwq_tune.errors import ResultsError
from lwq_tune.results.store import RunFolder
from lwq_tune.sweep.cluster.node_agent import start_agents
from lwq_tune.sweep.ledger_sync.log_copy import LogCopy
from lwq_tune.sweep.plan import Plan

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
ANSWER_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 15.0
_LOOK_S = 0.2

Have = dict[tuple[str, str], int]


class Outpost:
    """A host that does not share the run folder, as the driver sees it; safe to use from several threads.

    Attributes:
        is_silent: Whether it did not answer the last time.

    Args:
        folder: The run folder.
        home: Where that is.
        session: The present session.
        name: Of the host.

    Raises:
        ResultsError: What is here of its books is damaged.
    """

    def __init__(self, folder: RunFolder, home: Home, session: str, name: str) -> None:
        self._folder, self._home, self._session, self._name = folder, home, session, name
        self._agents: list[Any] = []
        self._books = LogCopy(folder.energy / f"{name}.jsonl")
        self._logs: Have = {}
        self._lock = threading.Lock()
        self.is_silent = False

    def add(self, agent: Any) -> None:
        """Take note of an agent there: of one of its nodes, or of one that came later."""
        self._agents.append(agent)
        self.is_silent = False

    def bring(self) -> bool:
        """Fetch what is new and return whether the host answered.

        Raises:
            ResultsError: The run folder does not take it.
        """
        with self._lock:
            parcels: list[Parcel] | None = None
            while parcels is None or any(len(parcel.content) > MAX_BYTES // 2 for parcel in parcels):
                parcels = self._ask(lambda agent: agent.parcels.remote(self._home.key, self._session, self._have()))
                if parcels is None:
                    return False
                for parcel in parcels:
                    self._take(parcel)
            return True

    def close(self, end_s: float) -> bool:
        """Have the books closed there, fetch the last of them, and clear up; return whether they came whole.

        Args:
            end_s: When to wait no longer, in `time.monotonic` seconds.

        Raises:
            ResultsError: The run folder does not take them.
        """
        for agent in self._agents:
            self._ask_one(agent.leave.remote())
        while self.bring() and not self._books.is_closed(self._session):
            if time.monotonic() > end_s:
                return False
            time.sleep(_LOOK_S)
        if self.is_silent:
            return False
        self._ask(lambda agent: agent.clear.remote(self._home.key, self._have()))
        return True

    def _have(self) -> Have:
        return {(session, BOOKS): n_bytes for session, n_bytes in self._books.n_bytes.items()} | self._logs

    def _take(self, parcel: Parcel) -> None:
        if parcel.name == BOOKS:
            self._books.add(parcel.session, parcel.offset, parcel.content)
            return
        try:
            path = self._folder.path / LOGS / Path(parcel.name).name
            path.parent.mkdir(exist_ok=True)
            with path.open("ab") as stream:
                stream.write(parcel.content)
        except OSError as error:
            raise ResultsError(f"a trial's log is added to, {path} could not be ({error.strerror})") from error
        self._logs[parcel.session, parcel.name] = parcel.offset + len(parcel.content)

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """Return the answer of the newest agent that gives one, None where none does."""
        for agent in reversed(self._agents):
            answer = self._ask_one(request(agent))
            if answer is not None:
                self.is_silent = False
                return answer[0]
        self.is_silent = True
        return None

    @staticmethod
    def _ask_one(asked: Any) -> tuple[Any] | None:
        import ray

        try:
            return (ray.get(asked, timeout=ANSWER_TIMEOUT_S),)
        except (ray.exceptions.RayError, TimeoutError):
            return None


class Courier:
    """Fetches every second from all hosts but the driver's, those that join the cluster later among them.

    Args:
        plan: The sweep, whose run folder this host has.
        home: Where that is.
        agents: Handle of the `NodeAgent` of each node, which has opened the books, by node id.
        names: Host name of each node, by node id.
    """

    def __init__(self, plan: Plan, home: Home, agents: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._plan, self._home = plan, home
        self._known = set(agents)
        self._outposts: dict[str, Outpost] = {}
        self._told: set[str] = set()
        for node_id, agent in agents.items():
            self._add(names[node_id], agent)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def bring(self, hostname: str) -> None:
        """Fetch from a host what it has booked up to now, unless it is silent: a row is never ahead of the books."""
        outpost = self._outposts.get(hostname)
        if outpost is not None and not outpost.is_silent:
            self._try(outpost.bring)

    def close(self) -> None:
        """Close the books everywhere and fetch the rest."""
        self._stop.set()
        self._thread.join()
        end_s = time.monotonic() + CLOSE_TIMEOUT_S
        for name, outpost in sorted(self._outposts.items()):
            if not self._try(functools.partial(outpost.close, end_s)):
                _log.warning(
                    "not all books of %s have come: what it used after its last row is missing, until the run is "
                    "resumed with it",
                    name,
                )

    def _add(self, name: str, agent: Any) -> None:
        if name != self._home.host:
            if name not in self._outposts:
                self._outposts[name] = Outpost(self._plan.folder, self._home, self._plan.session, name)
            self._outposts[name].add(agent)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._try(self._welcome)
            for outpost in list(self._outposts.values()):
                self._try(outpost.bring)

    def _welcome(self) -> bool:
        """Have the books opened on nodes that have joined the cluster since."""
        import ray

        for node in ray.nodes():  # type: ignore[no-untyped-call]
            node_id, name = node["NodeID"], node["NodeManagerHostname"]
            if not node["Alive"] or node_id in self._known:
                continue
            self._known.add(node_id)
            if for_host(self._plan.intensities, name) is None:
                _log.warning("%s has joined the cluster and no carbon intensity is known there; its trials fail", name)
                continue
            agent = start_agents([node_id])[node_id]
            agent.open.remote(self._plan.spec(name))
            self._add(name, agent)
        return True

    def _try(self, action: Callable[[], bool]) -> bool:
        """Return what ``action`` returns, False where the run folder takes nothing; that is told once."""
        try:
            return action()
        except ResultsError as error:
            if str(error) not in self._told:
                _log.warning("%s; it is tried again while the sweep goes on", error)
            self._told.add(str(error))
            return False


def bring_home(plan: Plan) -> None:
    """Take in what this host kept in outposts, when the run folder was elsewhere, before it writes the log itself.

    Raises:
        ResultsError: It cannot be read or written.
    """
    if plan.home is None:
        return
    outposts = Outposts(ledger_folder(), plan.home.key, plan.home.host)
    books = LogCopy(plan.folder.energy / f"{plan.home.host}.jsonl")

    def have() -> Have:
        return {(session, BOOKS): n_bytes for session, n_bytes in books.n_bytes.items()}

    while parcels := outposts.read(plan.session, have()):
        for parcel in parcels:
            books.add(parcel.session, parcel.offset, parcel.content)
    outposts.remove(have())
