from __future__ import annotations

import threading
import time

import pytest

from lwq_tune.results.storage.timeouts import moved, within


def test_a_call_gives_what_it_gives_and_raises_what_it_raises() -> None:
    assert within(5.0, lambda: "answer") == "answer"
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 / 0)


def test_a_call_that_does_not_end_is_given_up() -> None:
    release = threading.Event()
    began_s = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer within 0.2 s"):
        within(0.2, release.wait)
    release.set()
    assert time.monotonic() - began_s < 5


def test_a_call_that_moves_takes_the_time_it_needs() -> None:
    def slow() -> str:
        for _ in range(8):
            time.sleep(0.1)
            moved()
        return "done"

    assert within(0.6, slow) == "done"


def test_moving_outside_of_a_call_does_not_extend_it() -> None:
    release = threading.Event()

    def move_meanwhile() -> None:
        while not release.wait(0.05):
            moved()

    outside = threading.Thread(target=move_meanwhile)
    outside.start()
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.3 s"):
            within(0.3, lambda: release.wait(5))
    finally:
        release.set()
        outside.join()
