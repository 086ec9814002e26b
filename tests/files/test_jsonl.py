from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.files.jsonl import append, cut_unfinished_line, line_of, open_log, read_from, whole_lines
from tests.conftest import run_python


@pytest.mark.parametrize("tail", [b"", b"{", b"\x00\x00", b"x" * 200_000])
@pytest.mark.parametrize("whole", [b"", b'{"n": 0}\n', b'{"n": 0}\n' + b"y" * 70_000 + b"\n"])
def test_only_what_stands_after_the_last_line_end_is_cut_off(tmp_path: Path, whole: bytes, tail: bytes) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(whole + tail)
    cut_unfinished_line(log)
    assert log.read_bytes() == whole


def test_a_log_that_is_whole_is_not_touched_and_one_that_is_missing_is_not_made(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"{}\n")
    os.utime(log, (1e9, 1e9))
    cut_unfinished_line(log)
    assert log.stat().st_mtime == 1e9
    for missing in (tmp_path / "none.jsonl", tmp_path / "none" / "log.jsonl", log / "log.jsonl"):
        cut_unfinished_line(missing)
        assert (list(whole_lines(missing)), read_from(missing, 0)) == ([], b"")
    assert list(tmp_path.iterdir()) == [log]


@given(st.lists(st.binary(max_size=12), max_size=6), st.binary(max_size=5), st.integers(0, 100))
def test_lines_are_read_whole_from_any_end_of_a_line_on(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], tail: bytes, cut: int
) -> None:
    lines = [text.replace(b"\n", b" ") + b"\n" for text in texts]
    log = tmp_path_factory.mktemp("log") / "log.jsonl"
    log.write_bytes(b"".join(lines) + tail.replace(b"\n", b" "))
    cut = min(cut, len(lines))
    begin = len(b"".join(lines[:cut]))
    assert list(whole_lines(log)) == lines
    assert list(whole_lines(log, begin)) == lines[:cut]
    assert read_from(log, begin) == b"".join(lines[cut:])


def test_no_more_is_read_at_a_time_than_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"ab\ncd\nef\n")
    assert read_from(log, 0, max_bytes=7) == b"ab\ncd\n"
    assert read_from(log, 6, max_bytes=7) == b"ef\n"
    assert read_from(log, 6, max_bytes=2) == b""


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        line_of({"loss": float("nan")})


def test_a_log_has_its_old_length_where_the_disk_does_not_confirm_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with open_log(tmp_path / "log.jsonl") as log:
        append(log, b"1\n", is_synced=True)
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output error"):
            append(log, b"2\n", is_synced=True)
        monkeypatch.undo()
        append(log, b"3\n", is_synced=True)
    assert (tmp_path / "log.jsonl").read_bytes() == b"1\n3\n"


FULL = """
import resource, signal
from pathlib import Path
from lwq_tune.files.jsonl import append, open_log
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))
with open_log(Path("log.jsonl")) as log:
    append(log, b"1" * 40 + b"\\n")
    try:
        append(log, b"2" * 40 + b"\\n")
    except OSError as error:
        print(error.strerror)
    append(log, b"3" * 8 + b"\\n")
"""


def test_a_line_that_does_not_fit_is_left_out_whole_and_a_shorter_one_still_fits(tmp_path: Path) -> None:
    result = run_python("-c", FULL, cwd=tmp_path)
    assert result.stdout == "File too large\n", result.stderr
    assert (tmp_path / "log.jsonl").read_bytes() == b"1" * 40 + b"\n" + b"3" * 8 + b"\n"
