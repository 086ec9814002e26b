from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.row_log import RowLog, read_log
from lwq_tune.results.run_folder import RunFolder, run_lock


def test_an_existing_run_is_not_touched(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (tmp_path / "run" / "keep").write_text("me")
    with pytest.raises(ResultsError, match="choose another --run, or resume it"):
        RunFolder(tmp_path / "run").create()
    assert (tmp_path / "run" / "keep").read_text() == "me"


def test_results_below_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="must be writable"):
        RunFolder(tmp_path / "file" / "run").create()


@pytest.mark.parametrize("existed", [True, False])
def test_an_unused_run_takes_away_only_what_it_made(tmp_path: Path, existed: bool) -> None:
    results = tmp_path / "results"
    if existed:
        results.mkdir()
    folder = RunFolder(results / "run")
    folder.create()
    folder.discard_if_unused()
    assert results.exists() == existed
    assert not folder.path.exists()


def test_a_run_that_has_a_row_is_never_taken_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    RowLog(folder.log).append({"n": 1})
    folder.discard_if_unused()
    assert list(read_log(folder.log)) == [{"n": 1}]


def test_a_folder_that_cannot_be_locked_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with run_lock(tmp_path):
        assert "cannot be locked" in caplog.text


def test_only_one_process_at_a_time_works_on_a_run(tmp_path: Path) -> None:
    with run_lock(tmp_path), pytest.raises(ResultsError, match="wait until it has ended"), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        pass
    with pytest.raises(ResultsError, match="must be writable"), run_lock(tmp_path / "gone"):
        pass
