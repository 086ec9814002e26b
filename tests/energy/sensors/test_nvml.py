"""The reader over a fake NVML."""

from __future__ import annotations

import ast
import inspect
import logging
import sys
from collections.abc import Sequence
from typing import Any

import pynvml
import pytest

from lwq_tune.energy.sensors import nvml
from lwq_tune.energy.sensors.nvml import GpuInfo, GpuReader, GpuReading, NoGpus, NvmlGpus, find_gpus
from tests.support.fake_nvml import FakeGpu, FakeNvml, value_or_raise

LOST, NOT_SUPPORTED = pynvml.NVMLError_GpuIsLost(), pynvml.NVMLError_NotSupported()
NOT_FOUND, NO_PERMISSION = pynvml.NVMLError_NotFound(), pynvml.NVMLError_NoPermission()
COUNTER, POWER = "measured:nvml-energy-counter", "estimated:nvml-power"


def energies_j(reader: GpuReader, gpu: FakeGpu, field_name: str, steps: Sequence[tuple[float, Any]]) -> list[Any]:
    found = []
    for now_s, value in steps:
        setattr(gpu, field_name, value)
        found.append(reader.read(now_s)["0"].energy_j)
    return found


def utilization(reader: GpuReader, gpu: FakeGpu, samples: Any) -> Any:
    gpu.samples = samples
    return reader.read(0.0)["0"].utilization_by_pid


def test_every_name_used_is_one_of_the_installed_pynvml() -> None:
    tree = ast.parse(inspect.getsource(nvml))
    names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr.lower().startswith("nvml")}
    assert len(names) > 12
    assert [name for name in names if not hasattr(pynvml, name)] == []


def test_a_gpu_is_described_by_index_uuid_name_and_source() -> None:
    reader = NvmlGpus(FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b", energy_mj=NOT_SUPPORTED)))
    assert reader.gpus == {
        "0": GpuInfo("0", "GPU-a", "Fake H100", False, COUNTER),
        "1": GpuInfo("1", "GPU-b", "Fake H100", False, POWER),
    }


def test_energy_is_the_counter_in_joules_for_each_gpu_alone() -> None:
    first, second = FakeGpu(energy_mj=5_000_000), FakeGpu(energy_mj=70_000)
    reader = NvmlGpus(FakeNvml(first, second))
    before = reader.read(0.0)
    first.energy_mj += 1_000_000
    second.energy_mj += 500_250
    after = reader.read(1.0)
    assert (before["0"].energy_j, before["1"].energy_j) == (5000.0, 70.0)
    assert (after["0"].energy_j, after["1"].energy_j) == (6000.0, 570.25)


def test_energy_of_an_unreadable_moment_is_null_and_in_the_next_total() -> None:
    gpu = FakeGpu()
    steps = [(0.0, 1000), (1.0, LOST), (2.0, 4000)]
    assert energies_j(NvmlGpus(FakeNvml(gpu)), gpu, "energy_mj", steps) == [1.0, None, 4.0]


def test_a_counter_that_goes_back_continues_from_the_last_total() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    steps = [(0.0, 9000), (1.0, 10_000), (2.0, 40), (3.0, 1040), (4.0, 540), (5.0, 2540)]
    assert energies_j(reader, gpu, "energy_mj", steps) == [9.0, 10.0, 10.0, 11.0, 11.0, 13.0]
    assert reader.n_resets == 2


def test_without_a_counter_energy_is_the_trapezoid_under_the_power() -> None:
    gpu = FakeGpu(energy_mj=NOT_SUPPORTED)
    reader = NvmlGpus(FakeNvml(gpu))
    steps = [(10.0, 100_000), (12.0, 300_000), (12.5, 300_000), (13.5, 0)]
    # (100 + 300) / 2 * 2 = 400; 300 * 0.5 = 150; (300 + 0) / 2 * 1 = 150
    assert energies_j(reader, gpu, "power_mw", steps) == [0.0, 400.0, 550.0, 700.0]
    assert reader.n_resets == 0


def test_the_trapezoid_spans_a_failed_reading_of_power() -> None:
    gpu = FakeGpu(energy_mj=NOT_SUPPORTED)
    steps = [(0.0, 100_000), (1.0, LOST), (4.0, 200_000)]
    assert energies_j(NvmlGpus(FakeNvml(gpu)), gpu, "power_mw", steps) == [0.0, None, 600.0]


def test_a_counter_that_fails_at_the_start_is_still_the_counter() -> None:
    gpu = FakeGpu(energy_mj=pynvml.NVMLError_Timeout())
    reader = NvmlGpus(FakeNvml(gpu))
    assert reader.gpus["0"].source == COUNTER
    assert energies_j(reader, gpu, "energy_mj", [(0.0, 3000)]) == [3.0]


def test_one_failing_gpu_leaves_the_other_untouched() -> None:
    lost = FakeGpu(energy_mj=1000, compute_pids=[7])
    well = FakeGpu(energy_mj=2000, compute_pids=[8])
    reader = NvmlGpus(FakeNvml(lost, well))
    lost.energy_mj = lost.samples = lost.compute_pids = LOST
    assert reader.read(0.0) == {"0": GpuReading(None, None, None), "1": GpuReading(2.0, {}, frozenset({8}))}


@pytest.mark.parametrize("broken", [LOST, FakeGpu(uuid=LOST), FakeGpu(mig_mode=LOST)], ids=["handle", "uuid", "mig"])
def test_a_gpu_that_cannot_be_described_is_left_out_with_a_warning(
    broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reader = NvmlGpus(FakeNvml(broken, FakeGpu(energy_mj=1000)))
    assert "GPU 0 is not metered" in caplog.text
    assert list(reader.gpus) == list(reader.read(0.0)) == ["1"]


def test_utilization_is_summed_per_process() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    reader.read(0.0)
    assert utilization(reader, gpu, [(7, 100, 30), (8, 110, 5), (7, 120, 40)]) == {7: 70.0, 8: 5.0}


def test_no_sample_counts_twice_even_where_the_driver_returns_it_again() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    reader.read(0.0)
    assert utilization(reader, gpu, [(7, 120, 40), (8, 110, 5)]) == {7: 40.0, 8: 5.0}
    assert utilization(reader, gpu, [(7, 120, 40), (8, 110, 5)]) == {}
    assert utilization(reader, gpu, [(7, 120, 40), (8, 130, 6)]) == {8: 6.0}
    assert gpu.asked_since_us == [0, 0, 120, 120]


def test_samples_from_before_the_first_read_do_not_count() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    assert utilization(reader, gpu, [(7, 100, 90)]) == {}
    assert utilization(reader, gpu, [(7, 100, 90), (7, 200, 10)]) == {7: 10.0}


@pytest.mark.parametrize("error", [NOT_FOUND, pynvml.NVMLError(pynvml.NVML_SUCCESS)], ids=["not found", "success"])
def test_no_samples_are_an_empty_answer_and_not_a_failure(error: Exception) -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    assert utilization(reader, gpu, [(7, 100, 90)]) == {}
    assert utilization(reader, gpu, error) == {}
    assert utilization(reader, gpu, [(7, 200, 10)]) == {7: 10.0}


def test_samples_that_the_driver_never_filled_in_are_dropped_and_move_no_time_stamp() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    reader.read(0.0)
    assert utilization(reader, gpu, [(50554, 10**15, 37100), (0, 0, 0), (7, 100, 10)]) == {7: 10.0}
    assert utilization(reader, gpu, [(7, 200, 20)]) == {7: 20.0}


def test_unsupported_utilization_is_asked_for_once_and_null_for_good() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    assert utilization(reader, gpu, NOT_SUPPORTED) is None
    assert utilization(reader, gpu, [(7, 100, 90)]) is None
    assert gpu.asked_since_us == [0]


def test_a_passing_failure_of_utilization_is_null_once_and_loses_no_sample() -> None:
    gpu = FakeGpu()
    reader = NvmlGpus(FakeNvml(gpu))
    reader.read(0.0)
    assert utilization(reader, gpu, NO_PERMISSION) is None
    assert utilization(reader, gpu, [(7, 100, 90)]) == {7: 90.0}


def test_a_mig_gpu_has_energy_but_no_utilization() -> None:
    gpu = FakeGpu(mig_mode=[1, 1], energy_mj=2000, samples=[(7, 100, 90)], compute_pids=NO_PERMISSION)
    reader = NvmlGpus(FakeNvml(gpu))
    assert reader.gpus["0"].is_mig
    assert reader.read(0.0) == {"0": GpuReading(2.0, None, None)}
    assert gpu.asked_since_us == []


@pytest.mark.parametrize("mode", [NOT_SUPPORTED, pynvml.NVMLError_FunctionNotFound(), [0, 1]], ids=repr)
def test_a_gpu_without_mig_or_with_mig_only_pending_is_not_divided(mode: Any) -> None:
    assert not NvmlGpus(FakeNvml(FakeGpu(mig_mode=mode))).gpus["0"].is_mig


@pytest.mark.parametrize(
    ("compute", "graphics", "pids"),
    [
        ((), (), frozenset()),
        ([7, 8], [8, 9], frozenset({7, 8, 9})),
        ([7], NOT_SUPPORTED, frozenset({7})),
        ([7], LOST, None),
        (NOT_SUPPORTED, [9], None),
        (pynvml.NVMLLibraryMismatchError("old driver"), [9], None),
    ],
)
def test_processes_are_those_that_compute_or_draw(compute: Any, graphics: Any, pids: frozenset[int] | None) -> None:
    reader = NvmlGpus(FakeNvml(FakeGpu(compute_pids=compute, graphics_pids=graphics)))
    assert reader.read(0.0)["0"].pids == pids


def test_a_host_without_pynvml_has_no_gpus_and_says_so_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with caplog.at_level(logging.DEBUG, logger=nvml.__name__):
        reader = find_gpus()
    assert isinstance(reader, NoGpus)
    assert (reader.gpus, reader.read(0.0)) == ({}, {})
    reader.close()
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_a_host_whose_nvml_does_not_start_has_no_gpus(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeNvml(FakeGpu())
    monkeypatch.setattr(fake, "nvmlInit", lambda: value_or_raise(pynvml.NVMLError_LibraryNotFound()))
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    with caplog.at_level(logging.DEBUG, logger=nvml.__name__):
        assert isinstance(find_gpus(), NoGpus)
    assert [(r.levelname, "Not Found" in r.getMessage()) for r in caplog.records] == [("DEBUG", True)]


def test_a_host_with_nvml_but_no_gpu_gives_nvml_back(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    assert isinstance(find_gpus(), NoGpus)
    assert fake.n_open == 0


def test_a_host_with_gpus_reads_them_until_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml(FakeGpu(energy_mj=1500))
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    reader = find_gpus()
    assert reader.read(0.0)["0"].energy_j == 1.5
    assert fake.n_open == 1
    reader.close()
    assert fake.n_open == 0


def test_an_nvml_that_does_not_shut_down_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeNvml(FakeGpu())
    monkeypatch.setattr(fake, "nvmlShutdown", lambda: value_or_raise(LOST))
    NvmlGpus(fake).close()
    assert "NVML did not shut down: GPU is lost" in caplog.text
