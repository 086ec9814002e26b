from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from lwq_tune.sweep.worker.time_limit import time_limit
from tests.conftest import run_python

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

PROGRAM = """
import os, re, signal, threading, time
from lwq_tune.sweep.worker.time_limit import time_limit
lock = threading.Lock()
lock.acquire()
with time_limit({limit_s}, "epoch 2"):
    {work}
print("went on")
"""
# None of these can be interrupted by an exception; the second holds the interpreter's lock, the third runs no thread.
HANGS = {
    "a lock that nobody gives back": "lock.acquire(timeout=120)",
    "a call into C that keeps the interpreter": "re.match('(a+)+$', 'a' * 40 + 'b')",
    "a process that was stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
}


def run_program(work: str, limit_s: float, folder: Path) -> tuple[int, str, str]:
    result = run_python("-c", PROGRAM.format(work=work, limit_s=limit_s), cwd=folder)
    return result.returncode, result.stdout, result.stderr


def n_children() -> int:
    return len(psutil.Process().children())


@pytest.mark.parametrize("hang", HANGS)
def test_a_process_that_hangs_is_killed_and_says_why(hang: str, tmp_path: Path) -> None:
    begin_s = time.monotonic()
    code, out, err = run_program(HANGS[hang], 0.5, tmp_path)
    assert code == -signal.SIGKILL
    assert out == ""
    assert err == "epoch 2 took longer than 0.5 s, its process ends\n"
    assert time.monotonic() - begin_s < 60


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(0.2)",
        # Stopped for a moment, and continued by another process.
        "os.system(f'kill -STOP {os.getpid()}; sleep 0.3; kill -CONT {os.getpid()}')",
        # A process that outlives the body and holds all that this one had open.
        "os.fork() or (time.sleep(2), os._exit(0))",
    ],
    ids=["short", "stopped for a moment", "forked"],
)
def test_what_takes_less_than_the_limit_goes_on(work: str, tmp_path: Path) -> None:
    assert run_program(work, 60, tmp_path) == (0, "went on\n", "")


def test_no_limit_starts_no_process() -> None:
    before = n_children()
    with time_limit(None, "epoch 1"):
        assert n_children() == before


def test_the_watch_ends_with_the_body_also_where_it_raises() -> None:
    def watched() -> None:
        with time_limit(60, "epoch 1"):
            assert n_children() == before + 1
            raise RuntimeError("the body's own")

    before = n_children()
    with pytest.raises(RuntimeError, match="the body's own"):
        watched()
    assert n_children() == before


def test_no_time_is_carried_over_from_one_body_to_the_next(tmp_path: Path) -> None:
    sleeps = "\n".join(f"with time_limit(2, 'epoch {number}'): time.sleep(0.8)" for number in (3, 4))
    assert run_program(f"time.sleep(0.8)\n{sleeps}", 2, tmp_path) == (0, "went on\n", "")
