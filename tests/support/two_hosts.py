"""A Ray cluster of two hosts in namespaces of their own, with folders that they share and one that they do not."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from lwq_tune.energy.service.location import FOLDER_VARIABLE
from tests.conftest import REPOSITORY
from tests.support.ray_nodes import MAY_MAKE_HOSTS, Host, RayNodes, wait_until

needs_hosts = pytest.mark.skipif(not MAY_MAKE_HOSTS, reason="may not make network namespaces here")

# A node that does not answer is given up after two seconds, instead of the minute that Ray waits by itself.
QUICK = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}


def parts_by_host(run: Path) -> dict[str, set[str]]:
    """Return which parts each host's energy has."""
    return {file.stem: set(pd.read_parquet(file)["part"]) for file in (run / "energy").glob("*.parquet")}


def assert_left_alone(nodes: RayNodes) -> None:
    """See that no actor of a sweep is left on a cluster, and that its nodes still run."""
    wait_until(lambda: not nodes.workers("Trainable") + nodes.workers("NodeAgent"), 30, "the end of all actors")
    assert all(process.poll() is None for process in nodes.processes)


@dataclass(frozen=True)
class TwoHosts:
    """A cluster of two hosts with a node each, where the driver starts on the first.

    Attributes:
        shared: A folder that both see.
        private: A folder of that name on each, with its own content.
    """

    first: Host
    second: Host
    nodes: RayNodes
    shared: Path
    private: Path

    def start(self, arguments: list[str], prepare: str = "true") -> subprocess.Popen[str]:
        """Start a command of ours on the first host."""
        program = ["sh", "-c", f'{prepare} && exec "$@"', "sh", sys.executable, *arguments]
        return subprocess.Popen(
            self.first.command(*program),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), FOLDER_VARIABLE: self.ledger(self.first)},
            cwd=self.shared,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ledger(self, host: Host) -> str:
        """Return the folder of a host's ledger."""
        folder = self.shared / f"ledger-{host.name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return str(folder)


@contextlib.contextmanager
def two_hosts(shared: Path, private: Path) -> Iterator[TwoHosts]:
    """Run a cluster of two hosts; ``private`` is another folder on the second."""
    second = Host("node-b", "10.78.0.2", f"mount -t tmpfs none '{private}'")
    first = Host("node-a", "10.78.0.1")
    first.connect(second)
    try:
        with RayNodes(first, **QUICK) as nodes:
            found = TwoHosts(first, second, nodes, shared, private)
            for host in (first, second):
                nodes.start("--num-cpus=1", host=host, **{FOLDER_VARIABLE: found.ledger(host)})
            yield found
    finally:
        first.remove()
        second.remove()
