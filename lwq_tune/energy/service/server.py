"""The process that holds a host's ledger and serves all sweeps on it over a socket.

The first client starts it, and it ends when no client has been connected for a while. It is a process and no Ray actor,
because a sweep's Ray ends with the sweep and cannot be shared with another sweep. An account lives as long as
the connection that opened it, so that a killed trial is closed at once.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import lwq_tune
from lwq_tune.energy.ledger.host_ledger import HostLedger
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.ledger.sampler import PERIOD_S, Reservation
from lwq_tune.energy.service.location import lock_path, socket_path
from lwq_tune.energy.service.protocol import (
    ANOTHER_HOLDS,
    PROTOCOL,
    Greeting,
    Hello,
    Leave,
    Mark,
    OpenRun,
    Register,
    Request,
    Sources,
    read_request,
    reply_line,
)
from lwq_tune.errors import EnergyMeterError

_log = logging.getLogger(__name__)

LINGER_S = 15.0
_TICK_S = 0.5


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves each connection in a thread, and counts connections and the runs that they opened."""

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
        """Answer requests until the client disconnects."""
        with contextlib.suppress(ConnectionError):
            for line in self.rfile:
                self.wfile.write(reply_line(self._answer(line)))

    def finish(self) -> None:
        """Close the accounts and runs that the client opened."""
        self._leave()
        with self.server.lock:
            self.server.n_connections -= 1
            self.server.last_seen_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            super().finish()

    def _leave(self) -> dict[str, Any]:
        """Close the accounts, and a run with its last client; what they used is then in the log of the run."""
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
            return self._reply(read_request(line))
        except (ValueError, KeyError, TypeError, OSError, EnergyMeterError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _reply(self, request: Request) -> dict[str, Any]:
        match request:
            case Hello():
                return self._greet(request)
            case OpenRun():
                return self._open_run(request.spec())
            case Register():
                return self._register(request)
            case Mark():
                return self.server.ledger.mark(request.account)
            case Sources():
                return vars(self.server.ledger.sources(self._opened()))
            case Leave():
                return self._leave()

    def _greet(self, request: Hello) -> dict[str, Any]:
        seen_pid, _, _ = struct.unpack("3i", self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if seen_pid != request.pid:  # the kernel translates it, to 0 where the ledger cannot see the process at all
            raise EnergyMeterError(
                f"process {request.pid} is {seen_pid or 'unknown'} to the ledger, which runs in another container; "
                "give each its own ledger, with LWQ_TUNE_LEDGER_DIR set to a folder that they do not share"
            )
        return vars(Greeting(PROTOCOL, lwq_tune.__version__, os.getpid()))

    def _open_run(self, spec: RunSpec) -> dict[str, Any]:
        with self.server.lock:
            if self._run is None:
                self.server.connections_of[spec.run] += 1
                self._run = spec.run
        self.server.ledger.open_run(spec)
        return {}

    def _register(self, asked: Register) -> dict[str, Any]:
        reservation = Reservation(asked.cpus, asked.gpus)
        account = self.server.ledger.register(
            self._opened(), asked.name, asked.pid, reservation, is_trial=asked.is_trial, rest=asked.rest
        )
        self._accounts.append(account)
        return {"account": account}

    def _opened(self) -> str:
        if self._run is None:
            raise EnergyMeterError("a client opens its run before anything else")
        return self._run


def serve(folder: Path, ledger: HostLedger, report_ready: Callable[[], object] = lambda: None) -> None:
    """Serve until no client has been connected for a while.

    Args:
        folder: Folder of the socket.
        ledger: The ledger to serve.
        report_ready: Called once clients can connect.
    """
    path = socket_path(folder)
    path.unlink(missing_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = _make_server(path, ledger)
    threads = [
        threading.Thread(target=server.serve_forever, args=(_TICK_S,), daemon=True),
        threading.Thread(target=_sample_until, args=(stop, ledger), daemon=True),
    ]
    for thread in threads:
        thread.start()
    report_ready()
    while not stop.wait(_TICK_S):
        with server.lock:
            if server.n_connections == 0 and time.monotonic() - server.last_seen_s > LINGER_S:
                break
    path.unlink(missing_ok=True)  # a client that connects from now on starts a new ledger
    stop.set()
    server.shutdown()
    server.socket.close()
    threads[1].join()
    ledger.close()


def _make_server(path: Path, ledger: HostLedger) -> _Server:
    previous, mask = Path.cwd(), os.umask(0o077)
    os.chdir(path.parent)  # a socket's path has 107 characters at most, its name alone is short
    try:
        return _Server(path.name, ledger)
    finally:
        os.umask(mask)
        os.chdir(previous)


def _sample_until(stop: threading.Event, ledger: HostLedger) -> None:
    has_failed = False
    while not stop.wait(PERIOD_S):
        try:
            ledger.sample()
            has_failed = False
        except Exception:  # noqa: BLE001 (one sample less is a longer interval, no thread is none at all)
            if not has_failed:
                _log.exception("a sample of the host failed; further failures in a row are not logged")
            has_failed = True


def main() -> None:
    """Run the ledger of this host, unless another process does.

    The process that was started waits until the ledger serves and ends with 0, or with 3 if another process has the
    lock. The ledger itself is its child, which has no parent afterwards, since Ray kills what its workers have started.
    """
    parser = argparse.ArgumentParser(prog="python -m lwq_tune.energy.service.server", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the socket")
    folder = parser.parse_args().folder.absolute()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        status = os.read(reading, 1)
        os._exit(status[0] if status else 1)
    os.close(reading)
    os.setsid()

    def report(status: int) -> None:
        os.write(writing, bytes([status]))
        os.close(writing)

    _hold(folder, report)


def _hold(folder: Path, report: Callable[[int], object]) -> None:
    lock = FileLock(lock_path(folder), mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)  # until the process ends
    except Timeout:
        report(ANOTHER_HOLDS)
        return
    from lwq_tune.energy.sensors.codecarbon import CodeCarbonMeter
    from lwq_tune.energy.sensors.nvml import find_gpus
    from lwq_tune.energy.sensors.processes import ProcessReader

    gpus = find_gpus()
    ledger = HostLedger(CodeCarbonMeter(gpus.gpus), gpus, ProcessReader())
    serve(folder, ledger, lambda: report(0))


if __name__ == "__main__":
    main()
