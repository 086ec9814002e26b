from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ResultsError
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.cluster import hosts as site_module
from lwq_tune.sweep.cluster.hosts import SweepHosts, wait_for_ledgers
from lwq_tune.sweep.plan import Plan
from lwq_tune.sweep.slots import Host, Slots

LARGE, SMALL = Host(8, 0.0, 64_000.0, "large"), Host(4, 0.0, None, "small")


def plan_in(folder: Path) -> Plan:
    config = SweepConfig(results_dir=folder, run="run", data_dir=folder)
    run = RunFolder(config.run_dir)
    run.path.mkdir(exist_ok=True)
    return Plan(run, config, {}, {"": IntensitySeries.constant(50.0, "test")}, {})


def test_a_later_session_on_other_hosts_gives_a_trial_what_the_first_one_did(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    assert SweepHosts(plan, (LARGE, SMALL)).slots(3) == Slots(3, 4.0, 0.0)
    assert SweepHosts(plan, (LARGE,)).slots(3) == Slots(2, 4.0, 0.0)
    assert SweepHosts(plan, (SMALL,)).slots(3) == Slots(1, 4.0, 0.0)
    assert SweepHosts(plan_in(tmp_path), (LARGE, LARGE, LARGE)).slots(3) == Slots(3, 4.0, 0.0)


def test_a_note_of_the_hosts_that_was_changed_is_refused(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    SweepHosts(plan, (LARGE,))
    (tmp_path / "run" / "hosts.json").write_text('{"hosts": [{"cores": 8}]}')
    with pytest.raises(ResultsError, match="was changed"):
        SweepHosts(plan, (LARGE,))


def line(**values: object) -> str:
    return json.dumps(values) + "\n"


CLOSED = line(event="closed", session="now", at_s=2.0)
INTERVAL = line(begin_s=1.0, parts={"cpu": "x" * 9000})


def test_a_log_that_is_closed_or_was_never_opened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jsonl").write_text(INTERVAL + CLOSED)
    slept_s: list[float] = []
    monkeypatch.setattr(time, "sleep", slept_s.append)
    with caplog.at_level(logging.WARNING):
        wait_for_ledgers(tmp_path, "now", ["a", "b"])
    assert slept_s == []
    assert caplog.records == []


def test_the_sweep_waits_until_the_last_line_of_its_own_session_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text(line(event="closed", session="before", at_s=1.0) + INTERVAL)

    def write_the_rest() -> None:
        for part in (CLOSED[:10], CLOSED[10:]):
            time.sleep(0.2)
            with log.open("a") as stream:
                stream.write(part)

    writer = threading.Thread(target=write_the_rest)
    writer.start()
    with caplog.at_level(logging.WARNING):
        wait_for_ledgers(tmp_path, "now", ["a"])
    assert log.read_text().endswith(CLOSED)
    assert caplog.records == []
    writer.join()


def test_a_ledger_that_hangs_is_named_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site_module, "CLOSE_TIMEOUT_S", 0.2)
    (tmp_path / "a.jsonl").write_text(INTERVAL)
    with caplog.at_level(logging.WARNING):
        wait_for_ledgers(tmp_path, "now", ["a"])
    assert "the ledger of a has not closed the run" in caplog.records[0].message
