from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lwq_tune.files.locks import LockedError, holder_of, named_lock
from tests.conftest import REPOSITORY

HOLD = """
import time
from pathlib import Path
from lwq_tune.files.locks import named_lock
with named_lock(Path("lock")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_names_the_process_that_holds_it_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert holder_of(lock) == f"process {child.pid}"
    with pytest.raises(LockedError) as refused, named_lock(lock):
        pass
    assert refused.value.holder == f"process {child.pid}"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert holder_of(lock) is None
    with named_lock(lock) as no_locks:
        assert no_locks is None
        assert holder_of(lock) == f"process {os.getpid()}"


def test_a_holder_without_a_name_yet_is_another_process(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert holder_of(tmp_path / "lock") == "another process"


def test_one_who_only_looks_who_holds_a_lock_keeps_nobody_from_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with lock.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        release = threading.Timer(0.08, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        release.start()
        begin_s = time.monotonic()
        with named_lock(lock):
            assert time.monotonic() - begin_s >= 0.05
        release.join()


def test_a_file_system_without_locks_is_told_to_the_caller_who_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with named_lock(tmp_path / "lock") as reason:
        assert reason is not None
        assert reason.errno == errno.ENOLCK
        assert holder_of(tmp_path / "lock") is None


def test_where_there_is_no_lock_file_nobody_holds_it_and_none_is_made_without_a_folder(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "lock") is None
    assert not (tmp_path / "lock").exists()
    with pytest.raises(FileNotFoundError), named_lock(tmp_path / "none" / "lock"):
        pass
