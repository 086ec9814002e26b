"""The process that holds a host's ledger and serves all sweeps on it over a socket.

Started by the first that asks, ended when nobody has been connected for a while. It is a process of its own and no
actor, because a sweep's Ray ends with the sweep and cannot be shared with another one's. An account lives as long as
the connection that opened it, so that a killed trial is closed at once.

Requests and replies are JSON objects, one per line; a reply with ``error`` says what was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import logging
import os
import signal
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lwq_tune
from lwq_tune.energy.address import lock_path, socket_path
from lwq_tune.energy.host_ledger import HostLedger
from lwq_tune.energy.host_sampler import PERIOD_S, Reservation
from lwq_tune.energy.intensity import IntensitySeries
from lwq_tune.errors import EnergyMeterError

_log = logging.getLogger(__name__)

PROTOCOL = 1
LINGER_S = 15.0
_TICK_S = 0.5


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves each connection in a thread, and knows how many there are and which runs they are of."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: str, ledger: HostLedger) -> None:
        super().__init__(path, _Connection)
        self.ledger = ledger
        self.lock = threading.Lock()
        self.n_connections = 0
        self.last_seen_s = time.monotonic()
        self.connections_of: Counter[str] = Counter()


class _Connection(socketserver.StreamRequestHandler):
    """One client: a sweep, or a trial."""

    server: _Server

    def setup(self) -> None:
        """Count the connection."""
        super().setup()
        self._run: str | None = None
        self._accounts: list[str] = []
        with self.server.lock:
            self.server.n_connections += 1

    def handle(self) -> None:
        """Answer until the client goes."""
        with contextlib.suppress(ConnectionError):
            for line in self.rfile:
                self.wfile.write(json.dumps(self._answer(line)).encode() + b"\n")

    def finish(self) -> None:
        """Close what the client opened."""
        self._leave()
        with self.server.lock:
            self.server.n_connections -= 1
            self.server.last_seen_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            super().finish()

    def _leave(self) -> dict[str, Any]:
        """Close the accounts, and the run with its last client; what they used is in its log then."""
        ledger, run = self.server.ledger, self._run
        for account in self._accounts:
            ledger.unregister(account)
        self._accounts, self._run = [], None
        if run is not None:
            with self.server.lock:
                self.server.connections_of[run] -= 1
                if self.server.connections_of[run] == 0:
                    ledger.close_run(run)
        return {}

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return self._actions()[request.pop("do")](**request)
        except (ValueError, KeyError, TypeError, EnergyMeterError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _actions(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {
            "hello": self._hello,
            "open_run": self._open_run,
            "register": self._register,
            "mark": self._mark,
            "sources": self._sources,
            "leave": self._leave,
        }

    def _hello(self) -> dict[str, Any]:
        return {"protocol": PROTOCOL, "version": lwq_tune.__version__, "pid": os.getpid()}

    def _open_run(
        self, run: str, log: str, intensity: dict[str, Any], pue: float, lost_since_s: float | None
    ) -> dict[str, Any]:
        with self.server.lock:
            if self._run is None:
                self.server.connections_of[run] += 1
                self._run = run
            self.server.ledger.open_run(run, Path(log), IntensitySeries.from_dict(intensity), pue, lost_since_s)
        return {}

    def _register(
        self, name: str, pid: int, cpus: float, gpus: dict[str, float], is_trial: bool, rest: str | None
    ) -> dict[str, Any]:
        account = self.server.ledger.register(
            self._opened(), name, pid, Reservation(cpus, gpus), is_trial=is_trial, rest=rest
        )
        self._accounts.append(account)
        return {"account": account}

    def _mark(self, account: str) -> dict[str, Any]:
        return self.server.ledger.mark(account)

    def _sources(self) -> dict[str, Any]:
        return vars(self.server.ledger.sources(self._opened()))

    def _opened(self) -> str:
        if self._run is None:
            raise EnergyMeterError("a client opens its run before anything else")
        return self._run


def serve(folder: Path, ledger: HostLedger) -> None:
    """Serve until nobody has been connected for a while.

    Args:
        folder: Where the socket is made.
        ledger: What is served.
    """
    path = socket_path(folder)
    path.unlink(missing_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    previous = Path.cwd()
    os.chdir(folder)  # a socket's path has 107 characters at most, its name alone is short
    server = _Server(path.name, ledger)
    os.chdir(previous)
    threads = [
        threading.Thread(target=server.serve_forever, args=(_TICK_S,), daemon=True),
        threading.Thread(target=_sample_until, args=(stop, ledger), daemon=True),
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(_TICK_S):
        with server.lock:
            if server.n_connections == 0 and time.monotonic() - server.last_seen_s > LINGER_S:
                path.unlink(missing_ok=True)  # before the last look, so that a client from now on starts a new one
                break
    stop.set()
    server.shutdown()
    threads[1].join()
    ledger.close()


def _sample_until(stop: threading.Event, ledger: HostLedger) -> None:
    while not stop.wait(PERIOD_S):
        try:
            ledger.sample()
        except Exception:  # noqa: BLE001 (a second without a sample is a longer interval; without the thread there were none)
            _log.exception("a sample of the host failed")


def main() -> None:
    """Hold the ledger of this host, unless another process does."""
    parser = argparse.ArgumentParser(prog="python -m lwq_tune.energy.daemon", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the socket")
    folder = parser.parse_args().folder.absolute()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    descriptor = os.open(lock_path(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)  # another one was faster
    from lwq_tune.energy.codecarbon_meter import CodecarbonNode
    from lwq_tune.energy.nvml import find_gpus
    from lwq_tune.energy.processes import ProcessReader

    gpus = find_gpus()
    serve(folder, HostLedger(CodecarbonNode(gpus.gpus), gpus, ProcessReader()))


if __name__ == "__main__":
    main()
