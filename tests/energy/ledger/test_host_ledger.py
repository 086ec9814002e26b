"""The ledger of a host on exact counters: what each trial is charged with, and what becomes of faults."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.host_ledger import HostLedger
from lwq_tune.energy.ledger.interval_log import read_intervals, read_lines
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.ledger.sampler import Reservation
from lwq_tune.energy.ledger.totals import Totals, trial_part
from lwq_tune.energy.sensors.nvml import NoGpus
from lwq_tune.errors import EnergyMeterError
from tests.support.fake_host import IDLE_W, W_PER_BUSY_CPU, FakeHost, log_of

GRID = IntensitySeries.constant(500.0, "user")
ONE_CPU = Reservation(1.0, {})


def spec_of(folder: Path, run: str = "run", pue: float = 1.0, session: str = "one") -> RunSpec:
    return RunSpec(run, log_of(folder), GRID, pue, session)


def opened(host: FakeHost, folder: Path, pue: float = 1.0) -> HostLedger:
    ledger = host.ledger()
    ledger.open_run(spec_of(folder, pue=pue))
    return ledger


def with_trial(host: FakeHost, folder: Path) -> tuple[HostLedger, str]:
    """Return a ledger and the account of a trial in process 10."""
    ledger = opened(host, folder)
    host.start(10)
    return ledger, ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)


def totals(ledger: HostLedger, account: str) -> Totals:
    return Totals.from_dict(ledger.mark(account))


def cpu_j(ledger: HostLedger, account: str) -> tuple[float, float]:
    part = totals(ledger, account).parts["cpu"]
    return part.active_j, part.idle_j


def test_a_trial_pays_for_what_it_computed_and_for_the_cpus_it_reserved(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.start(10, memory=250)
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    host.run(10.0, {10: 8.0}, other_cpu_s=2.0)
    found = totals(ledger, account)
    assert cpu_j(ledger, account) == pytest.approx((8.0 * W_PER_BUSY_CPU, IDLE_W * 10.0 / 4))
    assert found.parts["ram"].idle_j == pytest.approx(8.0 * 10.0 * 0.25)
    assert found.measured_s == pytest.approx(10.0)
    assert found.concurrency_s == pytest.approx(10.0)
    energy_j = math.fsum(part.total_j for part in found.parts.values())
    assert found.emissions_kg == pytest.approx(energy_j / 3.6e6 * 0.5)
    assert found.methods == {"cpu-seconds"}
    assert totals(ledger, account).methods == set(), "asked for since the last mark"


def test_above_idle_a_trial_is_charged_the_same_alone_and_beside_another(tmp_path: Path) -> None:
    def charged_j(folder: Path, *, with_neighbour: bool) -> float:
        host = FakeHost()
        folder.mkdir()
        ledger = opened(host, folder)
        host.start(10)
        host.start(20)
        account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
        if with_neighbour:
            ledger.register("run", trial_part("n", "s"), 20, ONE_CPU)
        for _ in range(5):
            host.run(1.0, {10: 0.9, 20: 0.95 if with_neighbour else 0.0})
            ledger.sample()
        return cpu_j(ledger, account)[0]

    alone_j = charged_j(tmp_path / "a", with_neighbour=False)
    beside_j = charged_j(tmp_path / "b", with_neighbour=True)
    assert alone_j == pytest.approx(5 * 0.9 * W_PER_BUSY_CPU)
    assert beside_j == pytest.approx(alone_j, rel=1e-12)


def test_the_log_adds_up_to_the_host_in_every_interval_and_marks_are_in_it(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.start(10)
    host.start(20)
    accounts = [ledger.register("run", trial_part(key, "s"), pid, ONE_CPU) for key, pid in (("a", 10), ("b", 20))]
    for step in range(25):
        host.run(1.0, {10: 0.5, 20: 0.25}, other_cpu_s=0.1)
        ledger.sample()
        if step == 11:
            ledger.unregister(accounts[1])
    final = totals(ledger, accounts[0])
    records = read_intervals(log_of(tmp_path))
    assert len(records) > 2
    for record in records:
        for domain, host_j in record["node"].items():
            parts_j = [value for pair in record["parts"][domain].values() for value in pair]
            assert math.fsum(parts_j) == pytest.approx(host_j, rel=1e-9)
    logged_j = math.fsum(sum(r["parts"]["cpu"].get(trial_part("a", "s"), [0.0])) for r in records)
    assert logged_j == pytest.approx(final.parts["cpu"].total_j, rel=1e-12)
    assert math.fsum(r["node"]["cpu"] for r in records) == pytest.approx(host.node.read().cpu_j)


def test_pue_multiplies_everything(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path, pue=1.5)
    host.start(10)
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    host.run(10.0, {10: 8.0})
    assert cpu_j(ledger, account) == pytest.approx((1.5 * 8.0 * W_PER_BUSY_CPU, 1.5 * IDLE_W * 10.0 / 4))
    assert sum(r["node"].get("cpu", 0.0) for r in read_intervals(log_of(tmp_path))) == pytest.approx(1.5 * 440.0)


def test_two_runs_are_served_by_one_ledger_and_each_is_the_others_other(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = host.ledger()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ledger.open_run(spec_of(tmp_path / name, name))
    host.start(10)
    host.start(20)
    accounts = [
        ledger.register(run, trial_part("k", "s"), pid, Reservation(2.0, {})) for run, pid in (("one", 10), ("two", 20))
    ]
    host.run(10.0, {10: 10.0, 20: 5.0})
    charged = [cpu_j(ledger, account) for account in accounts]
    assert charged == [
        pytest.approx((10.0 * W_PER_BUSY_CPU, IDLE_W * 10 / 2)),
        pytest.approx((5.0 * W_PER_BUSY_CPU, IDLE_W * 10 / 2)),
    ]
    ledger.close()
    for name, own_s in (("one", 10.0), ("two", 5.0)):
        records = read_intervals(log_of(tmp_path / name))
        own_j = math.fsum(r["parts"]["cpu"].get(trial_part("k", "s"), [0.0, 0.0])[0] for r in records if r["node"])
        other_j = math.fsum(r["parts"]["cpu"]["other"][0] for r in records if r["node"])
        assert own_j == pytest.approx(own_s * W_PER_BUSY_CPU)
        assert other_j == pytest.approx((15.0 - own_s) * W_PER_BUSY_CPU)


def test_a_counter_that_starts_anew_is_not_taken_for_energy(tmp_path: Path) -> None:
    host = FakeHost()
    ledger, account = with_trial(host, tmp_path)
    host.run(1.0, {10: 1.0})
    ledger.sample()
    host.node.offset_j = 65_532.6  # what a reset looks like behind CodeCarbon, which takes it for a wrap
    host.run(1.0, {10: 1.0})
    ledger.sample()
    host.run(1.0, {10: 1.0})
    found = totals(ledger, account)
    assert found.parts["cpu"].active_j == pytest.approx(2.0 * W_PER_BUSY_CPU)
    assert found.measured_s == pytest.approx(2.0)
    ledger.close()
    records = read_intervals(log_of(tmp_path))
    assert sum(r["unmeasured_s"] for r in records) == pytest.approx(1.0)
    assert "counter-reset" in {flag for r in records for flag in r["flags"]}


def test_a_meter_that_cannot_be_read_leaves_a_gap_and_no_estimate(tmp_path: Path) -> None:
    host = FakeHost()
    ledger, account = with_trial(host, tmp_path)
    for is_broken in (False, True, False, False):
        host.node.is_broken = is_broken
        host.run(1.0, {10: 1.0})
        ledger.sample()
    found = totals(ledger, account)
    assert found.measured_s == pytest.approx(2.0)  # both intervals that touch the failed reading are lost
    assert found.parts["cpu"].active_j == pytest.approx(2.0 * W_PER_BUSY_CPU)


def test_a_trial_that_dies_between_samples_stops_costing_and_never_turns_negative(tmp_path: Path) -> None:
    host = FakeHost()
    ledger, account = with_trial(host, tmp_path)
    host.run(1.0, {10: 1.0})
    ledger.sample()
    host.run(1.0, {10: 1.0})
    host.kill(10)
    ledger.sample()
    host.run(5.0)
    active_j, idle_j = cpu_j(ledger, account)
    assert active_j == pytest.approx(W_PER_BUSY_CPU)
    assert idle_j == pytest.approx(IDLE_W * 2.0 / 4)  # reserved until it was seen dead


def test_a_killed_ledger_goes_on_from_its_log_and_tells_what_it_missed(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.start(10)
    name = trial_part("k", "s")
    account = ledger.register("run", name, 10, ONE_CPU)
    host.run(3.0, {10: 3.0})
    before = totals(ledger, account)
    host.run(4.0, {10: 4.0})  # in which nobody looks
    successor = host.ledger()
    successor.open_run(spec_of(tmp_path))
    account = successor.register("run", name, 10, ONE_CPU)
    assert totals(successor, account).parts["cpu"].active_j == pytest.approx(before.parts["cpu"].active_j)
    host.run(2.0, {10: 2.0})
    after = totals(successor, account)
    assert after.parts["cpu"].active_j == pytest.approx(5.0 * W_PER_BUSY_CPU)
    assert after.measured_s == pytest.approx(5.0)
    (gap,) = [r for r in read_intervals(log_of(tmp_path)) if "ledger-down" in r["flags"]]
    assert gap["unmeasured_s"] == gap["time_s"] == pytest.approx(4.0)
    assert gap["node"] == {}


@pytest.mark.parametrize("ending", ["killed, and resumed as another session", "closed by its last client"])
def test_time_between_sessions_is_no_gap(ending: str, tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.run(5.0)
    ledger.sample()
    is_killed = ending.startswith("killed")
    if not is_killed:
        ledger.close_run("run")
    host.run(36_000.0)
    successor = host.ledger()
    successor.open_run(spec_of(tmp_path, session="two" if is_killed else "one"))
    host.run(1.0)
    successor.close()
    assert sum(record["unmeasured_s"] for record in read_intervals(log_of(tmp_path))) == 0.0


def test_a_ledger_that_is_told_to_end_leaves_a_gap_to_its_successor(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.run(5.0)
    ledger.close()
    host.run(3.0)
    host.ledger().open_run(spec_of(tmp_path))
    assert sum(record["unmeasured_s"] for record in read_intervals(log_of(tmp_path))) == pytest.approx(3.0)


def test_a_client_that_comes_back_keeps_its_account_when_its_old_connection_ends(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.start(10)
    old, new = (ledger.register("run", trial_part("k", "s"), 10, ONE_CPU) for _ in range(2))
    host.run(1.0, {10: 1.0})
    ledger.unregister(old)
    host.run(1.0, {10: 1.0})
    # For the first second both accounts held a reservation; computed was once.
    assert cpu_j(ledger, new) == pytest.approx((2.0 * W_PER_BUSY_CPU, IDLE_W * (2 + 1) / 4))


def test_clients_that_open_a_run_together_share_one_run_ledger(tmp_path: Path) -> None:
    host = FakeHost()
    opened(host, tmp_path).close_run("run")
    ledger = host.ledger()
    threads = [threading.Thread(target=ledger.open_run, args=(spec_of(tmp_path),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    openings = [line for line in read_lines(log_of(tmp_path)) if line.get("event") == "opened"]
    assert len(openings) == 2, "one for each ledger"


def test_a_log_that_was_cut_short_is_continued_on_a_line_of_its_own(tmp_path: Path) -> None:
    host = FakeHost()
    log_of(tmp_path).write_text('{"begin_s": 1.0, "ti')
    ledger = opened(host, tmp_path)
    host.run(20.0)
    ledger.close()
    assert [record["node"]["cpu"] for record in read_intervals(log_of(tmp_path))] == [pytest.approx(400.0)]


def test_where_no_model_tells_idle_power_quiet_seconds_do(tmp_path: Path) -> None:
    host = FakeHost(cpu_idle_w=None)
    ledger = opened(host, tmp_path)
    assert ledger.sources("run").idle_source == "unknown"
    for _ in range(3):
        host.run(1.0)
        ledger.sample()
    assert ledger.sources("run").idle_source == "calibrated"
    host.start(10)
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    host.run(10.0, {10: 8.0})
    assert cpu_j(ledger, account) == pytest.approx((8.0 * W_PER_BUSY_CPU, IDLE_W * 10.0 / 4))


def test_without_knowledge_of_idle_power_all_counts_as_active(tmp_path: Path) -> None:
    host = FakeHost(cpu_idle_w=None)
    ledger, account = with_trial(host, tmp_path)
    host.run(10.0, {10: 8.0})
    assert cpu_j(ledger, account) == pytest.approx((8.0 * W_PER_BUSY_CPU + IDLE_W * 10.0, 0.0))


def test_marks_from_many_threads_give_the_same_totals(tmp_path: Path) -> None:
    host = FakeHost()
    ledger, account = with_trial(host, tmp_path)
    stop = threading.Event()

    def mark() -> None:
        while not stop.is_set():
            ledger.mark(account)

    threads = [threading.Thread(target=mark) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        host.run(0.25, {10: 0.2})
    stop.set()
    for thread in threads:
        thread.join()
    active_j, idle_j = cpu_j(ledger, account)
    # A process may be read before and its busy time after a step; nothing is lost, whoever samples.
    assert totals(ledger, account).measured_s == pytest.approx(12.5)
    assert active_j == pytest.approx(10.0 * W_PER_BUSY_CPU, rel=0.05)
    assert idle_j == pytest.approx(IDLE_W * 12.5 / 4, rel=0.05)


def test_an_hourly_intensity_is_applied_as_the_hours_come(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = host.ledger()
    series = IntensitySeries((1e9, 1e9 + 5.0), (100.0, 700.0), "file:x:0")
    ledger.open_run(RunSpec("run", log_of(tmp_path), series))
    host.start(10)
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    for _ in range(15):
        host.run(1.0, {10: 1.0})
        ledger.sample()
    found = totals(ledger, account)
    energy_j = math.fsum(part.total_j for part in found.parts.values())
    assert found.emissions_kg == pytest.approx(energy_j / 3.6e6 * 0.5)
    ledger.close()
    records = read_intervals(log_of(tmp_path))
    assert {record["g_per_kwh"] for record in records} >= {100.0, 700.0}
    assert any("intensity-unknown" in record["flags"] for record in records), "the file ends after ten seconds"


def test_an_account_needs_a_process_and_a_mark_an_account(tmp_path: Path) -> None:
    ledger = opened(FakeHost(), tmp_path)
    with pytest.raises(EnergyMeterError, match="no process 77"):
        ledger.register("run", trial_part("k", "s"), 77)
    with pytest.raises(KeyError):
        ledger.mark("run/nobody")


def test_what_a_process_computed_before_it_got_an_account_is_never_its_own(tmp_path: Path) -> None:
    host = FakeHost()
    ledger = opened(host, tmp_path)
    host.start(10)
    for _ in range(5):
        host.run(1.0, {10: 0.9})
        ledger.sample()
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    host.run(1.0, {10: 0.5})
    assert cpu_j(ledger, account)[0] == pytest.approx(0.5 * W_PER_BUSY_CPU)


def test_a_full_disk_delays_the_log_and_loses_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    (tmp_path / "energy").write_text("in the way of a folder")
    ledger = host.ledger()
    ledger.open_run(RunSpec("run", tmp_path / "energy" / "host.jsonl", GRID, session="one"))
    host.run(30.0)
    ledger.sample()
    (tmp_path / "energy").unlink()
    host.run(30.0)
    ledger.close()
    assert math.fsum(r["node"]["cpu"] for r in read_intervals(tmp_path / "energy" / "host.jsonl")) == pytest.approx(
        1200
    )


@pytest.mark.parametrize("jump_s", [-7200.0, 7200.0])
def test_a_wall_clock_that_jumps_changes_no_energy(jump_s: float, tmp_path: Path) -> None:
    host, jumped_s = FakeHost(), [0.0]
    ledger = HostLedger(
        host.node,
        NoGpus(),
        host,  # type: ignore[arg-type]
        host_cpus=4,
        clock=lambda: host.now_s,
        wall=lambda: 1e9 + host.now_s + jumped_s[0],
    )
    ledger.open_run(spec_of(tmp_path))
    host.start(10)
    account = ledger.register("run", trial_part("k", "s"), 10, ONE_CPU)
    host.run(5.0, {10: 5.0})
    ledger.sample()
    jumped_s[0] = jump_s
    host.run(5.0, {10: 5.0})
    found = totals(ledger, account)
    assert found.parts["cpu"].active_j == pytest.approx(10.0 * W_PER_BUSY_CPU)
    assert found.measured_s == pytest.approx(10.0)
    ledger.close()
    records = read_intervals(log_of(tmp_path))
    assert sum(record["time_s"] for record in records) == pytest.approx(10.0)
    assert sum(record["unmeasured_s"] for record in records) == 0.0
