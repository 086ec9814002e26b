from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lwq_tune.files.atomic import whole_file
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_file_of_before_stands_until_the_new_one_is_whole(tmp_path: Path, is_shared: bool) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with whole_file(file, is_shared=is_shared) as part:
        part.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def fail(part: Path, error: BaseException) -> None:
    part.write_text("half")
    raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("a bad row"), KeyboardInterrupt()])
def test_a_body_that_fails_leaves_the_file_of_before_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(type(error)), whole_file(file) as part:
        fail(part, error)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_the_disk_does_not_confirm_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space left"), whole_file(tmp_path / "file") as part:
        part.write_text("new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_or_none_to_hold_it_is_the_systems_own_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError), whole_file(tmp_path / "folder") as part:
        part.write_text("new")
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "file") as part:
        part.write_text("new")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError), whole_file(tmp_path / "file" / "x") as part:
        part.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


KILLED = """
import sys, time
from pathlib import Path
from lwq_tune.files.atomic import whole_file
with whole_file(Path("file")) as part:
    part.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_after_a_kill_the_file_is_as_before_and_the_next_process_clears_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert (tmp_path / "file").read_text() == "old"
    with whole_file(tmp_path / "file") as part:
        part.write_text("new")
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_two_that_write_a_shared_file_at_a_time_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with whole_file(tmp_path / "file", is_shared=True) as mine:
        mine.write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with whole_file(tmp_path / "file", is_shared=True) as others:
                assert others != mine
                others.write_text("others")
        assert (tmp_path / "file").read_text() == "others"
    assert (tmp_path / "file").read_text() == "mine"
