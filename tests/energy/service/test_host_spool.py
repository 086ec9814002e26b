from __future__ import annotations

import os
from pathlib import Path

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.interval_log import read_intervals
from lwq_tune.energy.ledger.run_ledger import RunTerms
from lwq_tune.energy.service.client import run_spec
from lwq_tune.energy.service.host_spool import BOOKS, Home, Outposts, Parcel
from tests.support.fake_host import FakeHost, log_of

HOME = Home.of("node-a", "s3://bucket/sweeps/run")
GRID = {"": IntensitySeries.constant(50.0, "test")}


def outpost(folder: Path, session: str, books: bytes, age_s: float = 0.0) -> Path:
    name = HOME.outpost("node-b", session)
    assert name is not None
    (folder / name / "logs").mkdir(parents=True)
    (folder / name / BOOKS).write_bytes(books)
    os.utime(folder / name / BOOKS, (1e9 - age_s, 1e9 - age_s))
    return folder / name


def test_the_host_of_the_run_folder_writes_into_it_and_any_other_into_an_outpost_of_its_own() -> None:
    here, there, shared = (
        run_spec(Path("/runs/run"), GRID, 1.0, host, "now", home)
        for host, home in (("node-a", HOME), ("node-b", HOME), ("node-b", None))
    )
    assert (here.run, here.log) == ("/runs/run", Path("/runs/run/energy/node-a.jsonl"))
    assert (shared.run, shared.log) == ("/runs/run", Path("/runs/run/energy/node-b.jsonl"))
    assert there.log == Path(there.run, BOOKS)
    assert there.run != run_spec(Path("/runs/run"), GRID, 1.0, "node-b", "later", HOME).run


def test_whole_lines_that_are_new_are_handed_out_the_oldest_session_first(tmp_path: Path) -> None:
    outpost(tmp_path, "2", b"d\ne\nf")
    outpost(tmp_path, "1", b"a\nb\nc\n", age_s=60.0)
    outposts = Outposts(tmp_path, HOME.key, "node-b")
    assert outposts.read("2", {("1", BOOKS): 4}) == [Parcel("1", BOOKS, 4, b"c\n"), Parcel("2", BOOKS, 0, b"d\ne\n")]
    assert outposts.read("2", {("1", BOOKS): 6, ("2", BOOKS): 4}) == []
    assert Outposts(tmp_path, HOME.key, "node-c").read("2", {}) == []
    assert Outposts(tmp_path, Home.of("node-a", "another").key, "node-b").read("2", {}) == []


def test_logs_of_trials_come_from_the_present_session_only(tmp_path: Path) -> None:
    for session in ("1", "2"):
        (outpost(tmp_path, session, b"") / "logs" / "0123.log").write_bytes(b"begins\nends")
    outposts = Outposts(tmp_path, HOME.key, "node-b")
    assert outposts.read("2", {}) == [Parcel("2", "logs/0123.log", 0, b"begins\n")]
    assert outposts.read("2", {("2", "logs/0123.log"): 7}) == []


def test_an_outpost_is_taken_away_once_its_books_are_known(tmp_path: Path) -> None:
    known, unknown = outpost(tmp_path, "1", b"a\nb\n"), outpost(tmp_path, "2", b"c\nd\n")
    Outposts(tmp_path, HOME.key, "node-b").remove({("1", BOOKS): 4, ("2", BOOKS): 2})
    assert (known.exists(), unknown.exists()) == (False, True)


def test_a_ledger_goes_on_from_a_log_that_was_brought_here_session_by_session(tmp_path: Path) -> None:
    host = FakeHost()
    terms = RunTerms(IntensitySeries.constant(50.0, "test"), session="now")
    log_of(tmp_path).write_text('{"event": "continued", "session": "before"}\n')
    ledger = host.ledger()
    ledger.open_run("run", log_of(tmp_path), terms)
    host.run(20.0)
    ledger.close()
    assert [record["time_s"] for record in read_intervals(log_of(tmp_path))] == [20.0]
