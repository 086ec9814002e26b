"""The connection to the ledger of this host; starts the ledger if none runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import lwq_tune
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.meter import MeterSources
from lwq_tune.energy.sensors.processes import PROC
from lwq_tune.energy.service.location import ledger_folder, log_path, socket_path
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
    request_line,
)
from lwq_tune.errors import EnergyMeterError

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0
_RETRY_S = 0.05
_WAIT_FOR_ANOTHER_S = 0.3
# A job's variables are not the host's: CodeCarbon takes CPUs and memory from SLURM's, and NVML hides GPUs.
_CHANGE_FIGURES = ("SLURM_", "CODECARBON_", "CUDA_VISIBLE_DEVICES")
Result = TypeVar("Result")


class LedgerClient:
    """One connection to the ledger, for use by one thread.

    Raises:
        ConnectionError: The ledger ended before it answered the first request.
        EnergyMeterError: No ledger runs and none could be started, or one of another version runs.
    """

    def __init__(self) -> None:
        self._folder = ledger_folder()
        self._socket = _connect_or_start(self._folder)
        self._stream = self._socket.makefile("rb")
        greeting = self.greet()
        if greeting.protocol != PROTOCOL:
            self.close()
            raise EnergyMeterError(
                f"all sweeps of a host share one energy ledger; the one that runs here (process {greeting.pid}) is of "
                f"version {greeting.version}, this is {lwq_tune.__version__}; wait until its sweeps have ended"
            )
        self.ledger_pid = greeting.pid

    def ask(self, request: Request) -> dict[str, Any]:
        """Return the reply to a request.

        Raises:
            ConnectionError: The ledger has ended.
            EnergyMeterError: It could not do what was asked.
        """
        try:
            self._socket.sendall(request_line(request))
            line = self._stream.readline()
        except TimeoutError as error:
            raise ConnectionError("the ledger does not answer") from error
        if not line:
            raise ConnectionError("the ledger has ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise EnergyMeterError(f"the energy ledger refused to {request.do}: {reply['error']}")
        return reply

    def greet(self) -> Greeting:
        """Ask which ledger answers, or whether it still does."""
        return Greeting.of(self.ask(Hello(os.getpid())))

    def open_run(self, spec: RunSpec) -> None:
        """Ask the ledger to measure for a run."""
        self.ask(OpenRun.of(spec, self._folder))

    def register(
        self,
        name: str,
        pid: int,
        cpus: float = 0.0,
        gpus: Mapping[str, float] | None = None,
        *,
        is_trial: bool = True,
        rest: str | None = None,
    ) -> str:
        """Ask for an account and return its id; the arguments are those of `HostLedger.register`."""
        account: str = self.ask(Register(name, pid, cpus, dict(gpus or {}), is_trial, rest))["account"]
        return account

    def mark(self, account: str) -> dict[str, Any]:
        """Ask what an account has been charged with so far, see `HostLedger.mark`."""
        return self.ask(Mark(account))

    def sources(self) -> MeterSources:
        """Ask how the figures of the run are obtained."""
        return MeterSources(**self.ask(Sources()))

    def leave(self) -> None:
        """Ask to close all that was opened through this connection; what was used is then in the log of the run."""
        self.ask(Leave())

    def close(self) -> None:
        """Close the connection; the ledger then closes the accounts and runs that were opened through it."""
        self._stream.close()
        self._socket.close()


def connect(introduce: Callable[[LedgerClient], Result]) -> tuple[LedgerClient, Result]:
    """Return a connection and what ``introduce`` returned; a ledger that ends meanwhile is started again.

    Args:
        introduce: Makes the first requests of the client.

    Raises:
        EnergyMeterError: No ledger runs and none could be started, or it refuses a request.
    """
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client = LedgerClient()
            try:
                return client, introduce(client)
            except BaseException:
                client.close()
                raise
        except OSError as error:
            if time.monotonic() > deadline_s:
                raise EnergyMeterError(f"the energy ledger ends again after each start: {error}") from error
            time.sleep(_RETRY_S)


def _connect_or_start(folder: Path) -> socket.socket:
    """Return a connection to the ledger; if none answers, start one and wait for it."""
    if not (PROC / "stat").exists():
        raise EnergyMeterError(
            "the energy ledger reads the CPU time of processes from /proc, which only Linux has; this system has none; "
            "train one trial at a time with: python -m lwq_tune train --no-energy"
        )
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        connection = _connect(socket_path(folder))
        if connection is not None:
            return connection
        log_size = log_path(folder).stat().st_size if log_path(folder).exists() else 0
        status = _start(folder)
        if status == ANOTHER_HOLDS:
            time.sleep(_WAIT_FOR_ANOTHER_S)  # it is about to serve, or about to end
        elif status != 0:
            raise EnergyMeterError(f"the energy ledger did not start: {_last_line(log_path(folder), log_size)}")
    raise EnergyMeterError(f"the energy ledger did not start within {START_TIMEOUT_S:.0f} s")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_TIMEOUT_S)
    folder = -1
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        # Through the folder's descriptor, since a socket's path may have at most 107 characters.
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        return None
    finally:
        if folder >= 0:
            os.close(folder)
    return connection


def _start(folder: Path) -> int:
    """Start the ledger and wait until it serves; return the exit code of what was started.

    It runs in a session of its own, so that Ctrl-C ends one sweep and not the ledger that other sweeps use.
    """
    root = str(Path(lwq_tune.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_CHANGE_FIGURES)}
    with log_path(folder).open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "lwq_tune.energy.service.server", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
            check=False,
        )
    return done.returncode


def _last_line(path: Path, begin: int) -> str:
    """Return the last line that was added to a file after ``begin`` bytes."""
    try:
        with path.open("rb") as stream:
            stream.seek(begin)
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote no message")
