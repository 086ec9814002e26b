"""A sweep's agent on each node of a cluster: keeps the run open in the ledger there, with an account for Ray."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.client import LedgerClient, connect
from lwq_tune.energy.service.host_spool import HostSpools, LogChunk
from lwq_tune.energy.service.location import FOLDER_VARIABLE, ledger_folder
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.ledger_sync.overhead_account import RAY, DriverAccount

START_TIMEOUT_S = 120.0
_RAYLET_PID = "RAY_RAYLET_PID"  # Ray sets it for its workers


class RayAccount(DriverAccount):
    """Keeps a run open in the ledger of a host, and accounts for Ray's processes there.

    All processes that descend from the raylet and are no trials count as `RAY`, including those of other Ray jobs.

    Args:
        spec: The run.
        raylet_pid: The Ray process that starts the others.
    """

    def __init__(self, spec: RunSpec, raylet_pid: int) -> None:
        self._raylet_pid = raylet_pid
        super().__init__(spec)

    def _introduce(self, client: LedgerClient) -> str:
        client.open_run(self._spec)
        return client.register(RAY, self._raylet_pid, is_trial=False, rest=RAY)


class LedgerProcess(NamedTuple):
    """The process that runs the ledger of a host, and the folder of its socket."""

    pid: int
    folder: str


def this_ledger() -> LedgerProcess:
    """Return the ledger that this process connects to; if none runs, start one.

    Raises:
        EnergyMeterError: None runs and none could be started.
    """
    client, _ = connect(lambda client: None)
    client.close()
    return LedgerProcess(client.ledger_pid, str(ledger_folder()))


class NodeAgent:
    """Runs as an actor on a node for as long as the sweep does, and ends with it."""

    _account: RayAccount

    def ledger(self) -> LedgerProcess:
        """Return the ledger of this host; called before a run is opened in it."""
        return this_ledger()

    def open(self, spec: RunSpec) -> str | None:
        """Open a run in the ledger of this host and return the source of its idle power, see `MeterSources`."""
        self._account = RayAccount(spec, int(os.environ.get(_RAYLET_PID, os.getppid())))
        return self._account.idle_source()

    def idle_source(self) -> str | None:
        """Return the source of the idle power of this host, see `MeterSources`."""
        return self._account.idle_source()

    def chunks(self, key: str, session: str, have: Mapping[tuple[str, str], int]) -> list[LogChunk]:
        """Return what is new in the spools of a run on this host, see `HostSpools.read`."""
        return _spools(key).read(session, have)

    def leave(self) -> None:
        """Close the account of Ray's processes; the ledger closes a run when its last client has left."""
        self._account.close()

    def clear(self, key: str, have: Mapping[tuple[str, str], int]) -> None:
        """Remove spools that have been fetched, see `HostSpools.remove`."""
        _spools(key).remove(have)


def _spools(key: str) -> HostSpools:
    return HostSpools(ledger_folder(), key, socket.gethostname())


def start_agents(node_ids: Iterable[str]) -> dict[str, Any]:
    """Start an agent on each node and return the actor handles by node id; must run inside a Ray session."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    agent: Any = ray.remote(num_cpus=0)(NodeAgent)
    there = {node_id: NodeAffinitySchedulingStrategy(node_id, soft=False) for node_id in node_ids}
    return {node_id: agent.options(scheduling_strategy=where).remote() for node_id, where in there.items()}


def open_run_ledgers(agents: Mapping[str, Any], names: Mapping[str, str], spec: Callable[[str], RunSpec]) -> None:
    """Open a run in the ledger of each agent's host.

    Args:
        agents: As `start_agents` returns them.
        names: Host names by node id.
        spec: Returns what a ledger needs to know about the run, for the name of its host.

    Raises:
        ConfigError: Some hosts have no energy ledger, or two; the message lists them with the reason.
    """
    ledgers, problems = _ask({node_id: handle.ledger.remote() for node_id, handle in agents.items()}, names)
    problems += _two_ledgers([(socket.gethostname(), this_ledger()), *((names[n], one) for n, one in ledgers.items())])
    _refuse(problems)
    _, problems = _ask({node_id: handle.open.remote(spec(names[node_id])) for node_id, handle in agents.items()}, names)
    _refuse(problems)


def _ask(requests: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the answers by node id, and a sentence for each node that did not answer."""
    import ray

    answers, problems = {}, []
    for node_id, answer in requests.items():
        try:
            answers[node_id] = ray.get(answer, timeout=START_TIMEOUT_S)
        except ray.exceptions.RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            problems.append(f"{names[node_id]}: it has none ({lines[-1] if lines else type(error).__name__})")
    return answers, problems


def _two_ledgers(found: Sequence[tuple[str, LedgerProcess]]) -> list[str]:
    """Return a sentence for each host on which two ledgers would write the same log."""
    first: dict[str, LedgerProcess] = {}
    others = {name: ledger for name, ledger in found if first.setdefault(name, ledger).pid != ledger.pid}
    return [
        f"{name}: it has two, in {first[name].folder} and {other.folder}; start Ray and the sweep with the same "
        f"TMPDIR, or {FOLDER_VARIABLE}"
        for name, other in others.items()
    ]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError("\n".join(["a sweep needs one energy ledger on each host", *problems]))
