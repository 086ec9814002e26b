"""The arithmetic of the ledger: exact figures, and properties that hold for any interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.energy.attribution.split import (
    OTHER,
    UNALLOCATED,
    AccountUse,
    GpuUse,
    HostInterval,
    Part,
    residuals,
    split,
)

# Not the smallest floats, of a few bits: /proc counts in hundredths of a second, and NVML in percent.
seconds = st.just(0.0) | st.floats(1e-9, 1e4)
percents = st.just(0.0) | st.floats(1e-9, 100)
joules = st.just(0.0) | st.floats(1e-9, 1e9)
shares = st.floats(0, 1, allow_nan=False)
names = st.sampled_from(["a", "b", "c", "d"])
uses = st.builds(AccountUse, cpu_s=seconds, reserved_cpus=st.floats(0, 128), memory_share=shares)
gpu_uses = st.builds(
    GpuUse,
    energy_j=joules,
    idle_w=st.floats(0, 500),
    owners=st.dictionaries(names, st.floats(0.1, 1)),
    utilization=st.none() | st.dictionaries(names | st.just(OTHER), percents),
    has_foreign=st.booleans(),
)
intervals = st.builds(
    HostInterval,
    time_s=st.floats(1e-3, 1e5),
    host_cpus=st.integers(1, 256),
    busy_s=seconds,
    cpu_j=st.none() | joules,
    ram_j=st.none() | joules,
    cpu_idle_w=st.floats(0, 500),
    accounts=st.dictionaries(names, uses),
    gpus=st.dictionaries(st.sampled_from(["0", "1"]), gpu_uses),
)


@given(intervals)
def test_in_every_domain_the_parts_are_what_the_host_used(interval: HostInterval) -> None:
    divided = split(interval)
    for domain, rest in residuals(divided).items():
        assert abs(rest) <= 1e-9 * divided.host_j[domain]


@given(intervals)
def test_no_part_is_negative(interval: HostInterval) -> None:
    for by_account in split(interval).parts.values():
        for part in by_account.values():
            assert part.active_j >= 0
            assert part.idle_j >= 0


@given(intervals)
def test_the_order_of_accounts_does_not_matter(interval: HostInterval) -> None:
    reversed_accounts = dict(reversed(interval.accounts.items()))
    turned = HostInterval(**{**vars(interval), "accounts": reversed_accounts})
    one, other = split(interval).parts, split(turned).parts
    for domain, by_account in one.items():
        for name, part in by_account.items():
            assert other[domain][name].total_j == pytest.approx(part.total_j, rel=1e-12)


@given(intervals, st.floats(0.1, 0.9))
def test_splitting_an_interval_of_constant_rates_changes_nothing(interval: HostInterval, cut: float) -> None:
    def piece(share: float) -> HostInterval:
        def scaled(value: float | None) -> float | None:
            return None if value is None else value * share

        accounts = {
            name: AccountUse(use.cpu_s * share, use.reserved_cpus, use.memory_share)
            for name, use in interval.accounts.items()
        }
        gpus = {g: GpuUse(**{**vars(use), "energy_j": use.energy_j * share}) for g, use in interval.gpus.items()}
        return HostInterval(
            interval.time_s * share,
            interval.host_cpus,
            interval.busy_s * share,
            scaled(interval.cpu_j),
            scaled(interval.ram_j),
            interval.cpu_idle_w,
            accounts,
            gpus,
        )

    whole, first, second = split(interval), split(piece(cut)), split(piece(1 - cut))
    for domain, by_account in whole.parts.items():
        for name, part in by_account.items():
            pieces = first.parts[domain][name].total_j + second.parts[domain][name].total_j
            assert pieces == pytest.approx(part.total_j, rel=1e-9, abs=1e-9 * whole.host_j[domain])


def account(cpu_s: float = 0.0, reserved_cpus: float = 0.0, memory_share: float = 0.0) -> AccountUse:
    return AccountUse(cpu_s, reserved_cpus, memory_share)


def interval_of(accounts: dict[str, AccountUse], **changes: object) -> HostInterval:
    values = {
        "time_s": 10.0,
        "host_cpus": 4,
        "busy_s": 20.0,
        "cpu_j": 1000.0,
        "ram_j": 200.0,
        "cpu_idle_w": 20.0,
        "accounts": accounts,
        "gpus": {},
        **changes,
    }
    return HostInterval(**values)  # type: ignore[arg-type]


def test_identical_trials_get_identical_parts_and_the_rest_is_others() -> None:
    trials = {name: account(cpu_s=5.0, reserved_cpus=1, memory_share=0.1) for name in ("a", "b", "c")}
    parts = split(interval_of(trials)).parts
    # 1000 J less 20 W x 10 s idle are 800 J above idle, for 20 busy seconds, 5 of them in no trial.
    assert [parts["cpu"][name] for name in "abc"] == [Part(200.0, 50.0)] * 3
    assert parts["cpu"][OTHER] == Part(200.0, 0.0)
    assert parts["cpu"][UNALLOCATED] == Part(0.0, 50.0)
    assert [parts["ram"][name].idle_j for name in "abc"] == pytest.approx([20.0] * 3)
    assert parts["ram"][UNALLOCATED].idle_j == pytest.approx(140.0)


def test_a_trial_is_charged_the_same_above_idle_whatever_runs_beside_it_under_a_linear_source() -> None:
    def above_idle_j(neighbour_cpu_s: float) -> float:
        busy_s = 5.0 + neighbour_cpu_s
        accounts = {"a": account(cpu_s=5.0, reserved_cpus=1), "b": account(neighbour_cpu_s, reserved_cpus=1)}
        interval = interval_of(accounts, busy_s=busy_s, cpu_j=200.0 + 30.0 * busy_s)
        return split(interval).parts["cpu"]["a"].active_j

    assert above_idle_j(0.0) == pytest.approx(150.0)
    assert above_idle_j(15.0) == pytest.approx(above_idle_j(0.0), rel=1e-12)


def test_a_sleeping_trial_uses_nothing_above_idle() -> None:
    part = split(interval_of({"a": account(cpu_s=0.0, reserved_cpus=2)})).parts["cpu"]["a"]
    assert part == Part(0.0, 100.0)


def test_on_an_empty_host_everything_is_idle() -> None:
    parts = split(interval_of({}, busy_s=0.0)).parts["cpu"]
    assert parts == {OTHER: Part(), UNALLOCATED: Part(0.0, 1000.0)}


def test_trials_that_reserve_more_than_the_host_share_its_idle_energy() -> None:
    parts = split(interval_of({name: account(reserved_cpus=4) for name in "ab"})).parts["cpu"]
    assert parts["a"].idle_j == parts["b"].idle_j == 100.0
    assert parts[UNALLOCATED].idle_j == 0.0


def test_ticks_that_exceed_the_busy_time_take_nothing_from_others() -> None:
    parts = split(interval_of({"a": account(cpu_s=30.0)})).parts["cpu"]
    assert parts["a"].active_j == 800.0
    assert parts[OTHER].active_j == 0.0


GPUS = {
    "an exclusive owner gets all": (
        GpuUse(100.0, 2.0, {"a": 1.0}, {"a": 50.0}),
        {"a": Part(80.0, 20.0), UNALLOCATED: Part()},
        "exclusive",
    ),
    "two share by SM utilization": (
        GpuUse(100.0, 2.0, {"a": 0.5, "b": 0.5}, {"a": 30.0, "b": 10.0}),
        {"a": Part(60.0, 10.0), "b": Part(20.0, 10.0), UNALLOCATED: Part()},
        "sm-util",
    ),
    "nobody computed, so nobody is charged above idle": (
        GpuUse(100.0, 2.0, {"a": 0.5, "b": 0.5}, {}),
        {"a": Part(0.0, 10.0), "b": Part(0.0, 10.0), UNALLOCATED: Part(80.0)},
        "sm-util",
    ),
    "a foreign process takes its share": (
        GpuUse(100.0, 2.0, {"a": 1.0}, {"a": 30.0, OTHER: 10.0}, has_foreign=True),
        {"a": Part(60.0, 20.0), OTHER: Part(20.0), UNALLOCATED: Part()},
        "sm-util",
    ),
    "utilization of a process that reserved nothing is others'": (
        GpuUse(100.0, 2.0, {"a": 0.5}, {"a": 30.0, "b": 10.0}, has_foreign=True),
        {"a": Part(60.0, 10.0), OTHER: Part(20.0), UNALLOCATED: Part(0.0, 10.0)},
        "sm-util",
    ),
    "where utilization cannot be read, reservations count": (
        GpuUse(100.0, 2.0, {"a": 0.25, "b": 0.25}),
        {"a": Part(20.0, 5.0), "b": Part(20.0, 5.0), UNALLOCATED: Part(40.0, 10.0)},
        "reservation",
    ),
    "without owners foreign processes are others": (
        GpuUse(100.0, 2.0, {}, has_foreign=True),
        {OTHER: Part(80.0), UNALLOCATED: Part(0.0, 20.0)},
        "unowned",
    ),
    "without anybody it is not allocated": (GpuUse(100.0, 2.0, {}), {UNALLOCATED: Part(80.0, 20.0)}, "unowned"),
}


@pytest.mark.parametrize("name", GPUS)
def test_of_a_gpu(name: str) -> None:
    use, expected, method = GPUS[name]
    divided = split(interval_of({}, gpus={"0": use}))
    assert divided.parts["gpu:0"] == expected
    assert divided.gpu_methods == {"gpu:0": method}


def test_trials_that_do_everything_are_together_charged_with_the_host_once() -> None:
    trials = {str(number): account(cpu_s=5.0, reserved_cpus=1) for number in range(4)}
    interval = interval_of(trials)
    charged = math.fsum(part.total_j for name, part in split(interval).parts["cpu"].items() if name in trials)
    assert charged == pytest.approx(1000.0)
