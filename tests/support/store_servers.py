"""A server on this machine that talks as Google's store does, and an empty bucket in any kind of store."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwq_tune.results.storage.storage import Storage
from tests.support.s3_server import HOST, S3Server

# The emulator serves one request at a time, and a client that reads two objects at once would wait for ever.
_THREADED = """
from http import server
server.HTTPServer = server.ThreadingHTTPServer
from gcp_storage_emulator.__main__ import main
main()
"""


class StoreServer:
    """A server in a process of its own; what it holds lives and dies with it."""

    def __init__(self, command: list[str], port: int, log: Path, **environment: str) -> None:
        self.port = port
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command, stdout=stream, stderr=stream, env={**os.environ, **environment}, cwd=log.parent
            )
        for _ in range(300):
            assert self._process.poll() is None, log.read_text()
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError(f"no server on port {port}: {log.read_text()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class GsServer(StoreServer):
    """Google Cloud Storage."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        command = [sys.executable, "-c", _THREADED, "start", "--host", HOST, "--port", str(port), "--in-memory"]
        super().__init__(command, port, log)

    def make_bucket(self, name: str) -> str:
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}/storage/v1/b?project=test",
            json.dumps({"name": name}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        return name

    def uri(self, path: str, port: int | None = None) -> str:
        options = f"endpoint_override={HOST}:{port or self.port}&scheme=http&retry_limit_seconds=2"
        return f"gs://anonymous@{path}?{options}"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def new_bucket(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Storage:
    """Return an empty bucket in a store of a kind: s3 or gs."""
    name = {"s3": "s3_server", "gs": "gs_server"}[kind]
    server: S3Server | GsServer = request.getfixturevalue(name)
    bucket = server.make_bucket(re.sub("[^a-z0-9]+", "-", tmp_path.name.lower())[-60:].strip("-"))
    return Storage.parse(server.uri(bucket))


@pytest.fixture(scope="session")
def gs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GsServer]:
    """A server of Google's kind for the whole session; it asks for no credentials."""
    pytest.importorskip("gcp_storage_emulator", reason="pip install gcp-storage-emulator: a server for gs://")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", raising=False)
        server = GsServer(tmp_path_factory.mktemp("gs") / "log")
        yield server
        server.kill()
