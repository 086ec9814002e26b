from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.errors import ConfigError
from lwq_tune.results.provenance import available_cpus
from lwq_tune.sweep.exclusive import in_random_blocks
from lwq_tune.sweep.reservation import Host, Slots, choose_slots, usable_memory_mib
from lwq_tune.sweep_config import SweepConfig
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
        ({"cpus_per_trial": 0.5}, BIG, 100, Slots(16, 0.5, 0.0)),
        ({"exclusive": True}, BIG, 100, Slots(1, 16.0, 0.0)),
        ({}, Host(16, 2.0, 1_000), 100, Slots(2, 8.0, 1.0)),
        ({"gpus_per_trial": 0.25}, Host(16, 2.0, 64_000), 100, Slots(8, 2.0, 0.25)),
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
    [({"cpus_per_trial": 17.0}, "--cpus-per-trial must be at most 16"), ({"gpus_per_trial": 1.0}, "at most 0 here")],
)
def test_a_trial_that_needs_more_than_there_is_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_slots(asked(**config), BIG, 1)


def test_a_container_gives_what_its_limits_say(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    assert usable_memory_mib(tmp_path) is None
    (tmp_path / "proc/meminfo").write_text("MemTotal: 65536000 kB\nMemFree: 1 kB\n")
    assert usable_memory_mib(tmp_path) == pytest.approx(0.8 * 64_000)
    for text, expected_mib in (("max\n", 64_000), (f"{4 * 2**30}\n", 4096)):
        (tmp_path / "sys/fs/cgroup/memory.max").write_text(text)
        assert usable_memory_mib(tmp_path) == pytest.approx(0.8 * expected_mib)
    everything = available_cpus(tmp_path)
    for text, expected in (("max 100000\n", everything), ("150000 100000\n", 1), ("10000 100000\n", 1)):
        (tmp_path / "sys/fs/cgroup/cpu.max").write_text(text)
        assert available_cpus(tmp_path) == expected


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
