"""GPUs in the ledger: readings in, what is divided out."""

from __future__ import annotations

import pytest

from lwq_tune.energy.attribution.gpu_accounts import GpuAccounts, GpuCheck
from lwq_tune.energy.attribution.split import OTHER, GpuUse
from lwq_tune.energy.sensors.nvml import GpuInfo, GpuReading

INFO = GpuInfo("0", "GPU-aa", "H100", False, "measured:nvml-energy-counter")
OWNERS = {10: "a", 20: "b", 30: OTHER}


class ScriptedGpus:
    """Gives one reading after another of one GPU."""

    def __init__(self, *readings: GpuReading) -> None:
        self.gpus = {"0": INFO}
        self._readings = list(readings)

    def read(self, now_s: float) -> dict[str, GpuReading]:
        return {"0": self._readings.pop(0)}

    def close(self) -> None:
        pass


def uses(accounts: GpuAccounts, n_readings: int) -> list[GpuUse | None]:
    flags: set[str] = set()
    return [accounts.read(float(n), 1.0, OWNERS.get, flags).get("0") for n in range(n_readings)]


def reading(energy_j: float | None, utilization: dict[int, float] | None = None, *pids: int) -> GpuReading:
    return GpuReading(energy_j, {} if utilization is None else utilization, frozenset(pids))


def test_the_first_reading_only_sets_the_baseline() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(500.0), reading(530.0)))
    assert [use and use.energy_j for use in uses(accounts, 2)] == [None, 30.0]
    assert accounts.source == "measured:nvml-energy-counter"


def test_after_a_failed_reading_the_next_holds_the_energy_of_both() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(500.0), reading(None), reading(560.0)))
    assert [use and use.energy_j for use in uses(accounts, 3)] == [None, None, 60.0]


def test_utilization_is_summed_by_account_and_foreigners_are_others() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(100.0, {10: 30.0, 20: 10.0, 30: 5.0}, 10, 20, 30)))
    accounts.register("a", {"0": 0.5})
    accounts.register("b", {"0": 0.5})
    assert uses(accounts, 2)[1] == GpuUse(100.0, 0.0, {"a": 0.5, "b": 0.5}, {"a": 30.0, "b": 10.0, OTHER: 5.0}, True)


def test_processes_that_this_host_does_not_have_mean_another_namespace_and_reservations_count() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(100.0, {77: 90.0}, 77)))
    accounts.register("a", {"0": 1.0})
    use = uses(accounts, 2)[1]
    assert use is not None
    assert (use.utilization, use.has_foreign, use.owners) == (None, False, {"a": 1.0})


def test_idle_power_is_the_mean_of_what_was_drawn_while_nobody_was_on_it() -> None:
    readings = [reading(0.0), reading(60.0), reading(110.0), reading(300.0, {10: 90.0}, 10)]
    accounts = GpuAccounts(ScriptedGpus(*readings))
    assert [use.idle_w for use in uses(accounts, 4) if use] == [60.0, 55.0, 55.0]


def test_an_interval_shorter_than_the_counter_teaches_no_idle_power() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(70.0), reading(70.0)))
    flags: set[str] = set()
    for now_s, time_s in ((0.0, 1.0), (1.0, 1.0), (1.02, 0.02)):
        use = accounts.read(now_s, time_s, OWNERS.get, flags).get("0")
    assert use is not None
    assert use.idle_w == 70.0


def test_what_cannot_tell_who_is_on_it_teaches_no_idle_power() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), GpuReading(90.0, None, None)))
    use = uses(accounts, 2)[1]
    assert use is not None
    assert (use.idle_w, use.utilization) == (0.0, None)


def test_an_account_that_is_closed_owns_nothing() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(100.0)))
    accounts.register("a", {"0": 1.0})
    accounts.unregister("a")
    use = uses(accounts, 2)[1]
    assert use == GpuUse(100.0, 100.0, {}, {}, False)


def test_a_meter_that_says_something_else_than_the_counters_is_noticed_and_a_small_delay_is_not() -> None:
    agreeing, apart, unknown = GpuCheck(), GpuCheck(), GpuCheck()
    assert not any(agreeing.disagrees(300.0, 300.0 if step else 260.0) for step in range(100))
    seen = [apart.disagrees(300.0, 600.0) for _ in range(100)]
    assert (seen[0], seen[-1]) == (False, True)
    assert not any(unknown.disagrees(300.0, None) for _ in range(100))


@pytest.mark.parametrize("n", [0, 1])
def test_a_host_without_gpus_has_no_source(n: int) -> None:
    from lwq_tune.energy.sensors.nvml import NoGpus

    accounts = GpuAccounts(NoGpus())
    assert accounts.source == "none"
    assert uses(accounts, n) == [None] * n


def test_nine_tenths_of_a_second_are_long_enough_to_teach_idle_power() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(45.0)))
    accounts.read(0.0, 0.9, OWNERS.get, set())
    assert accounts.read(0.9, 0.9, OWNERS.get, set())["0"].idle_w == 50.0


def test_a_gpu_that_is_reserved_teaches_no_idle_power_although_nothing_runs_on_it() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(90.0)))
    accounts.register("a", {"0": 1.0})
    assert uses(accounts, 2)[1] == GpuUse(90.0, 0.0, {"a": 1.0}, {}, False)


def test_a_reservation_of_nothing_is_none_and_a_new_one_replaces_the_former() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(10.0), reading(20.0)))
    accounts.register("a", {"0": 1.0})
    accounts.register("b", {"0": 0.0})
    assert [use.owners for use in uses(accounts, 2) if use] == [{"a": 1.0}]
    accounts.register("a", {"1": 1.0})
    assert [use.owners for use in uses(accounts, 1) if use] == [{}]


def test_an_account_that_has_not_reserved_the_gpu_it_uses_is_another_process_there() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(10.0, {10: 5.0, 20: 3.0, 30: 1.0})))
    accounts.register("a", {"0": 1.0})
    accounts.register("b", {"1": 1.0})
    assert uses(accounts, 2)[1] == GpuUse(10.0, 0.0, {"a": 1.0}, {"a": 5.0, OTHER: 4.0}, True)


def test_a_process_that_computes_nothing_is_on_the_gpu_all_the_same() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), GpuReading(10.0, None, frozenset({30}))))
    accounts.register("a", {"0": 1.0})
    assert uses(accounts, 2)[1] == GpuUse(10.0, 0.0, {"a": 1.0}, None, True)


def test_one_process_that_this_host_has_is_enough_to_tell_that_it_is_no_other_namespace() -> None:
    accounts = GpuAccounts(ScriptedGpus(reading(0.0), reading(10.0, {10: 6.0, 77: 3.0})))
    accounts.register("a", {"0": 1.0})
    assert uses(accounts, 2)[1] == GpuUse(10.0, 0.0, {"a": 1.0}, {"a": 6.0, OTHER: 3.0}, True)


def test_a_gpu_that_cannot_be_read_is_flagged_and_left_out() -> None:
    accounts, flags = GpuAccounts(ScriptedGpus(reading(0.0), reading(None))), set[str]()
    accounts.read(0.0, 1.0, OWNERS.get, flags)
    assert flags == set()
    assert accounts.read(1.0, 1.0, OWNERS.get, flags) == {}
    assert flags == {"gpu-unreadable"}


def test_gpus_that_are_measured_in_different_ways_have_both_sources_in_order() -> None:
    gpus = ScriptedGpus()
    gpus.gpus = {str(number): GpuInfo(str(number), "GPU", "H100", False, source) for number, source in enumerate("bab")}
    assert GpuAccounts(gpus).source == "a+b"


@pytest.mark.parametrize(
    ("counted_j", "said_j", "is_apart"),
    [
        (9000.0, 10_000.0, False),  # a tenth of the larger one
        (8999.0, 10_000.0, True),
        (10_000.0, 9000.0, False),
        (10_000.0, 8999.0, True),
        (0.0, 5000.0, False),  # too little to judge
        (0.0, 5000.5, True),
        (5000.5, 0.0, True),
    ],
)
def test_meter_and_counters_disagree_by_more_than_a_tenth_of_more_than_5_kj(
    counted_j: float, said_j: float, is_apart: bool
) -> None:
    assert GpuCheck().disagrees(counted_j, said_j) == is_apart
    check = GpuCheck()
    check.disagrees(counted_j / 2, said_j / 2)
    assert check.disagrees(counted_j / 2, said_j / 2) == is_apart, "sums count"
