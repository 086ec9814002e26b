"""An S3 server on this machine, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HOST = "127.0.0.1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret"}


class S3Server:
    """Moto in a process of its own; what it holds lives and dies with it."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = _free_port()
        self._log = log
        self._environment = environment
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        for _ in range(300):
            assert self._process.poll() is None, self._log.read_text()
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError(f"no S3 server on port {self.port}: {self._log.read_text()}")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def make_bucket(self, name: str) -> str:
        """Make a bucket and return its name."""
        request = urllib.request.Request(f"http://{HOST}:{self.port}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        return name

    def pending_uploads(self, bucket: str) -> int:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/{bucket}?uploads", timeout=30) as answer:
            return answer.read().count(b"<UploadId>")

    def uri(self, path: str, port: int | None = None) -> str:
        return f"s3://{path}?endpoint_override={HOST}:{port or self.port}&scheme=http"


class Line:
    """A port that leads to another one until it is cut; cut, it refuses connections."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.port = _free_port()
        self.cut_after_bytes = sys.maxsize
        self.mend()

    def mend(self) -> None:
        self.cut_after_bytes = sys.maxsize
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for end in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((HOST, self._to_port))
                self._connections += [near, far]
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                for end in select.select([near, far], [], [])[0]:
                    content = end.recv(65536)
                    if not content:
                        near.close()
                        far.close()
                        return
                    if end is near:
                        self.cut_after_bytes -= len(content)
                        if self.cut_after_bytes < 0:
                            self.cut()
                            return
                    (far if end is near else near).sendall(content)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for the whole session, with credentials for it in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (CREDENTIALS | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
            patch.setenv(name, value)
        server = S3Server(tmp_path_factory.mktemp("s3") / "log")
        yield server
        server.kill()
