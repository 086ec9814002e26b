"""Ray's dashboard and Prometheus metrics during a sweep, if the user asks for them; on loopback, like all of its Ray.

They need a dozen processes, and packages that a sweep does not need otherwise, so they are off by default.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lwq_tune.errors import ConfigError

HOST = "127.0.0.1"
FIRST_FREE = 0  # in place of a port: Ray takes 8265, or the next one that is free
# Modules that Ray's dashboard imports, and what pip calls them; see ray/dashboard/optional_deps.py.
PACKAGES = {
    "aiohttp": "aiohttp",
    "aiohttp_cors": "aiohttp_cors",
    "grpc": "grpcio",
    "opencensus": "opencensus",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.prometheus": "opentelemetry-exporter-prometheus",
    "opentelemetry.proto": "opentelemetry-proto",
    "prometheus_client": "prometheus_client",
}


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that the Ray of one session is to have; no manifest keeps it, since the next host may lack the port.

    Attributes:
        port: Port that it listens on, `FIRST_FREE` for Ray's choice.
        tell: Takes one line with the addresses, once they are known.
    """

    port: int
    tell: Callable[[str], None]

    def init_arguments(self) -> dict[str, Any]:
        """Return the arguments of `ray.init` for it."""
        return {"dashboard_host": HOST, "dashboard_port": self.port or None}

    @contextlib.contextmanager
    def announced(self, url: str, token: str | None) -> Iterator[None]:
        """Report the addresses of the dashboard and the metrics, and keep the token in a file during the body.

        Args:
            url: As `ray.init` returns it, ``host:port``.
            token: Token of this Ray; None if the user's environment names it.
        """
        import ray

        (node,) = ray.nodes()  # type: ignore[no-untyped-call]
        metrics = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with contextlib.ExitStack() as stack:
            where = ""
            if os.environ.get("RAY_AUTH_MODE") == "token":  # Ray 2.60 asks for a token on a local dashboard too
                where = f" (it asks for a token: {stack.enter_context(_token_shown(token))})"
            self.tell(f"Ray's dashboard: http://{url}{where}; Prometheus metrics: {metrics}")
            yield


@contextlib.contextmanager
def _token_shown(token: str | None) -> Iterator[str]:
    """Return the command that prints the token of a Ray while it runs."""
    if token is None:
        yield "ray get-auth-token"
        return
    with tempfile.NamedTemporaryFile("w", prefix="lwq_tune-token-") as file:  # only its user can read it
        file.write(token)
        file.flush()
        yield f"cat {file.name}"


def find_dashboard(port: int | None, address: str | None, tell: Callable[[str], None]) -> Dashboard | None:
    """Return the dashboard that a user asks for; nothing is started or imported yet.

    Args:
        port: Where it listens, `FIRST_FREE` for Ray's choice, None for no dashboard.
        address: Of the cluster that the sweep joins, None where it starts a Ray of its own.
        tell: Takes one line with the addresses, once they are known.

    Raises:
        ConfigError: The sweep joins a cluster, packages are missing, or the port is not free.
    """
    if port is None:
        return None
    if address is not None:
        raise ConfigError(
            f"--dashboard is for a Ray of the sweep's own, the cluster at {address} has its own dashboard; leave it "
            "out, or add --address local"
        )
    problems = [*_missing_packages(), *_taken(port)]
    if problems:
        raise ConfigError("\n".join(problems))
    return Dashboard(port, tell)


def _missing_packages() -> list[str]:
    absent = [package for module, package in PACKAGES.items() if not _is_installed(module)]
    if not absent:
        return []
    return [
        f"--dashboard needs packages that are not installed here: {', '.join(absent)}; "
        "pip install 'lwq-tune[dashboard]'"
    ]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # what the module is a part of
        return False


def _taken(port: int) -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Ray does: a port that was just closed will do
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return [
                f"--dashboard needs a port of {HOST} that is free, {port} is not ({error.strerror}); give another one, "
                "or none for the first from 8265 on"
            ]
    return []
