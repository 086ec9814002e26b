"""Joins a running Ray cluster: finds it, reads what its nodes have, checks them, and leaves it unchanged."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lwq_tune
from lwq_tune.config.sweep import AUTO
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.cluster import node_report
from lwq_tune.sweep.cluster.node_requirements import check_nodes
from lwq_tune.sweep.cluster.node_versions import check_machines, check_versions
from lwq_tune.sweep.cluster.ray_session import joined_ray, prepare_for_cluster
from lwq_tune.sweep.ledger_sync.collector import LedgerCollector
from lwq_tune.sweep.ledger_sync.node_agent import open_run_ledgers, start_agents
from lwq_tune.sweep.plan import Plan
from lwq_tune.sweep.slots import Host

REACH_TIMEOUT_S = 5.0
REPORT_TIMEOUT_S = 240.0
SHORT_RAY_LOGS = {"RAY_BACKEND_LOG_LEVEL": "error", "RAY_NUM_REDIS_GET_RETRIES": "3"}  # attempts to reach the head


@dataclass(frozen=True)
class Cluster:
    """A cluster that a sweep has joined.

    Attributes:
        hosts: Resources of its nodes with CPUs.
        agents: Handle of the `NodeAgent` of each node, by node id.
        names: Host name of each node, by node id.
        left_out: Sentences on nodes that no trial can use, and on CPUs that other jobs use now.
        collector: Fetches the energy logs of the other hosts; None if all hosts share the run folder.
    """

    hosts: tuple[Host, ...]
    agents: Mapping[str, Any]
    names: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    collector: LedgerCollector | None = None

    def idle_sources(self) -> dict[str, str | None]:
        """Return the source of idle power by host, see `MeterSources`."""
        import ray

        return {self.names[node_id]: ray.get(agent.idle_source.remote()) for node_id, agent in self.agents.items()}

    def hosts_alive(self) -> frozenset[str]:
        """Return the names of the hosts that are still in the cluster."""
        import ray

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        return frozenset(name for node_id, name in self.names.items() if node_id in alive)


@contextlib.contextmanager
def joined_cluster(plan: Plan) -> Iterator[Cluster]:
    """Join the cluster that a plan asks for, check that every node can run its trials, and leave it after the body.

    Raises:
        ConfigError: It cannot be joined, or some nodes cannot run the trials; the message lists why.
    """
    workers = prepare_for_cluster()
    found = read_cluster(_reachable(plan.config.address or AUTO))
    nodes = found["nodes"]
    runtime_env: dict[str, Any] = {"env_vars": workers} if workers else {}
    if check_versions(found["driver"], nodes):
        runtime_env["py_modules"] = [str(Path(lwq_tune.__file__).parent)]
    if plan.config.exclusive:
        check_machines(nodes)
    with joined_ray(found["address"], f"lwq_tune-{plan.session}", runtime_env):
        names = {node["node_id"]: node["hostname"] for node in nodes}
        agents = start_agents(names)  # while their processes start, the nodes are checked
        memory_mib = check_nodes(plan, nodes)
        left_out = [*_without_cpus(found["without_cpus"]), *_reserved_by_others()]
        hosts = [
            Host(int(node["cpus"]), node["gpus"], memory_mib[node["node_id"]], node["hostname"])
            for node in nodes
            if node["cpus"] >= 1
        ]
        open_run_ledgers(agents, names, plan.spec)
        collector = None if plan.run_location is None else LedgerCollector(plan, plan.run_location, agents, names)
        with contextlib.nullcontext() if collector is None else contextlib.closing(collector):
            yield Cluster(tuple(hosts), agents, names, tuple(left_out), collector)


def _without_cpus(names: Sequence[str]) -> list[str]:
    return [f"no trial runs on nodes without a CPU: {', '.join(sorted(names))}"] if names else []


def _reserved_by_others() -> list[str]:
    """Return a sentence on the CPUs that other jobs have reserved; the sweep itself has reserved none yet."""
    import ray

    total, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    taken = total.get("CPU", 0.0) - free.get("CPU", 0.0)
    return [f"other jobs have reserved {taken:g} of these CPUs, trials wait for them"] if taken > 0 else []


def read_cluster(address: str) -> dict[str, Any]:
    """Return what the driver and the nodes of a cluster have installed, see `node_report.report`.

    Raises:
        ConfigError: It cannot be joined from this host.
    """
    command = [sys.executable, "-P", str(Path(node_report.__file__)), address, str(Path(lwq_tune.__file__).parent)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=REPORT_TIMEOUT_S,
            check=False,
            env={**SHORT_RAY_LOGS, **os.environ},
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"the Ray cluster at {address} must answer within {REPORT_TIMEOUT_S:.0f} s, it did not; see `ray status`"
        ) from error
    if done.returncode != 0:
        raise ConfigError(_why_not_joined(address, done.stderr))
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _why_not_joined(address: str, output: str) -> str:
    """Return in one sentence why Ray could not join, from what it wrote."""
    if "AuthToken" in output or "AuthenticationError" in output:
        return (
            f"the Ray cluster at {address} must know the token of this sweep, it does not; set RAY_AUTH_MODE to what "
            "its nodes were started with (token or disabled), and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH too"
        )
    if "raylet_ipc_client" in output or "node_ip_address.json" in output:
        return (
            f"a sweep starts on a host of its cluster, on this one no Ray node of {address} runs; start one with "
            f"`ray start --address {address}`, if need be with --num-cpus 0, or use `ray job submit`"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    mismatch = [line for line in lines if line.startswith(("Ray:", "Python:"))]
    if len(mismatch) == 4:
        there, here = ", ".join(mismatch[:2]), ", ".join(mismatch[2:])
        return f"a cluster and its sweep need the same versions, at {address} {there}, here {here}; install the same"
    reason = lines[-1] if lines else "Ray wrote no message"
    return f"the Ray cluster at {address} must accept this sweep, it did not ({reason}); see `ray status`"


def _reachable(address: str) -> str:
    """Return the address to join, after something has answered there: Ray itself would try for minutes.

    Raises:
        ConfigError: Nothing answers.
    """
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS", AUTO)
    if address == AUTO:
        return AUTO
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"a Ray cluster must be running at {address}, nothing answers there ({error}); start its head with "
            "`ray start --head`, or leave out --address for a Ray of the sweep's own"
        ) from error
    return address
