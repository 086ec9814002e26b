from __future__ import annotations

import pytest

from lwq_tune.energy.memory_shares import MIN_PERIOD_S, MemoryShares
from tests.energy.fake_host import FakeHost


class DearHost(FakeHost):
    """Telling the memory of a process takes 20 ms."""

    n_read = 0

    def resident_bytes(self, pids: object) -> int:
        self.n_read += 1
        self.now_s += 0.02
        return super().resident_bytes(pids)  # type: ignore[arg-type]


def test_shares_are_of_the_hosts_memory_and_read_again_only_now_and_then() -> None:
    host = FakeHost()
    host.start(10, memory=250)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    assert memory.shares(["a", "b"], {"a": [10], "b": []}.__getitem__) == {"a": 0.25, "b": 0.0}
    host.memory[10] = 500
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.25}
    host.run(MIN_PERIOD_S)
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.5}
    assert memory.shares(["new"], lambda _: [10]) == {"new": 0.0}
    memory.forget()
    assert memory.shares(["new"], lambda _: [10]) == {"new": 0.5}


def test_what_is_dear_to_read_costs_a_thousandth_of_the_time_at_most() -> None:
    host = DearHost()
    host.start(10, memory=250)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    for _ in range(200):
        memory.shares(["a", "b"], lambda _: [10])
        host.run(1.0)
    assert 0.02 * host.n_read / host.now_s <= 0.0015
    assert host.n_read == pytest.approx(200 / 40 * 2, abs=2)
