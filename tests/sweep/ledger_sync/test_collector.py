from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.energy.service.host_spool import ENERGY_LOG, HostSpools, RunLocation
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.ledger_sync import collector as ledger_collector
from lwq_tune.sweep.ledger_sync.collector import LedgerCollector, RemoteLedger, import_host_spools
from lwq_tune.sweep.plan import Plan

OPENED = b'{"event": "opened", "session": "now", "at_s": 1.0}\n'
INTERVAL = b'{"begin_s": 1.0, "time_s": 1.0}\n'
CLOSED = b'{"event": "closed", "session": "now", "at_s": 3.0}\n'


class Host:
    """A host that does not share the run folder, and its agent, which answers at once."""

    def __init__(self, folder: Path, location: RunLocation) -> None:
        self.location, self.is_up = location, True
        self._spools = HostSpools(folder, location.key, "node-b")
        name = location.spool_name("node-b", "now")
        assert name is not None
        self.spool = folder / name
        (self.spool / "logs").mkdir(parents=True)
        self.chunks, self.leave, self.clear = Method(self._chunks), Method(self._leave), Method(self._clear)

    def write(self, *lines: bytes) -> None:
        with (self.spool / ENERGY_LOG).open("ab") as stream:
            stream.writelines(lines)

    def _chunks(self, key: str, session: str, have: dict[tuple[str, str], int]) -> Any:
        assert key == self.location.key
        return self._answer(self._spools.read(session, have))

    def _leave(self) -> Any:
        if self.spool.exists():
            self.write(CLOSED)
        return self._answer(None)

    def _clear(self, key: str, have: dict[tuple[str, str], int]) -> Any:
        self._spools.remove(have)
        return self._answer(None)

    def _answer(self, value: Any) -> Any:
        return (value,) if self.is_up else None


class Method:
    """What is called with ``.remote``."""

    def __init__(self, remote: Any) -> None:
        self.remote = remote


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(ledger_collector, "PERIOD_S", 1000.0)
    monkeypatch.setattr(ledger_collector, "CLOSE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(RemoteLedger, "_ask_one", staticmethod(lambda asked: asked))
    config = SweepConfig(results_dir=tmp_path, run="run", data_dir=tmp_path, storage=str(tmp_path / "storage"))
    folder = RunFolder(config.run_dir)
    folder.path.mkdir()
    return Plan(folder, config, {}, {"": IntensitySeries.constant(50.0, "test")}, {}, session="now")


@pytest.fixture
def host(plan: Plan, tmp_path: Path) -> Host:
    assert plan.run_location is not None
    return Host(tmp_path / "there", plan.run_location)


@pytest.fixture
def collector(plan: Plan, host: Host) -> Iterator[LedgerCollector]:
    assert plan.run_location is not None
    found = LedgerCollector(
        plan, plan.run_location, {"1": host, "2": object()}, {"1": "node-b", "2": plan.run_location.host}
    )
    yield found
    found.close()


def test_what_a_row_used_is_here_before_the_row_is_recorded(plan: Plan, host: Host, collector: LedgerCollector) -> None:
    assert plan.run_location is not None
    host.write(OPENED, INTERVAL)
    for hostname in ("node-b", plan.run_location.host):
        collector.fetch(hostname)
    assert {file.name: file.read_bytes() for file in plan.folder.energy.iterdir()} == {
        "node-b.jsonl": OPENED + INTERVAL
    }


def test_closing_fetches_the_rest_with_the_logs_and_clears_up_there(
    plan: Plan, host: Host, collector: LedgerCollector, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED, INTERVAL)
    log = plan.folder.path / "logs" / "0123.log"
    log.parent.mkdir()
    log.write_text("of an attempt here\n")
    (host.spool / "logs" / "0123.log").write_text("begins\n")
    collector.fetch("node-b")
    (host.spool / "logs" / "0123.log").write_text("begins\nends\n")
    collector.close()
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED + INTERVAL + CLOSED
    assert log.read_text() == "of an attempt here\nbegins\nends\n"
    assert not host.spool.exists()
    assert caplog.records == []


def test_a_host_that_is_lost_is_asked_no_more_before_a_row_and_named_in_the_end(
    plan: Plan, host: Host, collector: LedgerCollector, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED)
    collector.fetch("node-b")
    host.is_up = False
    collector.fetch("node-b")
    host.is_up = True
    host.write(INTERVAL)
    collector.fetch("node-b")
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED
    host.is_up = False
    with caplog.at_level(logging.WARNING):
        collector.close()
    assert "the energy log of node-b is incomplete" in caplog.text
    assert host.spool.exists()


def test_a_log_that_stays_open_is_not_waited_for_for_ever(
    plan: Plan, host: Host, collector: LedgerCollector, caplog: pytest.LogCaptureFixture
) -> None:
    host.leave = Method(lambda: (None,))
    host.write(OPENED, INTERVAL)
    begin_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        collector.close()
    assert time.monotonic() - begin_s < 5.0
    assert "the energy log of node-b is incomplete" in caplog.text
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED + INTERVAL


def test_a_run_folder_that_takes_nothing_is_logged_once_and_the_log_comes_when_it_does(
    plan: Plan, host: Host, collector: LedgerCollector, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED)
    (plan.folder.energy / "node-b.jsonl").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        collector.fetch("node-b")
        collector.fetch("node-b")
    assert len(caplog.records) == 1
    (plan.folder.energy / "node-b.jsonl").rmdir()
    collector.fetch("node-b")
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED


def test_a_host_that_gets_the_run_folder_copies_what_it_kept_in_a_spool(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan.run_location is not None
    ledger = tmp_path / "ledger"
    monkeypatch.setenv(FOLDER_VARIABLE, str(ledger))
    import_host_spools(plan)
    name = RunLocation("node-z", plan.run_location.key).spool_name(plan.run_location.host, "before")
    assert name is not None
    (ledger / name).mkdir()
    (ledger / name / ENERGY_LOG).write_bytes(OPENED.replace(b"now", b"before") + INTERVAL)
    plan.folder.energy.mkdir()
    (plan.folder.energy / f"{plan.run_location.host}.jsonl").write_bytes(b'{"event": "opened", "session": "older"}\n')
    import_host_spools(plan)
    import_host_spools(plan)
    lines = (plan.folder.energy / f"{plan.run_location.host}.jsonl").read_bytes().splitlines(keepends=True)
    assert lines[1:] == [OPENED.replace(b"now", b"before"), INTERVAL]
    assert not list(ledger.iterdir())
