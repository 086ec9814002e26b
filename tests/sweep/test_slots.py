from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.confirmation import in_random_blocks
from lwq_tune.sweep.slots import (
    Host,
    Slots,
    choose_slots,
    same_share,
    share_hosts,
    usable_memory_mib,
)
from tests.conftest import small_config

BIG = Host(cpus=16, gpus=0.0, usable_memory_mib=64_000)


def asked(**changes: object) -> SweepConfig:
    return SweepConfig(results_dir=Path("r"), run="run", data_dir=Path("d"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "host", "n_trials", "expected"),
    [
        ({}, BIG, 100, Slots(16, 1.0, 0.0)),
        ({}, BIG, 5, Slots(5, 3.0, 0.0)),
        ({}, Host(16, 0.0, 5_000), 100, Slots(3, 5.0, 0.0)),
        ({}, Host(16, 0.0, 100), 100, Slots(1, 16.0, 0.0)),
        ({}, Host(16, 0.0, None), 100, Slots(16, 1.0, 0.0)),
        ({"max_concurrent": 20}, Host(16, 0.0, 5_000), 100, Slots(16, 1.0, 0.0)),
        ({"max_concurrent": 2}, BIG, 100, Slots(2, 8.0, 0.0)),
        ({"cpus_per_trial": 5.0}, BIG, 100, Slots(3, 5.0, 0.0)),
        ({"cpus_per_trial": 0.5}, BIG, 100, Slots(32, 0.5, 0.0)),
        ({"cpus_per_trial": 0.5}, Host(16, 0.0, 5_000), 100, Slots(3, 0.5, 0.0)),
        ({"exclusive": True}, BIG, 100, Slots(1, 16.0, 0.0)),
        ({}, Host(16, 2.0, 1_000), 100, Slots(2, 8.0, 1.0)),
        ({"gpus_per_trial": 0.25}, Host(16, 2.0, 64_000), 100, Slots(8, 2.0, 0.25)),
        ({"gpus_per_trial": 0.4}, Host(16, 2.0, 64_000), 100, Slots(4, 4.0, 0.4)),
        ({"gpus_per_trial": 2.0}, Host(16, 5.0, 64_000), 100, Slots(2, 8.0, 2.0)),
        ({"gpus_per_trial": 0.25, "cpus_per_trial": 0.5}, Host(2, 2.0, 64_000), 100, Slots(4, 0.5, 0.25)),
        ({"gpus_per_trial": 0.0}, Host(16, 2.0, 64_000), 100, Slots(16, 1.0, 0.0)),
        ({}, BIG, 0, Slots(1, 16.0, 0.0)),
    ],
)
def test_as_many_trials_run_at_a_time_as_fit(
    config: dict[str, object], host: Host, n_trials: int, expected: Slots
) -> None:
    assert choose_slots(asked(**config), host, n_trials) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"cpus_per_trial": 17.0}, "--cpus-per-trial must be at most 16, the CPUs of this host"),
        ({"cpus_per_trial": 17.0, "address": "auto"}, "must be at most 16, the CPUs of the largest host"),
        ({"gpus_per_trial": 1.0}, "at most 0 here"),
    ],
)
def test_a_trial_that_needs_more_than_there_is_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_slots(asked(**config), BIG, 1)


def test_parts_of_several_gpus_are_refused() -> None:
    with pytest.raises(ConfigError, match="a whole number or at most 1, got 1.5"):
        choose_slots(asked(gpus_per_trial=1.5), Host(8, 4.0, None), 1)


SMALL, LARGE = Host(4, 0.0, 64_000, "small"), Host(8, 0.0, 64_000, "large")
GPU_HOST = Host(16, 4.0, 64_000, "gpu")


@pytest.mark.parametrize(
    ("config", "hosts", "n_trials", "expected"),
    [
        ({}, [LARGE, LARGE], 100, Slots(16, 1.0, 0.0)),
        ({}, [LARGE, LARGE], 2, Slots(2, 8.0, 0.0)),
        ({}, [LARGE, LARGE], 3, Slots(3, 4.0, 0.0)),
        ({}, [SMALL, LARGE], 2, Slots(2, 4.0, 0.0)),
        ({}, [SMALL, LARGE], 1, Slots(1, 8.0, 0.0)),
        ({"max_concurrent": 5}, [SMALL, LARGE], 100, Slots(5, 2.0, 0.0)),
        # Two trials fit into the memory of the tight host, so it must not be able to take in a third.
        ({}, [Host(8, 0.0, 3_500), LARGE], 100, Slots(4, 4.0, 0.0)),
        ({}, [Host(2, 0.0, 64_000), Host(8, 0.0, 3_500)], 100, Slots(2, 4.0, 0.0)),
        ({"cpus_per_trial": 3.0}, [SMALL, LARGE], 100, Slots(3, 3.0, 0.0)),
        ({"cpus_per_trial": 0.5}, [SMALL, LARGE], 100, Slots(24, 0.5, 0.0)),
        ({}, [LARGE, GPU_HOST], 100, Slots(4, 4.0, 1.0)),
        ({}, [Host(16, 2.0, 100), GPU_HOST], 100, Slots(6, 4.0, 1.0)),
        ({"gpus_per_trial": 0.0}, [LARGE, GPU_HOST], 100, Slots(24, 1.0, 0.0)),
        ({"gpus_per_trial": 0.5}, [LARGE, GPU_HOST], 100, Slots(8, 2.0, 0.5)),
        ({"exclusive": True}, [LARGE, LARGE, LARGE], 100, Slots(3, 8.0, 0.0)),
        ({"exclusive": True}, [LARGE, LARGE, LARGE], 2, Slots(2, 8.0, 0.0)),
        ({"exclusive": True, "max_concurrent": 1}, [LARGE, LARGE], 100, Slots(1, 8.0, 0.0)),
        ({"exclusive": True}, [LARGE, GPU_HOST, GPU_HOST], 100, Slots(2, 16.0, 1.0)),
        ({"exclusive": True, "cpus_per_trial": 3.0}, [LARGE], 100, Slots(1, 3.0, 0.0)),
    ],
)
def test_trials_on_several_hosts_reserve_alike(
    config: dict[str, object], hosts: list[Host], n_trials: int, expected: Slots
) -> None:
    assert share_hosts(asked(**config), hosts, n_trials) == expected
    assert share_hosts(asked(**config), hosts[::-1], n_trials) == expected


@pytest.mark.parametrize("config", [{}, {"cpus_per_trial": 4.0}])
def test_whole_hosts_must_be_alike_and_whole(config: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="they have small 4, large 8; join hosts of one kind and leave out --cpus"):
        share_hosts(asked(exclusive=True, **config), [SMALL, LARGE], 2)


ANY_HOST = st.builds(
    Host,
    st.integers(1, 64),
    st.integers(0, 8).map(float),
    st.none() | st.integers(100, 300_000).map(float),
)
ANY_HOSTS = st.lists(ANY_HOST, min_size=1, max_size=6)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "max_concurrent": st.integers(1, 100),
        "cpus_per_trial": st.sampled_from([0.25, 0.5, 1.0]),
        "gpus_per_trial": st.just(0.0),
    },
)


@given(config=ASKED, hosts=ANY_HOSTS, n_trials=st.integers(1, 300))
def test_all_slots_find_room_and_no_host_takes_in_more_than_it_serves(
    config: dict[str, object], hosts: list[Host], n_trials: int
) -> None:
    slots = share_hosts(asked(**config), hosts, n_trials)
    # Ray places a trial wherever CPUs and GPUs are left.
    taken_in = [int(host.cpus / slots.cpus + 1e-9) for host in hosts]
    if slots.gpus:
        taken_in = [min(n, int(host.gpus / slots.gpus)) for n, host in zip(taken_in, hosts, strict=True)]
    assert 1 <= slots.n_slots <= min(sum(taken_in), n_trials, config.get("max_concurrent", 1000))
    if "max_concurrent" not in config and not slots.gpus:
        for n, host in zip(taken_in, hosts, strict=True):
            memory_mib = host.usable_memory_mib
            assert memory_mib is None or min(n, slots.n_slots) <= max(1, memory_mib // 1600)
    if "cpus_per_trial" not in config:
        more = [int(host.cpus / (slots.cpus + 1)) for host in hosts]
        if slots.gpus:
            more = [min(n, int(host.gpus / slots.gpus)) for n, host in zip(more, hosts, strict=True)]
        assert sum(more) < slots.n_slots, "another CPU each would be idle"


@given(host=ANY_HOST, n_trials=st.integers(1, 300))
def test_one_host_is_divided_into_equal_parts(host: Host, n_trials: int) -> None:
    fits = host.gpus if host.gpus else 1e9 if host.usable_memory_mib is None else max(1, host.usable_memory_mib // 1600)
    n_slots = int(min(host.cpus, n_trials, fits))
    assert choose_slots(asked(), host, n_trials) == Slots(n_slots, float(host.cpus // n_slots), min(1.0, host.gpus))


@given(config=ASKED, first=ANY_HOSTS, more=ANY_HOSTS, n_trials=st.integers(1, 300))
def test_a_resumed_sweep_reserves_what_it_did_before_where_any_host_has_as_much(
    config: dict[str, object], first: list[Host], more: list[Host], n_trials: int
) -> None:
    before = share_hosts(asked(**config), first, n_trials)
    assert same_share(asked(**config), first, first, n_trials) == before
    now = same_share(asked(**config), first, first[:1] + more, n_trials)
    if first[0].cpus >= before.cpus and first[0].gpus >= before.gpus:
        assert (now.cpus, now.gpus) == (before.cpus, before.gpus)


def test_a_resumed_sweep_on_smaller_hosts_says_that_its_figures_may_differ(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert same_share(asked(), [LARGE, LARGE], [SMALL], 2) == Slots(2, 2.0, 0.0)
    assert "reserved 8 CPUs and 0 GPUs each, now 2 and 0" in caplog.records[0].message


def test_trials_may_fill_four_fifths_of_the_memory(tmp_path: Path) -> None:
    assert usable_memory_mib(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 65536000 kB\n")
    assert usable_memory_mib(tmp_path) == pytest.approx(0.8 * 64_000)


def test_blocks_hold_each_seed_once_in_an_order_of_their_own_that_does_not_change() -> None:
    trials = [small_config(seed=seed, bit_widths=(a, b, 2)) for seed in (0, 1, 2) for a in (2, 3) for b in (2, 3, 4)]
    by_key = {trial.trial_key: trial for trial in trials}
    ordered = list(in_random_blocks(by_key).values())
    blocks = [ordered[start : start + 6] for start in (0, 6, 12)]
    for block in blocks:
        assert len({trial.seed for trial in block}) == 1
        assert len({trial.bit_widths for trial in block}) == 6
    orders = {tuple(trial.bit_widths for trial in block) for block in blocks}
    assert len(orders) > 1
    assert list(in_random_blocks(dict(reversed(by_key.items())))) == [trial.trial_key for trial in ordered]
