"""The connection to the ledger of this host, which is started where none runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lwq_tune
from lwq_tune.energy.address import ledger_folder, log_path, socket_path
from lwq_tune.energy.daemon import PROTOCOL
from lwq_tune.energy.intensity import IntensitySeries, for_host
from lwq_tune.errors import EnergyMeterError

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0
_RETRY_S = 0.05


@dataclass(frozen=True)
class RunSpec:
    """What the ledger has to know of a run.

    Attributes:
        run: Names it uniquely on a host.
        log: Log of its intervals on this host.
        intensity: Carbon intensity over time.
        pue: Power usage effectiveness.
    """

    run: str
    log: Path
    intensity: IntensitySeries
    pue: float = 1.0


def run_spec(run_dir: Path, intensities: Mapping[str, IntensitySeries], pue: float, hostname: str) -> RunSpec:
    """Return what the ledger of a host has to know of a run with a folder.

    Args:
        run_dir: Absolute path of the run folder.
        intensities: By host; of all others under the empty name.
        pue: Power usage effectiveness.
        hostname: The host.

    Raises:
        KeyError: There is no intensity for it.
    """
    intensity = for_host(intensities, hostname)
    if intensity is None:
        raise KeyError(hostname)
    return RunSpec(str(run_dir), run_dir / "energy" / f"{hostname}.jsonl", intensity, pue)


class LedgerClient:
    """One connection, for one thread.

    Raises:
        EnergyMeterError: There is no ledger and none could be started, or one of another version runs.
    """

    def __init__(self) -> None:
        self._folder = ledger_folder()
        self._socket = _connect_or_start(self._folder)
        self._stream = self._socket.makefile("rb")
        greeting = self.call("hello")
        if greeting["protocol"] != PROTOCOL:
            self.close()
            raise EnergyMeterError(
                f"all sweeps of a host share one energy ledger; the one that runs here (process {greeting['pid']}) is "
                f"of version {greeting['version']}, this is {lwq_tune.__version__}; wait until its sweeps have ended"
            )
        self.ledger_pid: int = greeting["pid"]

    def call(self, do: str, **values: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            ConnectionError: The ledger has ended.
            EnergyMeterError: It could not do what was asked.
        """
        try:
            self._socket.sendall(json.dumps({"do": do, **values}).encode() + b"\n")
            line = self._stream.readline()
        except TimeoutError as error:
            raise ConnectionError("the ledger does not answer") from error
        if not line:
            raise ConnectionError("the ledger has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EnergyMeterError(f"the energy ledger refused to {do}: {answer['error']}")
        return answer

    def open_run(self, spec: RunSpec, lost_since_s: float | None) -> None:
        """Ask for books of a run.

        Args:
            spec: The run.
            lost_since_s: Since when, in unix time, it has been without a ledger; None where it has not.
        """
        self.call(
            "open_run",
            run=spec.run,
            log=str(spec.log),
            intensity=spec.intensity.to_dict(),
            pue=spec.pue,
            lost_since_s=lost_since_s,
        )

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
        answer = self.call(
            "register", name=name, pid=pid, cpus=cpus, gpus=dict(gpus or {}), is_trial=is_trial, rest=rest
        )
        account: str = answer["account"]
        return account

    def close(self) -> None:
        """End the connection; the ledger closes what it opened."""
        self._stream.close()
        self._socket.close()


def _connect_or_start(folder: Path) -> socket.socket:
    """Return a connection to the ledger; where none answers, one is started and waited for."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    process: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline_s:
        connection = _connect(socket_path(folder))
        if connection is not None:
            return connection
        if process is None or process.poll() is not None:
            if process is not None and process.returncode != 0:
                break
            process = _start(folder)
        time.sleep(_RETRY_S)
    raise EnergyMeterError(f"the energy ledger did not start: {_last_line(log_path(folder))}")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_TIMEOUT_S)
    folder = -1
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        # By way of the folder's descriptor: a socket's path has 107 characters at most.
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        return None
    finally:
        if folder >= 0:
            os.close(folder)
    return connection


def _start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the ledger in a session of its own: Ctrl-C ends a sweep, not the books of others."""
    root = str(Path(lwq_tune.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)  # it reads all GPUs of the host
    with log_path(folder).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "lwq_tune.energy.daemon", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no word"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no word")
