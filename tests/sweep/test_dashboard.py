"""Ray's dashboard beside a sweep: refused before anything starts, or there, on loopback, and charged to the sweep."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from lwq_tune.cli.main import main
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.dashboard import (
    FIRST_FREE,
    HOST,
    PACKAGES,
    Dashboard,
    find_dashboard,
)
from tests.conftest import run_python
from tests.support.sweeps import n_rows, sweep_arguments, sweeping, used_kwh, wait_for

LOOPBACK = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def test_nobody_asked_and_there_is_none() -> None:
    assert find_dashboard(None, "10.0.0.1:6379", print) is None


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(("port", "told"), [(FIRST_FREE, None), (48265, 48265)])
def test_ray_is_told_of_the_port_and_of_loopback(port: int, told: int | None) -> None:
    dashboard = find_dashboard(port, None, print)
    assert dashboard == Dashboard(port, print)
    assert dashboard.init_arguments() == {"dashboard_host": "127.0.0.1", "dashboard_port": told}


@pytest.mark.usefixtures("_installed")
def test_the_dashboard_of_a_cluster_is_the_cluster_s_own() -> None:
    with pytest.raises(ConfigError, match=r"the cluster at 10.0.0.1:6379 has its own dashboard; .* --address local$"):
        find_dashboard(FIRST_FREE, "10.0.0.1:6379", print)


@pytest.mark.usefixtures("_installed")
def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"{port} is not \(Address already in use\); give another one, or none"):
            find_dashboard(port, None, print)


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (["opencensus"], "opencensus"),
        (["aiohttp", "opentelemetry.proto"], "aiohttp, opentelemetry-proto"),
        (list(PACKAGES), ", ".join(PACKAGES.values())),
    ],
)
def test_all_missing_packages_are_named_at_once(absent: list[str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> str | None:
        if name in absent and "." in name:
            raise ModuleNotFoundError(name)  # as where what it is a part of is missing
        return None if name in absent else name

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ConfigError) as caught:
        find_dashboard(FIRST_FREE, None, print)
    assert str(caught.value) == (
        f"--dashboard needs packages that are not installed here: {named}; pip install 'lwq-tune[dashboard]'"
    )


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8265.5", "results/night"])
@pytest.mark.parametrize(
    "command", [["sweep", "--space", "named_schedules"], ["resume", "results/night"]], ids="-".join
)
def test_what_is_no_port_is_refused(command: list[str], port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, f"--dashboard={port}"])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"error: argument --dashboard: a port is a number from 1 to 65535, got {port!r}")


def test_a_refused_sweep_has_made_nothing(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys; found = u.find_spec\n"
        "u.find_spec = lambda name: None if name == 'opencensus' else found(name)\n"
        "from lwq_tune.cli.main import main; code = main(sys.argv[1:]); print('ray' in sys.modules); sys.exit(code)"
    )
    arguments = sweep_arguments(tmp_path / "results")[2:]
    result = run_python("-c", code, *arguments, "--dashboard", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "False\n")
    assert re.fullmatch(r"error: --dashboard needs packages .*opencensus.*\[dashboard\]'\n", result.stderr)
    assert list(tmp_path.iterdir()) == []
    arguments += ["--dashboard", "--address", "10.0.0.1:6379"]
    result = run_python("-m", "lwq_tune", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: --dashboard is for a Ray of the sweep's own")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def get(url: str, token: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


@pytest.mark.slow
def test_dashboard_and_metrics_answer_on_loopback_and_are_booked_to_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in PACKAGES:
        pytest.importorskip(module, reason="needs pip install 'lwq-tune[dashboard]'")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    run = tmp_path / "run"
    with sweeping([*sweep_arguments(tmp_path, "epochs=400"), "--dashboard", str(port)], tmp_path) as process:
        wait_for(lambda: n_rows(run) >= 2, process)
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("Ray's dashboard: "))
        pattern = r"Ray's dashboard: (\S+) \(it asks for a token: cat (\S+)\); Prometheus metrics: (\S+)\n"
        dashboard, token_file, metrics = re.fullmatch(pattern, line).groups()  # type: ignore[union-attr]
        assert dashboard == f"http://127.0.0.1:{port}"
        assert get(f"{dashboard}/api/version")[0] == 401
        assert Path(token_file).stat().st_mode & 0o777 == 0o600
        status, answer = get(f"{dashboard}/api/version", Path(token_file).read_text())
        assert (status, "ray_version" in json.loads(answer)) == (200, True)
        status, answer = get(metrics)
        assert (status, b"ray_node_cpu_utilization" in answer) == (200, True)
        family = family_of(process)
        ports = {c.laddr for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        assert {port, int(metrics.split(":")[2].split("/")[0])} <= {address.port for address in ports}
        assert {address.ip for address in ports} <= LOOPBACK
        # The ledger charges the sweep with what descends from its driver.
        commands = [" ".join(p.cmdline()) for p in family]
        assert sum("dashboard" in command for command in commands) > 3
        process.terminate()
        process.wait(timeout=120)
        assert used_kwh(run) > 0
        assert not Path(token_file).exists()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert [p for p in alive if "dashboard" in " ".join(p.cmdline())] == []
