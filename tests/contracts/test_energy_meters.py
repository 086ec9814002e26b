"""What is relied on of every meter: of a trial by its epochs, of a host and of its GPUs by the energy ledger."""

from __future__ import annotations

import itertools
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pynvml
import pytest

from lwq_tune import energy
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy import sensors
from lwq_tune.energy.meter import EnergyMeter, EnergyReading, MeterSources, NullMeter
from lwq_tune.energy.sensors.codecarbon import CodeCarbonMeter
from lwq_tune.energy.sensors.host_meter import HostMeter
from lwq_tune.energy.sensors.nvml import GpuReader, NoGpus, NvmlGpus
from lwq_tune.energy.service import server
from lwq_tune.energy.service.client import RunSpec
from lwq_tune.energy.service.location import FOLDER_VARIABLE, socket_path
from lwq_tune.energy.trial_meter import LedgerMeter
from tests.support.fake_host import FakeHost, FakeNode
from tests.support.fake_meter import CountingMeter
from tests.support.fake_nvml import FakeGpu, FakeNvml
from tests.support.implementations import implementations

G_PER_KWH = 100.0
LABEL = ("measured:", "estimated:")


def is_labelled(source: str) -> bool:
    return source == "none" or source.startswith(LABEL)


# --- of a trial


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHost]:
    """A host with exact counters, this process on it, and a ledger that serves it from a thread."""
    folder = tmp_path_factory.mktemp("ledger")
    folder.chmod(0o700)
    host = FakeHost()
    host.start(os.getpid())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        patch.setattr(signal, "signal", lambda *_: None)  # not the main thread
        thread = threading.Thread(target=server.serve, args=(folder, host.ledger()))
        thread.start()
        while not socket_path(folder).exists():
            time.sleep(0.01)
        yield host
        patch.setattr(server, "LINGER_S", 0.0)
        thread.join(timeout=20)
    assert not thread.is_alive()


def null_meter(host: FakeHost, folder: Path) -> NullMeter:
    return NullMeter()


def ledger_meter(host: FakeHost, folder: Path) -> LedgerMeter:
    spec = RunSpec(folder.name, folder / "host.jsonl", IntensitySeries.constant(G_PER_KWH, "user"), session="one")
    return LedgerMeter(spec, "key", os.getpid(), 1.0)


def counting_meter(host: FakeHost, folder: Path) -> CountingMeter:
    return CountingMeter()  # which other tests take for a meter


# A new meter of trials is registered here.
TRIAL_METERS: list[Callable[[FakeHost, Path], EnergyMeter]] = [null_meter, ledger_meter, counting_meter]


@pytest.fixture(params=TRIAL_METERS)
def meter(request: pytest.FixtureRequest, host: FakeHost, tmp_path: Path) -> Iterator[EnergyMeter]:
    meter = request.param(host, tmp_path)
    yield meter
    meter.close()


def assert_consistent(reading: EnergyReading) -> None:
    """Figures are there or not, never 0 for what nobody measured, and parts add up to the whole."""
    assert reading.time_s >= 0
    for value in vars(reading).values():
        assert value is None or isinstance(value, str) or (math.isfinite(value) and value >= 0)
    if not reading.coverage and reading.coverage is not None:
        assert reading.energy_kwh is None
    if reading.energy_kwh is None:
        assert (reading.active_energy_kwh, reading.idle_energy_kwh, reading.emissions_kg_co2eq) == (None, None, None)
        assert (reading.cpu_energy_kwh, reading.gpu_energy_kwh, reading.ram_energy_kwh) == (None, None, None)
        return
    if reading.active_energy_kwh is not None and reading.idle_energy_kwh is not None:
        assert reading.active_energy_kwh + reading.idle_energy_kwh == pytest.approx(reading.energy_kwh)
    if reading.cpu_energy_kwh is not None:
        domains = (reading.cpu_energy_kwh, reading.gpu_energy_kwh or 0.0, reading.ram_energy_kwh or 0.0)
        assert sum(domains) == pytest.approx(reading.energy_kwh)
    if reading.carbon_intensity_g_per_kwh is not None:
        kg = reading.energy_kwh * reading.carbon_intensity_g_per_kwh / 1000
        assert reading.emissions_kg_co2eq == pytest.approx(kg)
    if reading.coverage is not None:
        assert reading.coverage <= 1
        assert reading.unmeasured_s == pytest.approx((1 - reading.coverage) * reading.time_s)


def test_every_meter_of_trials_is_registered_here(host: FakeHost, tmp_path: Path) -> None:
    made = [make(host, tmp_path) for make in TRIAL_METERS]
    for each in made:
        each.close()
    assert {type(each) for each in made} == implementations(EnergyMeter, energy) | {CountingMeter}


def test_readings_of_windows_and_of_what_lies_between_are_consistent(meter: EnergyMeter, host: FakeHost) -> None:
    for busy_s in (0.0, 1.0, 3.0):
        meter.begin_window()
        host.run(4.0, {os.getpid(): busy_s}, other_cpu_s=0.5)
        assert_consistent(meter.end_window())
        host.run(1.0, {os.getpid(): 0.5})
        assert_consistent(meter.between_windows())


def test_a_window_of_no_length_has_no_figure_that_is_not_finite(meter: EnergyMeter) -> None:
    meter.begin_window()
    assert_consistent(meter.end_window())
    assert_consistent(meter.between_windows())


def test_a_meter_that_reads_gives_each_figure_a_source_and_one_without_says_nothing(
    meter: EnergyMeter, host: FakeHost
) -> None:
    meter.begin_window()
    host.run(2.0, {os.getpid(): 1.0})
    reads = meter.end_window().energy_kwh is not None
    sources = meter.sources
    assert isinstance(sources, MeterSources)
    for source in (sources.cpu_source, sources.gpu_source, sources.ram_source):
        assert is_labelled(source) if reads and source is not None else source is None
    assert (sources.idle_source in ("model", "calibrated", "unknown")) == reads
    assert (meter.segment is not None) == reads
    assert meter.segment == meter.segment


def test_a_meter_may_be_closed_twice(meter: EnergyMeter) -> None:
    meter.close()
    meter.close()


def test_what_the_ledger_charges_is_what_the_host_drew_for_the_trial(host: FakeHost, tmp_path: Path) -> None:
    """The only meter that measures: 20 W idle, 30 W for each busy CPU, 8 W for memory."""
    meter = ledger_meter(host, tmp_path)
    meter.begin_window()
    host.run(4.0, {os.getpid(): 2.0}, other_cpu_s=1.0)
    reading = meter.end_window()
    meter.close()
    assert reading.time_s == 4.0
    assert reading.active_energy_kwh == pytest.approx(30 * 2.0 / 3.6e6)


# --- of a host

FAKE_STEP_S = 1.0


def fake_node() -> tuple[HostMeter, Callable[[], object]]:
    host = FakeHost()
    return FakeNode(host, 20.0), lambda: host.run(FAKE_STEP_S, other_cpu_s=0.5)


def codecarbon() -> tuple[HostMeter, Callable[[], object]]:
    return CodeCarbonMeter(), lambda: time.sleep(0.1)


# A new meter of hosts is registered here, with how time passes for it.
HOST_METERS = [fake_node, codecarbon]


def test_every_meter_of_hosts_is_registered_here() -> None:
    assert implementations(HostMeter, sensors) == {CodeCarbonMeter}


@pytest.mark.parametrize("make", HOST_METERS)
def test_the_totals_of_a_host_only_rise_below_a_power_that_it_names_from_a_labelled_source(
    make: Callable[[], tuple[HostMeter, Callable[[], object]]],
) -> None:
    meter, let_time_pass = make()
    try:
        readings = []
        for _ in range(3):
            readings.append(meter.read())
            let_time_pass()
        for before, after in itertools.pairwise(readings):
            assert after.cpu_j >= before.cpu_j
            assert after.ram_j > before.ram_j >= 0
        assert is_labelled(meter.cpu_source)
        assert is_labelled(meter.ram_source)
        if meter.cpu_idle_w is not None and meter.max_cpu_w is not None:
            assert 0 <= meter.cpu_idle_w < meter.max_cpu_w
    finally:
        meter.close()


# --- of its GPUs

NOT_SUPPORTED = pynvml.NVMLError_NotSupported()


def no_gpus() -> tuple[GpuReader, Callable[[], object]]:
    return NoGpus(), lambda: None


def nvml_counters() -> tuple[GpuReader, Callable[[], object]]:
    gpus = [FakeGpu("GPU-a", compute_pids=[7]), FakeGpu("GPU-b", mig_mode=[1, 1], samples=NOT_SUPPORTED)]

    def let_time_pass() -> None:
        for gpu in gpus:
            gpu.energy_mj += 50_000

    return NvmlGpus(FakeNvml(*gpus)), let_time_pass


def nvml_power() -> tuple[GpuReader, Callable[[], object]]:
    return NvmlGpus(FakeNvml(FakeGpu("GPU-a", energy_mj=NOT_SUPPORTED, power_mw=70_000))), lambda: None


def nvml_lost() -> tuple[GpuReader, Callable[[], object]]:
    gpu = FakeGpu("GPU-a")

    def lose() -> None:
        lost = pynvml.NVMLError_GpuIsLost()
        gpu.energy_mj = gpu.samples = gpu.compute_pids = lost

    return NvmlGpus(FakeNvml(gpu)), lose


# A new meter of GPUs is registered here, with how time passes for it; once with a GPU that stops answering.
GPU_READERS = [no_gpus, nvml_counters, nvml_power, nvml_lost]
each_reader = pytest.mark.parametrize("make", GPU_READERS)
MakeReader = Callable[[], tuple[GpuReader, Callable[[], object]]]


def test_every_meter_of_gpus_is_registered_here() -> None:
    assert {type(make()[0]) for make in GPU_READERS} == implementations(GpuReader, sensors)


@each_reader
def test_gpus_are_described_by_index_and_each_says_measured_or_estimated(make: MakeReader) -> None:
    reader, _ = make()
    for index, info in reader.gpus.items():
        assert info.index == index
        assert index.isdecimal()
        assert info.source.startswith(LABEL)
    uuids = [info.uuid for info in reader.gpus.values()]
    assert len(set(uuids)) == len(uuids)
    reader.close()


@each_reader
def test_every_gpu_is_in_every_reading_with_a_total_that_rises_or_none(make: MakeReader) -> None:
    reader, let_time_pass = make()
    last: dict[str, float] = {}
    for now_s in (0.0, 1.0, 2.0, 3.0):
        readings = reader.read(now_s)
        assert readings.keys() == reader.gpus.keys()
        for index, reading in readings.items():
            if reading.energy_j is not None:
                assert reading.energy_j >= last.get(index, 0.0)
                last[index] = reading.energy_j
            if reading.utilization_by_pid is not None:
                assert not reading.utilization_by_pid or now_s > 0, "the first read tells of a time before ours"
            if reading.pids is not None:
                assert all(isinstance(pid, int) for pid in reading.pids)
        let_time_pass()
    reader.close()
