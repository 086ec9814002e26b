from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.run_log import Usage, handovers, packing, trial_times
from benchmarks.support.sweeps import N_TEST, N_TRAIN, DriverSampler, Sweep, run_short, write_images
from benchmarks.sweep_overhead import growth_figures, main, start_figures
from lwq_tune.data.loading import load_folder
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.results.row_log import RowLog, read_log


def at(time_s: float) -> str:
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat(timespec="milliseconds")


def trial_records(
    key: str, process: str, start_s: float, rows: list[tuple[float, float]], end_s: float, setup_s: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Yield the records of a trial; a row is when it came, and the time of its epoch."""
    yield {"kind": "start", "trial_key": key, "at_utc": at(start_s)}
    for number, (recorded_s, epoch_time_s) in enumerate(rows):
        yield {
            "kind": "epoch",
            "trial_key": key,
            "recorded_at_utc": at(recorded_s),
            "epoch_time_s": epoch_time_s,
            "setup_time_s": 0.0 if number else setup_s,
            "energy_segment": f"some-host-{process}-0a1b",
        }
    yield {"kind": "end", "trial_key": key, "status": "done", "at_utc": at(end_s)}


def interleaved() -> list[dict[str, Any]]:
    """Return the log of two processes: 7 trains `a` and then `c`, 8 trains `b` and then `d`."""
    a = trial_records("a", "7", 10.0, [(20.0, 9.5), (30.0, 10.0)], 30.5)
    b = trial_records("b", "8", 11.0, [(41.0, 29.0)], 41.25)
    c = trial_records("c", "7", 30.7, [(51.0, 20.0)], 51.5, setup_s=0.5)
    d = trial_records("d", "8", 41.5, [(61.75, 20.0)], 62.0)
    records = [*a, *b, *c, *d]
    return sorted(records, key=lambda record: record.get("at_utc") or record["recorded_at_utc"])


def test_a_trial_begins_as_long_before_its_first_row_as_its_epoch_took() -> None:
    times = trial_times(interleaved())
    assert [(trial.begin_s, trial.end_s, trial.work_s) for trial in times] == [
        (10.5, 30.5, 19.5),
        (12.0, 41.25, 29.0),
        (31.0, 51.5, 20.0),
        (41.75, 62.0, 20.0),
    ]
    assert [trial.first_step_s - trial.begin_s for trial in times] == [0.0, 0.0, 0.5, 0.0]
    assert [trial.process for trial in times] == ["some-host-7", "some-host-8"] * 2


def test_a_handover_is_between_two_trials_of_one_process() -> None:
    gaps_s = handovers(trial_times(interleaved()))
    # 7: from 30.5 to 31.0, its first step at 31.5; 8: from 41.25 to 41.75.
    assert gaps_s["to_epoch_s"]["median"] == pytest.approx(0.5)
    assert gaps_s["to_step_s"] == pytest.approx({"median": 0.75, "p95": 0.975})


def test_packing_counts_the_time_of_a_slot_in_which_nothing_trains() -> None:
    packed = packing(trial_times(interleaved()), n_slots=2)
    # From 10.5 to 62.0; 19.5 + 29 + 20 + 20 of work in two slots.
    assert packed["wall_s"] == pytest.approx(51.5)
    assert packed["work_s"] == pytest.approx(88.5)
    assert packed["wall_over_work"] == pytest.approx(103 / 88.5)
    assert packed["idle_per_trial_s"] == pytest.approx(14.5 / 4)
    assert packed["at_a_minute"] == pytest.approx(1 + 14.5 / 4 / 60)


@pytest.mark.parametrize("spoil", ["failed", "restarted", "unfinished"])
def test_a_trial_that_did_not_simply_run_through_is_not_timed(spoil: str) -> None:
    records = list(trial_records("a", "7", 10.0, [(20.0, 9.5)], 30.5))
    if spoil == "failed":
        records[-1]["status"] = "failed"
    elif spoil == "restarted":
        records.insert(1, records[0])
    else:
        del records[-1]
    with pytest.raises(ValueError, match="starts once and ends done"):
        trial_times(records)


def test_the_start_is_counted_from_the_command_to_the_first_row() -> None:
    sweeps = [Sweep(begin_s, 65.0, interleaved()) for begin_s in (0.0, 1.0, 5.0)]
    assert start_figures(sweeps) == pytest.approx(
        {"first_row_s": 19.0, "first_epoch_s": 9.5, "after_last_trial_s": 3.0}
    )


def test_growth_compares_the_last_quarter_with_the_first() -> None:
    mib = 2**20
    samples = [
        Usage(n_ended, at_s, {"driver": cpu_s, "ledger": 0.0}, {"driver": memory, "ledger": 50 * mib})
        for n_ended, at_s, cpu_s, memory in (
            (1, 0.0, 5.0, 100 * mib),
            (26, 25.0, 6.0, 110 * mib),
            (50, 49.0, 7.2, 120 * mib),
            (76, 101.0, 9.8, 135 * mib),
        )
    ]
    growth = growth_figures(samples)
    assert [quarter["n_ended"] for quarter in growth["quarters"]] == [26, 50, 76]
    assert [quarter["driver_cpu_ms"] for quarter in growth["quarters"]] == pytest.approx([40.0, 50.0, 100.0])
    assert growth["driver_cpu_ms_last_over_first"] == pytest.approx(2.5)
    assert growth["wall_ms_last_over_first"] == pytest.approx(2.0)
    assert growth["driver_kib_per_trial"] == pytest.approx(25 * 1024 / 50)
    assert growth["ledger_kib_per_trial"] == 0.0


def test_samples_are_taken_once_for_each_number_of_ended_trials(tmp_path: Path) -> None:
    log = RowLog(tmp_path / "rows.jsonl")
    taken: list[int] = []

    class CountingSampler(DriverSampler):
        def _take(self, driver_pid: int) -> None:
            taken.append(self._n_ended)

    sampler = CountingSampler([1, 3, 4, 6])
    sampler.look(1, tmp_path / "rows.jsonl")
    for n_ends in (0, 1, 0, 3, 1, 1):
        for _ in range(n_ends):
            log.append({"kind": "end"})
        log.append({"kind": "epoch", "note": '"kind": "end"'})
        with (tmp_path / "rows.jsonl").open("a") as stream:
            stream.write('{"kind": "en')  # a line that is being written
        sampler.look(1, tmp_path / "rows.jsonl")
        sampler.look(1, tmp_path / "rows.jsonl")
        with (tmp_path / "rows.jsonl").open("a") as stream:
            stream.write('ding"}\n')
    log.close()
    assert sum(record["kind"] == "end" for record in read_log(tmp_path / "rows.jsonl")) == 6
    assert taken == [1, 4, 6]


def test_the_images_are_a_data_set_that_a_sweep_can_read(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    dataset = load_folder(str(tmp_path / "images"))
    assert (len(dataset.train.labels), len(dataset.test.labels), dataset.num_classes) == (N_TRAIN, N_TEST, 2)
    brightness = [float(dataset.train.images[dataset.train.labels == label].float().mean()) for label in (0, 1)]
    assert brightness[1] - brightness[0] == pytest.approx(150, abs=5)


@pytest.mark.slow
def test_a_real_sweep_yields_all_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only real run of these tests: what the others make up here is what a sweep writes."""
    monkeypatch.setenv(FOLDER_VARIABLE, "")  # the benchmark sets it
    sweep, samples = run_short(tmp_path, slots=1, n_trials=8, epochs=1)
    assert len(sweep.trials) == 8
    for gaps_s in handovers(sweep.trials).values():
        assert 0 < gaps_s["median"] < 60
    assert 1 < packing(sweep.trials, 1)["wall_over_work"] < 20
    start = start_figures([sweep])
    assert start["first_row_s"] > start["first_epoch_s"] > 0
    quarters = growth_figures(samples)["quarters"]
    assert quarters[-1]["n_ended"] == 8
    assert all(quarter["driver_cpu_ms"] > 0 and quarter["driver_memory_mib"] > 50 for quarter in quarters)


def test_more_slots_than_long_trials_leave_no_handover(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sweep_overhead", "--slots", "4", "--long-trials", "4"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--long-trials must be more than the 4 slots, got 4" in capsys.readouterr().err
