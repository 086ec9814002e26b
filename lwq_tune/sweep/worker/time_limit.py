"""Kills this process if a block of code takes longer than a limit. No Ray."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# Waits for a byte, or for the end of the process that it watches, whichever comes first.
_WATCH = """
import os, select, signal, sys
pid, limit_s, what = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
if not select.select([0], [], [], limit_s)[0]:
    try:
        print(what, "took longer than", f"{limit_s:g} s, its process ends", file=sys.stderr, flush=True)
    finally:  # also where the disk is full that stderr is on
        os.kill(pid, signal.SIGKILL)
"""


@contextlib.contextmanager
def time_limit(limit_s: float | None, what: str) -> Iterator[None]:
    """Kill this process when the body takes longer than a limit.

    Ray then retries the trial. Another process watches the time: a call into a library may hold the interpreter's lock,
    and a process that was stopped runs no thread.

    Args:
        limit_s: Longest time, None without a limit.
        what: What is limited, for the message on stderr.
    """
    if limit_s is None:
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _WATCH, str(os.getpid()), repr(limit_s), what]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        # Not by closing alone: a process that was forked meanwhile may hold the pipe open.
        watcher.communicate(b".")
