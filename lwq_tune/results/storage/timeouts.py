"""Calls that end: clients of some stores wait for ever where a server takes a connection and never answers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_LOOK_S = 1.0
_call = threading.local()


def moved() -> None:
    """Say, from within a call of `within`, that a part of it is done; elsewhere nothing happens."""
    if hasattr(_call, "moved_s"):
        _call.moved_s[0] = time.monotonic()


def within(limit_s: float, action: Callable[[], _Result]) -> _Result:
    """Return what a call returns, or raise what it raises; one that is given up goes on in a thread of its own.

    >>> within(1.0, lambda: 2)
    2

    Args:
        limit_s: Time in seconds for the call, and after each `moved` again.
        action: The call.

    Raises:
        TimeoutError: It did not move for too long.
    """
    answers: queue.SimpleQueue[Callable[[], _Result]] = queue.SimpleQueue()
    moved_s = [time.monotonic()]
    threading.Thread(target=_run, args=(action, answers, moved_s), name="storage", daemon=True).start()
    while True:
        try:
            return answers.get(timeout=min(_LOOK_S, limit_s))()
        except queue.Empty:
            if time.monotonic() - moved_s[0] > limit_s:
                raise TimeoutError(f"no answer within {limit_s:g} s") from None


def _run(
    action: Callable[[], _Result], answers: queue.SimpleQueue[Callable[[], _Result]], moved_s: list[float]
) -> None:
    _call.moved_s = moved_s
    try:
        result = action()
    except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
        caught = error

        def answer() -> _Result:
            raise caught
    else:

        def answer() -> _Result:
            return result

    answers.put(answer)
