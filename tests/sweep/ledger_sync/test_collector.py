from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.energy.service.host_spool import BOOKS, Home, Outposts
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.results.store import RunFolder
from lwq_tune.sweep.ledger_sync import collector as ledger_courier
from lwq_tune.sweep.ledger_sync.callback import BooksFirst
from lwq_tune.sweep.ledger_sync.collector import Courier, Outpost, bring_home
from lwq_tune.sweep.plan import Plan

OPENED = b'{"event": "opened", "session": "now", "at_s": 1.0}\n'
INTERVAL = b'{"begin_s": 1.0, "time_s": 1.0}\n'
CLOSED = b'{"event": "closed", "session": "now", "at_s": 3.0}\n'


class Host:
    """A host that does not share the run folder, and its agent, which answers at once."""

    def __init__(self, folder: Path, home: Home) -> None:
        self.home, self.is_up = home, True
        self._outposts = Outposts(folder, home.key, "node-b")
        name = home.outpost("node-b", "now")
        assert name is not None
        self.outpost = folder / name
        (self.outpost / "logs").mkdir(parents=True)
        self.parcels, self.leave, self.clear = Method(self._parcels), Method(self._leave), Method(self._clear)

    def write(self, *lines: bytes) -> None:
        with (self.outpost / BOOKS).open("ab") as stream:
            stream.writelines(lines)

    def _parcels(self, key: str, session: str, have: dict[tuple[str, str], int]) -> Any:
        assert key == self.home.key
        return self._answer(self._outposts.read(session, have))

    def _leave(self) -> Any:
        if self.outpost.exists():
            self.write(CLOSED)
        return self._answer(None)

    def _clear(self, key: str, have: dict[tuple[str, str], int]) -> Any:
        self._outposts.remove(have)
        return self._answer(None)

    def _answer(self, value: Any) -> Any:
        return (value,) if self.is_up else None


class Method:
    """What is called with ``.remote``."""

    def __init__(self, remote: Any) -> None:
        self.remote = remote


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(ledger_courier, "PERIOD_S", 1000.0)
    monkeypatch.setattr(ledger_courier, "CLOSE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(Outpost, "_ask_one", staticmethod(lambda asked: asked))
    config = SweepConfig(results_dir=tmp_path, run="run", data_dir=tmp_path, storage=str(tmp_path / "storage"))
    folder = RunFolder(config.run_dir)
    folder.path.mkdir()
    return Plan(folder, config, {}, {"": IntensitySeries.constant(50.0, "test")}, {}, session="now")


@pytest.fixture
def host(plan: Plan, tmp_path: Path) -> Host:
    assert plan.home is not None
    return Host(tmp_path / "there", plan.home)


@pytest.fixture
def courier(plan: Plan, host: Host) -> Iterator[Courier]:
    assert plan.home is not None
    found = Courier(plan, plan.home, {"1": host, "2": object()}, {"1": "node-b", "2": plan.home.host})
    yield found
    found.close()


def test_what_a_row_used_is_here_before_the_row_is_recorded(plan: Plan, host: Host, courier: Courier) -> None:
    assert plan.home is not None
    host.write(OPENED, INTERVAL)
    for hostname in ("node-b", plan.home.host):
        BooksFirst(courier).on_trial_result(1, [], None, {"rows": [{"hostname": hostname}]})
    BooksFirst(courier).on_trial_result(1, [], None, {"failure": "it has none"})
    assert {file.name: file.read_bytes() for file in plan.folder.energy.iterdir()} == {
        "node-b.jsonl": OPENED + INTERVAL
    }


def test_closing_fetches_the_rest_with_the_logs_and_clears_up_there(
    plan: Plan, host: Host, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED, INTERVAL)
    log = plan.folder.path / "logs" / "0123.log"
    log.parent.mkdir()
    log.write_text("of an attempt here\n")
    (host.outpost / "logs" / "0123.log").write_text("begins\n")
    courier.bring("node-b")
    (host.outpost / "logs" / "0123.log").write_text("begins\nends\n")
    courier.close()
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED + INTERVAL + CLOSED
    assert log.read_text() == "of an attempt here\nbegins\nends\n"
    assert not host.outpost.exists()
    assert caplog.records == []


def test_a_host_that_is_lost_is_asked_no_more_before_a_row_and_named_in_the_end(
    plan: Plan, host: Host, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED)
    courier.bring("node-b")
    host.is_up = False
    courier.bring("node-b")
    host.is_up = True
    host.write(INTERVAL)
    courier.bring("node-b")
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED
    host.is_up = False
    with caplog.at_level(logging.WARNING):
        courier.close()
    assert "not all books of node-b have come" in caplog.text
    assert host.outpost.exists()


def test_books_that_stay_open_are_not_waited_for_for_ever(
    plan: Plan, host: Host, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    host.leave = Method(lambda: (None,))
    host.write(OPENED, INTERVAL)
    begin_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        courier.close()
    assert time.monotonic() - begin_s < 5.0
    assert "not all books of node-b have come" in caplog.text
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED + INTERVAL


def test_a_run_folder_that_takes_nothing_is_told_once_and_the_books_come_when_it_does(
    plan: Plan, host: Host, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    host.write(OPENED)
    (plan.folder.energy / "node-b.jsonl").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        courier.bring("node-b")
        courier.bring("node-b")
    assert len(caplog.records) == 1
    (plan.folder.energy / "node-b.jsonl").rmdir()
    courier.bring("node-b")
    assert (plan.folder.energy / "node-b.jsonl").read_bytes() == OPENED


def test_a_host_that_gets_the_run_folder_takes_in_what_it_kept_in_an_outpost(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan.home is not None
    ledger = tmp_path / "ledger"
    monkeypatch.setenv(FOLDER_VARIABLE, str(ledger))
    bring_home(plan)
    name = Home("node-z", plan.home.key).outpost(plan.home.host, "before")
    assert name is not None
    (ledger / name).mkdir()
    (ledger / name / BOOKS).write_bytes(OPENED.replace(b"now", b"before") + INTERVAL)
    plan.folder.energy.mkdir()
    (plan.folder.energy / f"{plan.home.host}.jsonl").write_bytes(b'{"event": "opened", "session": "older"}\n')
    bring_home(plan)
    bring_home(plan)
    lines = (plan.folder.energy / f"{plan.home.host}.jsonl").read_bytes().splitlines(keepends=True)
    assert lines[1:] == [OPENED.replace(b"now", b"before"), INTERVAL]
    assert not list(ledger.iterdir())
