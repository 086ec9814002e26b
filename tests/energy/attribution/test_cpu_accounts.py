"""Whose CPU seconds are whose: made-up processes with exact times, and real ones against the kernel's own sums."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lwq_tune.energy.attribution.cpu_accounts import CpuAccounts
from lwq_tune.energy.sensors.processes import Process, ProcessReader

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds


def process(pid: int, parent: int = 1, own_s: float = 0.0, reaped_s: float = 0.0, **changes: int) -> Process:
    return Process(pid, changes.get("start", pid), parent, changes.get("group", pid), own_s, reaped_s)


def table(*processes: Process) -> dict[int, Process]:
    return {found.pid: found for found in processes}


def test_what_ran_before_an_account_was_opened_does_not_count() -> None:
    accounts = CpuAccounts()
    before = table(process(10, own_s=100.0, reaped_s=50.0))
    accounts.update(before)
    accounts.register("a", before[10], before)
    assert accounts.update(table(process(10, own_s=101.5, reaped_s=50.0))) == {"a": 1.5}


def test_a_child_counts_for_the_nearest_ancestor_with_an_account() -> None:
    accounts = CpuAccounts()
    driver, trial = process(10), process(20, parent=15)
    now = table(driver, process(15, parent=10), trial, process(21, parent=20))
    accounts.update(now)
    accounts.register("driver", driver, now, rest="ray")
    accounts.register("trial", trial, now)
    later = {pid: replace(found, own_s=float(pid)) for pid, found in now.items()}
    assert accounts.update(later) == {"driver": 10.0, "ray": 15.0, "trial": 41.0}


def opened(*roots: Process) -> CpuAccounts:
    accounts = CpuAccounts()
    accounts.update(table(*roots))
    for root in roots:
        accounts.register(str(root.pid), root, table(*roots))
    return accounts


def test_a_new_child_counts_from_its_start() -> None:
    accounts = opened(process(10))
    assert accounts.update(table(process(10, own_s=1.0), process(11, parent=10, own_s=2.0, reaped_s=0.5))) == {
        "10": 3.5
    }


def test_children_that_were_never_seen_count_when_their_parent_has_reaped_them() -> None:
    accounts = opened(process(10))
    assert accounts.update(table(process(10, own_s=1.0, reaped_s=4.0))) == {"10": 5.0}


def test_a_child_that_ends_is_not_counted_again_when_it_is_reaped() -> None:
    accounts = opened(process(10))
    accounts.update(table(process(10), process(11, parent=10, own_s=3.0)))
    assert accounts.update(table(process(10, reaped_s=3.25))) == {"10": 0.25}


def test_a_child_that_ends_and_is_not_waited_for_takes_nothing_away() -> None:
    accounts = opened(process(10))
    accounts.update(table(process(10), process(11, parent=10, own_s=3.0)))
    assert accounts.update(table(process(10, own_s=1.0))) == {"10": 1.0}


def test_a_process_that_is_handed_to_another_parent_stays_where_it_was() -> None:
    accounts = opened(process(10))
    accounts.update(table(process(10), process(11, parent=10, group=11)))
    assert accounts.update(table(process(10), process(11, parent=1, group=11, own_s=2.0))) == {"10": 2.0}


def test_an_orphan_in_the_group_of_a_root_that_leads_it_belongs_to_it() -> None:
    accounts = opened(process(10))
    assert accounts.update(table(process(10), process(11, parent=1, group=10, own_s=2.0))) == {"10": 2.0}


def test_a_group_that_the_root_does_not_lead_is_not_its_own() -> None:
    accounts = opened(process(10, group=5))
    assert accounts.update(table(process(10, group=5), process(11, parent=1, group=5, own_s=2.0))) == {"10": 0.0}


def test_a_number_that_is_used_again_is_another_process() -> None:
    accounts = opened(process(10))
    accounts.update(table(process(10), process(11, parent=10, own_s=3.0)))
    again = process(11, parent=1, own_s=50.0, start=999)
    assert accounts.update(table(process(10, reaped_s=3.0), again)) == {"10": 0.0}


def test_a_root_that_ended_is_told_and_its_number_is_not_taken_for_it() -> None:
    accounts = opened(process(10))
    again = table(process(10, own_s=70.0, start=999))
    assert accounts.update(again) == {"10": 0.0}
    assert accounts.dead(again) == ["10"]


def test_a_reused_process_counts_for_its_new_account_from_then_on() -> None:
    accounts = opened(process(10))
    now = table(process(10, own_s=2.0))
    assert accounts.update(now) == {"10": 2.0}
    accounts.unregister("10")
    accounts.register("next", now[10], now)
    assert accounts.update(table(process(10, own_s=2.5))) == {"next": 0.5}


def test_what_a_reaper_gains_from_a_trial_that_was_counted_is_not_counted_twice() -> None:
    accounts = CpuAccounts()
    raylet, trial = process(10), process(20, parent=10)
    now = table(raylet, trial)
    accounts.update(now)
    accounts.register("driver", raylet, now, rest="ray")
    accounts.register("trial", trial, now)
    accounts.update(table(raylet, process(20, parent=10, own_s=7.0)))
    used = accounts.update(table(process(10, reaped_s=7.5)))
    assert used["driver"] == pytest.approx(0.5)


def test_children_that_ended_together_are_both_taken_off_what_their_parent_reaps_with_all_they_had_reaped() -> None:
    accounts = opened(process(10))
    children = process(11, parent=10, own_s=3.0), process(12, parent=10, own_s=1.0, reaped_s=0.5)
    accounts.update(table(process(10), *children))
    assert accounts.update(table(process(10, reaped_s=5.0))) == {"10": 0.5}


def test_a_counter_that_falls_takes_nothing_away() -> None:
    accounts = opened(process(10, own_s=5.0, reaped_s=2.0))
    assert accounts.update(table(process(10, own_s=4.0, reaped_s=2.5))) == {"10": 0.5}
    assert accounts.update(table(process(10, own_s=4.25, reaped_s=2.0))) == {"10": 0.25}


def test_a_closed_account_leaves_its_processes_to_the_next_above_and_its_rest_to_nobody() -> None:
    accounts = CpuAccounts()
    driver, trial, child = process(10), process(20, parent=10), process(21, parent=20)
    now = table(driver, trial, child, process(30))
    accounts.register("driver", driver, now, rest="ray")
    accounts.register("trial", trial, now)
    accounts.update(now)
    assert (accounts.pids("driver"), accounts.pids("ray"), accounts.pids("trial")) == ([10], [], [20, 21])
    assert [accounts.owner(pid, now) for pid in (10, 21, 30, 99)] == ["driver", "trial", None, None]
    assert accounts.foreign() == {30: process(30)}
    accounts.unregister("trial")
    accounts.unregister("trial")
    accounts.update(now)
    assert accounts.pids("ray") == [20, 21]
    accounts.unregister("driver")
    assert accounts.names() == []
    assert accounts.pids("ray") == []
    assert accounts.update(now) == {}
    assert set(accounts.foreign()) == {10, 20, 21, 30}


def test_an_orphan_in_the_group_of_a_root_belongs_to_the_rest_of_its_account() -> None:
    accounts, driver = CpuAccounts(), process(10)
    accounts.update(table(driver))
    accounts.register("driver", driver, table(driver), rest="ray")
    assert accounts.update(table(driver, process(11, parent=1, group=10, own_s=2.0))) == {"driver": 0.0, "ray": 2.0}


def test_processes_that_are_each_others_parents_belong_to_nobody() -> None:
    accounts = opened(process(10))
    assert accounts.update(table(process(10), process(11, parent=12), process(12, parent=11))) == {"10": 0.0}
    assert set(accounts.foreign()) == {11, 12}


def test_a_living_root_is_not_among_the_dead() -> None:
    accounts = opened(process(10), process(20))
    assert accounts.dead(table(process(10), process(20))) == []
    assert accounts.dead(table(process(10))) == ["20"]


BURN = "import time\nwhile time.process_time() < {}: pass"


@pytest.mark.parametrize("in_groups_of_their_own", [False, True])
def test_at_least_98_percent_of_the_time_of_short_lived_processes_is_found(in_groups_of_their_own: bool) -> None:
    reader, accounts = ProcessReader(), CpuAccounts()
    before = reader.processes()
    accounts.update(before)
    accounts.register("us", before[os.getpid()], before)
    kernel_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found_s, next_s, n_left = 0.0, time.monotonic() + 0.5, 8
    own_before_s = time.process_time()
    while n_left:
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", BURN.format(0.3)], start_new_session=in_groups_of_their_own
        )
        child.wait()
        n_left -= 1
        if time.monotonic() >= next_s:
            found_s += accounts.update(reader.processes())["us"]
            next_s += 0.5
    found_s += accounts.update(reader.processes())["us"]
    kernel = resource.getrusage(resource.RUSAGE_CHILDREN)
    true_s = kernel.ru_utime + kernel.ru_stime - kernel_before.ru_utime - kernel_before.ru_stime
    own_s = time.process_time() - own_before_s
    assert true_s > 2.0
    assert found_s - own_s == pytest.approx(true_s, abs=0.02 * true_s + 0.02)  # ticks of 10 ms


def test_the_reader_sees_this_process_and_its_memory() -> None:
    reader = ProcessReader()
    own = reader.processes()[os.getpid()]
    assert own.parent == os.getppid()
    assert own.own_s == pytest.approx(time.process_time(), abs=0.1)
    own_pid = [os.getpid()]
    assert 1e6 < reader.proportional_bytes(own_pid) <= 1.05 * reader.resident_bytes(own_pid) < reader.memory_bytes()
    assert reader.busy_s() > 0
    assert reader.process(2**22 + 1) is None
