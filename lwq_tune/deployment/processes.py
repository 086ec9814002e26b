"""Calls a function in a process of its own, and says how that ended: a crash of native code takes down no more."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_LAST_WORDS = 400


def run_in_process(target: Callable[..., None], arguments: tuple[Any, ...], log: Path) -> tuple[list[Any], int | None]:
    """Call a function in a process of its own; return what it sent and its exit code.

    Args:
        target: Takes a connection to this process, then the arguments.
        arguments: The arguments.
        log: File that the process prints to; it is removed at the end where it is empty.
    """
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)  # the words of an earlier session are none of this one
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        answers = list(_received(ours))
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()
        ours.close()
    with contextlib.suppress(OSError):
        if log.stat().st_size == 0:
            log.unlink()
    return answers, process.exitcode


def why_ended(does: str, exit_code: int | None, log: Path) -> str:
    """Return how a process ended, with the last words of its log."""
    words = log.read_text(errors="replace").strip()[-_LAST_WORDS:] if log.exists() else ""
    return f"the process that {does} it ended with {exit_code}: {words or 'it printed nothing'}"


def _received(connection: Connection) -> Iterator[Any]:
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            yield connection.recv()
