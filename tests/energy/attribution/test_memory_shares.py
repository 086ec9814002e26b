from __future__ import annotations

from collections.abc import Iterable

import pytest

from lwq_tune.energy.attribution.memory_shares import MIN_PERIOD_S, MemoryShares
from tests.support.fake_host import FakeHost


class DearHost(FakeHost):
    """Telling the proportional memory of a process takes 20 ms."""

    n_read = 0

    def proportional_bytes(self, pids: Iterable[int]) -> int:
        self.n_read += 1
        self.now_s += 0.02
        return super().proportional_bytes(pids)

    def resident_bytes(self, pids: Iterable[int]) -> int:
        return 100 + sum(self.memory.get(pid, 0) for pid in pids)


def test_shares_are_of_the_hosts_memory_and_read_again_only_now_and_then() -> None:
    host = FakeHost()
    host.start(10, memory=250)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    assert memory.shares(["a", "b"], {"a": [10], "b": []}.__getitem__) == {"a": 0.25, "b": 0.0}
    host.memory[10] = 500
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.25}
    host.run(MIN_PERIOD_S)
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.5}
    assert memory.shares(["a", "new"], lambda _: [10]) == {"a": 0.5, "new": 0.5}


def test_what_is_dear_to_read_costs_a_two_thousandth_of_the_time_at_most_whatever_the_number_of_accounts() -> None:
    for n_accounts in (1, 16):
        host = DearHost()
        host.start(10, memory=250)
        memory = MemoryShares(host, clock=lambda host=host: host.now_s)  # type: ignore[misc, arg-type]
        names = [str(number) for number in range(n_accounts)]
        for _ in range(2000):
            memory.shares(names, lambda _: [10])
            host.run(1.0)
        assert 0.02 * host.n_read / host.now_s <= 1 / 1000  # the first reading included


def test_a_trial_that_loads_its_data_after_it_was_registered_is_seen_to_grow_beside_dear_ones() -> None:
    host = DearHost()
    host.start(10, memory=250)
    host.start(20, memory=1)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    for _ in range(100):
        memory.shares(["old"], lambda _: [10])
        host.run(1.0)
    pids = {"old": [10], "new": [20]}.__getitem__
    assert memory.shares(["old", "new"], pids)["new"] == 0.001
    host.memory[20] = 300
    host.run(MIN_PERIOD_S)
    assert memory.shares(["old", "new"], pids)["new"] == 0.3


def test_a_share_is_read_every_five_seconds_and_no_earlier() -> None:
    host = FakeHost()
    host.start(10, memory=250)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    memory.shares(["a"], lambda _: [10])
    host.memory[10] = 500
    host.run(4.5)
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.25}
    host.run(0.5)
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.5}


class SharingHost(FakeHost):
    """Half of the pages of a process are shared with another one."""

    n_read = 0

    def proportional_bytes(self, pids: Iterable[int]) -> int:
        self.n_read += 1
        return super().proportional_bytes(pids) * 3 // 4

    def resident_bytes(self, pids: Iterable[int]) -> int:
        return super().proportional_bytes(pids)


def test_between_two_readings_of_the_proportional_size_the_change_of_the_resident_size_is_added() -> None:
    host = SharingHost()
    host.start(10, memory=400)
    clock = iter([0.0, 0.0, 0.01, 5.0, 10.0, 15.0, 20.0, 20.0, 20.0])  # reading takes 10 ms: the next after 20 s
    memory = MemoryShares(host, clock=lambda: next(clock))  # type: ignore[arg-type]
    found = []
    for resident in (400, 500, 380, 0, 800):
        host.memory[10] = resident
        found.append(memory.shares(["a"], lambda _: [10])["a"])
    # 3/4 of 400; then 100 more, 20 less, and 400 less, which would be below 0; then 3/4 of 800.
    assert found == [0.3, 0.4, 0.28, 0.0, 0.6]
    assert host.n_read == 2


def test_an_account_that_is_left_out_is_read_anew_when_it_comes_again() -> None:
    host = FakeHost()
    host.start(10, memory=250)
    memory = MemoryShares(host, clock=lambda: host.now_s)  # type: ignore[arg-type]
    memory.shares(["a"], lambda _: [10])
    assert memory.shares([], lambda _: [10]) == {}
    host.memory[10] = 500
    assert memory.shares(["a"], lambda _: [10]) == {"a": 0.5}


def test_where_the_memory_of_the_host_is_not_known_no_account_has_a_share() -> None:
    class UnknownHost(FakeHost):
        def memory_bytes(self) -> int:
            return 0

    host = UnknownHost()
    host.start(10, memory=250)
    assert MemoryShares(host, clock=lambda: 0.0).shares(["a"], lambda _: [10]) == {"a": 0.0}  # type: ignore[arg-type]


@pytest.mark.parametrize(("now_s", "n_read"), [(24.99, 1), (25.01, 2)])
def test_the_next_reading_is_after_2000_times_what_the_last_one_took(now_s: float, n_read: int) -> None:
    host = SharingHost()
    host.start(10, memory=400)
    clock = iter([100.0, 100.0, 100.0125, 100 + now_s, 100 + now_s, 100 + now_s])
    memory = MemoryShares(host, clock=lambda: next(clock))  # type: ignore[arg-type]
    for _ in range(2):
        memory.shares(["a"], lambda _: [10])
    assert host.n_read == n_read
