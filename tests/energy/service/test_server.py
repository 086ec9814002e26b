"""The ledger as a process: started by the first client, shared by all, replaced when it dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import lwq_tune
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.interval_log import read_intervals
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service import client as ledger_client
from lwq_tune.energy.service import server as daemon
from lwq_tune.energy.service.client import LedgerClient
from lwq_tune.energy.service.location import FOLDER_VARIABLE, ledger_folder, socket_path
from lwq_tune.energy.service.protocol import PROTOCOL
from lwq_tune.energy.trial_meter import LedgerMeter
from lwq_tune.errors import EnergyMeterError, ResultsError
from tests.support.fake_host import FakeHost

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

GRID = IntensitySeries.constant(100.0, "user")
BURN = "import time\nwhile time.process_time() < {}: pass"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A ledger of this test's own, killed at its end."""
    folder = tmp_path / "ledger"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in (process.info["cmdline"] or []):
            process.kill()


def spec_of(folder: Path, run: str = "run") -> RunSpec:
    return RunSpec(run, folder / f"{run}.jsonl", GRID, session="one")


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.05)


def test_two_trials_of_one_process_tree_are_told_apart_and_together_use_less_than_the_host(folder: Path) -> None:
    spec = spec_of(folder)
    scripts = [f"input()\n{BURN.format(s)}\ninput()" for s in (1.5, 0.5)]
    children = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) for script in scripts]
    meters = [LedgerMeter(spec, f"key{n}", child.pid, 1.0) for n, child in enumerate(children)]
    for meter, child in zip(meters, children, strict=True):
        meter.begin_window()
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    wait_for(lambda: sum(psutil.Process(children[0].pid).cpu_times()[:2]) >= 1.45)
    wait_for(lambda: sum(psutil.Process(children[1].pid).cpu_times()[:2]) >= 0.45)
    time.sleep(0.1)
    readings = [meter.end_window() for meter in meters]
    for child in children:
        child.communicate(b"\n")
    assert len({meter._client.ledger_pid for meter in meters}) == 1
    dear, cheap = (reading.active_energy_kwh or 0.0 for reading in readings)
    assert dear > cheap > 0
    assert all(reading.coverage == 1.0 and reading.share_method == "cpu-seconds" for reading in readings)
    assert all(reading.concurrency == pytest.approx(2.0, abs=0.2) for reading in readings)
    for meter in meters:
        meter.close()
    wait_for(lambda: any(r["concurrency"] == 0 for r in read_intervals(spec.log)[3:]))
    records = read_intervals(spec.log)
    node_kwh = sum(sum(r["node"].values()) for r in records) / 3.6e6
    assert 0 < sum(reading.energy_kwh or 0.0 for reading in readings) < node_kwh


def test_a_killed_ledger_is_replaced_and_the_gap_is_told(folder: Path) -> None:
    meter = LedgerMeter(spec_of(folder), "key", os.getpid(), 1.0)
    first = meter._client.ledger_pid
    meter.begin_window()
    time.sleep(0.3)
    meter._mark()  # as another trial's would, so that a part of the window is in the log
    os.kill(first, signal.SIGKILL)
    reading = meter.end_window()
    assert meter._client.ledger_pid != first
    assert reading.energy_kwh is not None
    assert reading.energy_kwh >= 0
    assert reading.coverage is not None
    assert 0 < reading.coverage < 1
    assert reading.unmeasured_s == pytest.approx((1 - reading.coverage) * reading.time_s)
    meter.begin_window()
    time.sleep(0.3)
    assert meter.end_window().coverage == 1.0
    meter.close()
    assert "ledger-down" in {flag for record in read_intervals(folder / "run.jsonl") for flag in record["flags"]}


def test_where_no_ledger_can_be_had_any_more_readings_are_empty_and_the_trial_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = LedgerMeter(spec_of(folder), "key", os.getpid(), 1.0)
    meter.begin_window()
    os.kill(meter._client.ledger_pid, signal.SIGKILL)
    monkeypatch.setattr(ledger_client, "START_TIMEOUT_S", 0.0)
    reading = meter.end_window()
    assert (reading.energy_kwh, reading.active_energy_kwh, reading.emissions_kg_co2eq) == (None, None, None)
    assert (reading.coverage, reading.unmeasured_s) == (0.0, reading.time_s)
    assert meter.between_windows().energy_kwh is None
    monkeypatch.undo()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    meter.begin_window()
    assert meter.end_window().energy_kwh is not None
    meter.close()


def test_clients_survive_a_ledger_that_is_told_to_end(folder: Path) -> None:
    meters = [LedgerMeter(spec_of(folder), f"key{n}", os.getpid(), 1.0) for n in range(3)]
    os.kill(meters[0]._client.ledger_pid, signal.SIGTERM)
    for _ in range(10):
        for meter in meters:
            meter.begin_window()
        time.sleep(0.1)
        readings = [meter.end_window() for meter in meters]
    assert all(reading.energy_kwh is not None and reading.coverage == 1.0 for reading in readings)
    assert len({meter._client.ledger_pid for meter in meters}) == 1
    for meter in meters:
        meter.close()


def test_the_ledger_is_no_child_of_the_client_that_started_it_and_outlives_it(folder: Path) -> None:
    script = "from lwq_tune.energy.service.client import LedgerClient\nprint(LedgerClient().ledger_pid)"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ledger = psutil.Process(int(started.stdout))
    assert ledger.is_running()
    assert ledger.pid not in {child.pid for child in psutil.Process().children(recursive=True)}
    client = LedgerClient()
    assert client.ledger_pid == ledger.pid
    client.close()


def test_variables_of_a_job_do_not_change_what_the_host_draws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "CODECARBON_PUE"):
        monkeypatch.setenv(name, "7")
    client = LedgerClient()
    environment = psutil.Process(client.ledger_pid).environ()
    assert not [name for name in environment if name.startswith(("SLURM_", "CODECARBON_P", "CUDA_VISIBLE"))]
    client.close()


def test_a_process_that_the_ledger_knows_by_another_number_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LedgerClient().close()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(EnergyMeterError, match="another container"):
        LedgerClient()


def test_windows_and_what_lies_between_add_up_to_the_account(folder: Path) -> None:
    meter = LedgerMeter(spec_of(folder), "key", os.getpid(), 1.0)
    parts_kwh, end_s = 0.0, time.monotonic() + 2.0
    while time.monotonic() < end_s:
        meter.begin_window()
        sum(range(10**6))
        parts_kwh += meter.end_window().energy_kwh or 0.0
        time.sleep(0.1)
        sum(range(10**6))
    parts_kwh += meter.between_windows().energy_kwh or 0.0
    last = meter._mark()
    assert not isinstance(last, float)
    assert not isinstance(meter._base, float)
    after_kwh = sum(part.total_j for part in last.totals.minus(meter._base.totals).parts.values()) / 3.6e6
    account_kwh = sum(part.total_j for part in last.totals.parts.values()) / 3.6e6
    assert parts_kwh + after_kwh == pytest.approx(account_kwh, rel=1e-9)
    meter.close()


def test_a_trial_that_is_killed_is_closed_at_once(folder: Path) -> None:
    spec = spec_of(folder)
    watcher = LedgerClient()
    watcher.open_run(spec)
    script = (
        "import os, time\nfrom pathlib import Path\nfrom lwq_tune.carbon.intensity import IntensitySeries\n"
        "from lwq_tune.energy.ledger.run_ledger import RunSpec\nfrom lwq_tune.energy.trial_meter import LedgerMeter\n"
        f"spec = RunSpec('run', Path({str(spec.log)!r}), IntensitySeries.constant(100, 'user'))\n"
        "meter = LedgerMeter(spec, 'key', os.getpid(), 1.0)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    other = watcher.register("driver", os.getpid(), is_trial=False)
    child.kill()
    child.wait()
    wait_for(lambda: (watcher.mark(other), read_intervals(spec.log)[-1]["concurrency"] == 0)[1])
    watcher.close()


def test_many_clients_that_start_together_share_one_ledger(folder: Path) -> None:
    pids: list[int] = []

    def ask() -> None:
        client = LedgerClient()
        pids.append(client.ledger_pid)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 6
    assert len(set(pids)) == 1


def sent(client: LedgerClient, line: bytes) -> dict[str, Any]:
    """Return the reply to a line as it is."""
    client._socket.sendall(line + b"\n")
    reply: dict[str, Any] = json.loads(client._stream.readline())
    return reply


def test_what_is_asked_wrongly_is_refused_and_the_ledger_lives_on(folder: Path) -> None:
    client = LedgerClient()
    for line in (b"this is no JSON", b"[1]", b'{"do": ["mark"]}', b'{"do": "nonsense"}', b'{"do": "mark"}'):
        assert "error" in sent(client, line), line
    with pytest.raises(EnergyMeterError, match="refused to mark: KeyError: 'nobody'"):
        client.mark("nobody")
    with pytest.raises(EnergyMeterError, match="refused to sources: .* opens its run before anything else"):
        client.sources()
    client.open_run(spec_of(folder))
    with pytest.raises(EnergyMeterError, match="no process"):
        client.register("trial|k|s", 2**22 + 1)
    assert client.sources().pue == 1.0
    client.close()


def test_a_client_of_a_later_version_learns_which_ledger_runs(folder: Path) -> None:
    client = LedgerClient()
    hello = {"do": "hello", "pid": os.getpid(), "added later": True}
    assert sent(client, json.dumps(hello).encode()) == {
        "protocol": PROTOCOL,
        "version": lwq_tune.__version__,
        "pid": client.ledger_pid,
    }
    client.close()


def test_a_ledger_of_another_version_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LedgerClient().close()
    monkeypatch.setattr(ledger_client, "PROTOCOL", 99)
    with pytest.raises(EnergyMeterError, match="wait until its sweeps have ended"):
        LedgerClient()


def test_a_ledger_that_nobody_needs_ends_and_leaves_no_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "LINGER_S", 0.2)
    host = FakeHost()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)  # not the main thread
        thread = threading.Thread(target=daemon.serve, args=(folder, host.ledger()))
        thread.start()
        wait_for(socket_path(folder).exists)
        thread.join(timeout=20)
    assert not thread.is_alive()
    assert not socket_path(folder).exists()
    assert host.node.is_closed


def test_a_ledger_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = folder / "broken"
    (broken / "codecarbon").mkdir(parents=True)
    (broken / "codecarbon" / "__init__.py").write_text("raise RuntimeError('no meter today')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    monkeypatch.setattr(ledger_client, "START_TIMEOUT_S", 20.0)
    with pytest.raises(EnergyMeterError, match="did not start: RuntimeError: no meter today"):
        LedgerClient()


def test_a_system_without_proc_is_told_what_is_missing_and_the_way_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_client, "PROC", tmp_path)
    with pytest.raises(EnergyMeterError, match=r"this system has none; .* train --no-energy"):
        LedgerClient()


def test_nothing_listens_on_the_network(folder: Path) -> None:
    client = LedgerClient()
    connections = psutil.Process(client.ledger_pid).net_connections(kind="inet")
    assert connections == []
    assert (socket_path(folder).parent.stat().st_mode & 0o077) == 0
    client.close()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv(FOLDER_VARIABLE, str(shared))
    with pytest.raises(ResultsError, match="yours and that nobody else can write to"):
        ledger_folder()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file" / "x"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=FOLDER_VARIABLE):
        ledger_folder()


def test_a_long_path_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("a" * 80) / ("b" * 80)
    deep.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv(FOLDER_VARIABLE, str(deep))
    client = LedgerClient()
    assert isinstance(client._socket, socket.socket)
    os.kill(client.ledger_pid, signal.SIGTERM)
    client.close()
