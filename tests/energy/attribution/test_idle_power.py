"""Idle power of the CPUs: which intervals count, and their mean."""

from __future__ import annotations

import pytest

from lwq_tune.energy.attribution.idle_power import IdlePower
from lwq_tune.energy.attribution.split import HostInterval

N_CPUS = 4


def interval(time_s: float = 1.0, busy_s: float = 0.0, cpu_j: float | None = 90.0) -> HostInterval:
    return HostInterval(time_s, N_CPUS, busy_s, cpu_j, None, 0.0, accounts={}, gpus={})


@pytest.mark.parametrize("model_w", [0.0, 12.5])
def test_a_model_of_the_meter_is_taken_as_it_is_whatever_is_measured(model_w: float) -> None:
    idle = IdlePower(model_w)
    idle.learn(interval(), is_free=True)
    assert (idle.cpu_w, idle.source) == (model_w, "model")


def test_without_a_model_it_is_the_mean_over_the_time_of_idle_intervals_and_0_before_the_first() -> None:
    idle = IdlePower(None)
    assert (idle.cpu_w, idle.source) == (0.0, "unknown")
    idle.learn(interval(1.0, cpu_j=50.0), is_free=True)
    assert (idle.cpu_w, idle.source) == (50.0, "calibrated")
    idle.learn(interval(3.0, cpu_j=70.0), is_free=True)
    assert idle.cpu_w == 120.0 / 4.0


@pytest.mark.parametrize(
    ("found", "is_free", "counts"),
    [
        (interval(), False, False),  # a trial was registered
        (interval(cpu_j=None), True, False),
        (interval(0.5, cpu_j=45.0), True, True),
        (interval(0.49, cpu_j=45.0), True, False),
        (interval(busy_s=0.19), True, True),  # of four CPUs less than a twentieth
        (interval(busy_s=0.2), True, False),
        (interval(10.0, busy_s=1.9, cpu_j=900.0), True, True),
        (interval(10.0, busy_s=2.0, cpu_j=900.0), True, False),
    ],
)
def test_an_interval_counts_if_no_trial_is_registered_and_the_host_is_idle_for_half_a_second_or_more(
    found: HostInterval, is_free: bool, counts: bool
) -> None:
    idle = IdlePower(None)
    idle.learn(found, is_free=is_free)
    assert idle.cpu_w == (90.0 if counts else 0.0)
