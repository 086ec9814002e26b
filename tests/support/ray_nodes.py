"""Ray nodes as processes of this machine, each started and ended on its own; as hosts of their own where permitted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from tests.conftest import REPOSITORY

START_TIMEOUT_S = 120


def may(*command: str) -> bool:
    """Return whether a command, such as making a network namespace, works here."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


MAY_MAKE_HOSTS = may("sh", "-c", "ip netns add lwq-probe && ip netns del lwq-probe && unshare -m -u true")


class Host:
    """A host with a name, a network and mounts of its own, on which processes can be started.

    Args:
        name: Its name.
        address: Its address, in 10.78.0.0/24.
        prepare: Shell commands that run before each process, in its own mounts.
    """

    def __init__(self, name: str, address: str, prepare: str = "true") -> None:
        self.name, self.address, self.prepare = name, address, prepare
        self.network = f"lwq-{os.getpid()}-{name}"
        run("ip", "netns", "add", self.network)
        run("ip", "-n", self.network, "link", "set", "lo", "up")

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs a command there."""
        script = f'hostname {self.name} && {self.prepare} && exec "$@"'
        return ["ip", "netns", "exec", self.network, "unshare", "-u", "-m", "sh", "-c", script, "sh", *command]

    def connect(self, other: Host) -> None:
        """Lay a cable to another host."""
        run("ip", "link", "add", "eth0", "netns", self.network, "type", "veth", "peer", "eth0", "netns", other.network)
        for host in (self, other):
            run("ip", "-n", host.network, "addr", "add", f"{host.address}/24", "dev", "eth0")
            host.plug("up")

    def plug(self, state: str) -> None:
        """Plug the cable in (``up``) or pull it (``down``)."""
        run("ip", "-n", self.network, "link", "set", "eth0", state)

    def remove(self) -> None:
        """Take the host away; its processes must have ended."""
        run("ip", "netns", "del", self.network)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class RayNodes:
    """The nodes of one Ray cluster; the first that is started is its head.

    Args:
        head: Host of the head; this machine on loopback without one.
        environment: Of all nodes.
    """

    def __init__(self, head: Host | None = None, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lwq"))  # short: Ray makes sockets in it
        ip = "127.0.0.1" if head is None else head.address
        self.address = f"{ip}:{free_port()}"
        self._environment = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        self._environment |= {"PYTHONPATH": str(REPOSITORY), **environment}
        self.processes: list[subprocess.Popen[str]] = []
        self._head = head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes[::-1]:
            self.end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(
        self, *options: str, host: Host | None = None, python: str = sys.executable, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a node and wait until it runs; return the process that holds it."""
        host = host or self._head
        ip, port = self.address.split(":")
        ours = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        role = [f"--address={self.address}"] if self.processes else ours
        ip = ip if host is None else host.address
        command = [python, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={ip}", *role, *options]
        process = subprocess.Popen(
            command if host is None else host.command(*command),
            env={**os.environ, **self._environment, **environment},
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        wait_for_line(process, "Ray runtime started")
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """End a node and all it has started."""
        started = descendants(process)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for one in [*started, *descendants(process)]:
            kill(one)
        process.kill()
        process.wait()
        self.processes.remove(process)

    def crash(self, process: subprocess.Popen[str]) -> None:
        """Kill a node with all it has started, so that nobody is told."""
        started = descendants(process)
        assert any(named(one, "raylet/raylet") for one in started)
        process.kill()
        for one in started:
            kill(one)
        process.wait()
        self.processes.remove(process)

    def workers(self, word: str) -> list[psutil.Process]:
        """Return the worker processes of all nodes with a word in their name."""
        found = [one for process in self.processes for one in descendants(process)]
        return [one for one in found if named(one, "ray::") and named(one, word)]


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def named(process: psutil.Process, word: str) -> bool:
    try:
        return word in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Wait until a process has written a line with some words; what it writes later is read and dropped."""
    lines: list[str] = []
    found = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if words in line:
                found.set()
        found.set()

    threading.Thread(target=read, daemon=True).start()
    assert found.wait(START_TIMEOUT_S), lines
    assert any(words in line for line in lines), lines


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until a condition holds, and fail where it does not in time."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not come"
        time.sleep(0.1)
