"""Time limits on calls: clients of some stores wait for ever if a server never answers."""

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
    """Restart the time limit of the surrounding call of `within`; do nothing outside one."""
    if hasattr(_call, "moved_s"):
        _call.moved_s[0] = time.monotonic()


def within(limit_s: float, action: Callable[[], _Result]) -> _Result:
    """Return what a call returns, or raise what it raises; after the limit, the call is left to a thread of its own.

    >>> within(1.0, lambda: 2)
    2

    Args:
        limit_s: Time in seconds for the call, and after each `moved` again.
        action: The call.

    Raises:
        TimeoutError: No part of it was done for too long.
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
    except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
        caught = error

        def answer() -> _Result:
            raise caught
    else:

        def answer() -> _Result:
            return result

    answers.put(answer)
