from __future__ import annotations

import os
from pathlib import Path

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.interval_log import read_intervals
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.host_spool import ENERGY_LOG, HostSpools, LogChunk, RunLocation, run_spec
from tests.support.fake_host import FakeHost, log_of

LOCATION = RunLocation.of("node-a", "s3://bucket/sweeps/run")
GRID = {"": IntensitySeries.constant(50.0, "test")}


def spool(folder: Path, session: str, energy_log: bytes, age_s: float = 0.0) -> Path:
    name = LOCATION.spool_name("node-b", session)
    assert name is not None
    (folder / name / "logs").mkdir(parents=True)
    (folder / name / ENERGY_LOG).write_bytes(energy_log)
    os.utime(folder / name / ENERGY_LOG, (1e9 - age_s, 1e9 - age_s))
    return folder / name


def test_the_host_of_the_run_folder_writes_into_it_and_any_other_into_a_spool_of_its_own() -> None:
    here, there, shared = (
        run_spec(Path("/runs/run"), GRID, 1.0, host, "now", location)
        for host, location in (("node-a", LOCATION), ("node-b", LOCATION), ("node-b", None))
    )
    assert (here.run, here.log) == ("/runs/run", Path("/runs/run/energy/node-a.jsonl"))
    assert (shared.run, shared.log) == ("/runs/run", Path("/runs/run/energy/node-b.jsonl"))
    assert there.log == Path(there.run, ENERGY_LOG)
    assert there.run != run_spec(Path("/runs/run"), GRID, 1.0, "node-b", "later", LOCATION).run


def test_whole_lines_that_are_new_are_handed_out_the_oldest_session_first(tmp_path: Path) -> None:
    spool(tmp_path, "2", b"d\ne\nf")
    spool(tmp_path, "1", b"a\nb\nc\n", age_s=60.0)
    spools = HostSpools(tmp_path, LOCATION.key, "node-b")
    assert spools.read("2", {("1", ENERGY_LOG): 4}) == [
        LogChunk("1", ENERGY_LOG, 4, b"c\n"),
        LogChunk("2", ENERGY_LOG, 0, b"d\ne\n"),
    ]
    assert spools.read("2", {("1", ENERGY_LOG): 6, ("2", ENERGY_LOG): 4}) == []
    assert HostSpools(tmp_path, LOCATION.key, "node-c").read("2", {}) == []
    assert HostSpools(tmp_path, RunLocation.of("node-a", "another").key, "node-b").read("2", {}) == []


def test_logs_of_trials_come_from_the_present_session_only(tmp_path: Path) -> None:
    for session in ("1", "2"):
        (spool(tmp_path, session, b"") / "logs" / "0123.log").write_bytes(b"begins\nends")
    spools = HostSpools(tmp_path, LOCATION.key, "node-b")
    assert spools.read("2", {}) == [LogChunk("2", "logs/0123.log", 0, b"begins\n")]
    assert spools.read("2", {("2", "logs/0123.log"): 7}) == []


def test_a_spool_is_removed_once_its_energy_log_is_known(tmp_path: Path) -> None:
    known, unknown = spool(tmp_path, "1", b"a\nb\n"), spool(tmp_path, "2", b"c\nd\n")
    HostSpools(tmp_path, LOCATION.key, "node-b").remove({("1", ENERGY_LOG): 4, ("2", ENERGY_LOG): 2})
    assert (known.exists(), unknown.exists()) == (False, True)


def test_a_ledger_goes_on_from_a_log_that_was_brought_here_session_by_session(tmp_path: Path) -> None:
    host = FakeHost()
    spec = RunSpec("run", log_of(tmp_path), IntensitySeries.constant(50.0, "test"), session="now")
    log_of(tmp_path).write_text('{"event": "continued", "session": "before"}\n')
    ledger = host.ledger()
    ledger.open_run(spec)
    host.run(20.0)
    ledger.close()
    assert [record["time_s"] for record in read_intervals(log_of(tmp_path))] == [20.0]


def test_a_spool_has_the_names_on_disk_that_earlier_versions_read() -> None:
    assert LOCATION.spool_name("node-b", "now") == f"outpost-{LOCATION.key}-now-node-b"
    assert ENERGY_LOG == "books.jsonl"
