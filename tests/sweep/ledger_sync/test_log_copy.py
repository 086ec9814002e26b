from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.errors import ResultsError
from lwq_tune.sweep.ledger_sync.log_copy import LogCopy


def line(**values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


def log_of(session: str, n_intervals: int, *, is_closed: bool = True) -> bytes:
    intervals = [line(begin_s=float(number), time_s=1.0) for number in range(n_intervals)]
    end = [line(event="closed", session=session, at_s=9.0)] if is_closed else []
    return b"".join([line(event="opened", session=session, at_s=0.0), *intervals, *end])


FIRST, SECOND = log_of("one", 3, is_closed=False), log_of("two", 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=8), st.integers(0, 9))
def test_every_line_of_two_sessions_comes_once_in_any_order_and_whenever_the_driver_starts_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]], restart: int
) -> None:
    path = tmp_path_factory.mktemp("copy") / "node-b.jsonl"
    copy, logs = LogCopy(path), {"one": FIRST, "two": SECOND}
    for number, (is_first, n_lines) in enumerate([*steps, (True, 9), (False, 9), (True, 9)]):
        if number == restart:
            copy = LogCopy(path)
        session = "one" if is_first else "two"
        known = logs[session][: copy.n_bytes[session]].splitlines(keepends=True)
        lines = logs[session].splitlines(keepends=True)
        again = min(1, len(known))  # a line that came before is sent once more
        offset = len(b"".join(known[: len(known) - again]))
        copy.add(session, offset, b"".join(lines[len(known) - again : len(known) + n_lines]))
    intervals = [
        record["begin_s"] for record in map(json.loads, path.read_bytes().splitlines()) if "event" not in record
    ]
    assert sorted(intervals) == [0.0, 0.0, 1.0, 1.0, 2.0]
    for found in (copy, LogCopy(path)):
        assert found.n_bytes == {"one": len(FIRST), "two": len(SECOND)}
        assert (found.is_closed("one"), found.is_closed("two")) == (False, True)


def test_sessions_that_follow_each_other_stand_there_as_they_were_written(tmp_path: Path) -> None:
    copy = LogCopy(tmp_path / "energy" / "node-b.jsonl")
    (tmp_path / "energy").mkdir()
    for session, log in (("one", FIRST), ("two", SECOND)):
        for begin in (0, log.index(b"\n") + 1):
            copy.add(session, begin, log[begin:])
    assert (tmp_path / "energy" / "node-b.jsonl").read_bytes() == FIRST + SECOND


def test_a_log_of_another_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="must be of the session 'one'"):
        LogCopy(tmp_path / "node-b.jsonl").add("one", 0, SECOND)


def test_what_a_killed_driver_was_writing_is_cut_off_and_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "node-b.jsonl"
    path.write_bytes(FIRST[:-5])
    copy = LogCopy(path)
    copy.add("one", copy.n_bytes["one"], FIRST[copy.n_bytes["one"] :])
    assert path.read_bytes() == FIRST


def test_a_session_that_two_ledgers_wrote_counts_as_one(tmp_path: Path) -> None:
    path = tmp_path / "node-b.jsonl"
    LogCopy(path).add("one", 0, FIRST + log_of("one", 1))
    assert LogCopy(path).n_bytes == {"one": len(FIRST + log_of("one", 1))}
    assert LogCopy(path).is_closed("one")


def test_lines_that_follow_missing_ones_are_refused_and_no_copy_is_made_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="lacks what is before byte 7"):
        LogCopy(tmp_path / "node-b.jsonl").add("one", 7, SECOND)
    assert not list(tmp_path.iterdir())


def test_a_damaged_copy_is_named(tmp_path: Path) -> None:
    (tmp_path / "node-b.jsonl").write_bytes(b"{\n" + FIRST)
    with pytest.raises(ResultsError, match=r"node-b\.jsonl is not"):
        LogCopy(tmp_path / "node-b.jsonl")
