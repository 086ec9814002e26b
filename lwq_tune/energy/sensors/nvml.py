"""Energy and processes of the NVIDIA GPUs of a host, read through NVML.

CodeCarbon's public figures are sums over GPUs, and one failing GPU makes them zero. Here each GPU is read by itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

_log = logging.getLogger(__name__)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class GpuInfo:
    """One physical GPU.

    Attributes:
        index: NVML's index (PCI order) as text.
        uuid: ``GPU-...``, as ``nvidia-smi -L`` prints it.
        is_mig: Whether it is divided (multi-instance GPU); its energy is that of all instances.
        source: ``measured:nvml-energy-counter`` or ``estimated:nvml-power``.
    """

    index: str
    uuid: str
    name: str
    is_mig: bool
    source: str


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment.

    Attributes:
        energy_j: Running total, of which only differences have a meaning; None if it could not be read.
        utilization_by_pid: SM utilization in percent, summed over the samples since the last read, per process
            id of the host. Empty where there are none and at the first read, None where unreadable (MIG).
        pids: Processes that compute or draw on it now, by process id of the host; None where unreadable.
    """

    energy_j: float | None
    utilization_by_pid: Mapping[int, float] | None
    pids: frozenset[int] | None


class GpuReader(Protocol):
    """The GPUs of a host."""

    @property
    def gpus(self) -> Mapping[str, GpuInfo]:
        """The GPUs by NVML index."""

    def read(self, now_s: float) -> Mapping[str, GpuReading]:
        """Return a reading of every GPU, by NVML index; ``now_s`` is of a clock that never goes back."""

    def close(self) -> None:
        """Stop reading."""


class NoGpus:
    """The reader of a host without NVIDIA GPUs."""

    gpus: Mapping[str, GpuInfo] = {}

    def read(self, now_s: float) -> Mapping[str, GpuReading]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Stop nothing."""


class NvmlGpus:
    """The GPUs that NVML lists. A GPU that NVML cannot describe is left out, with a warning."""

    def __init__(self, nvml: Any) -> None:
        """Use an initialized NVML: the module ``pynvml``, or one with its functions and errors."""
        self._nvml = nvml
        self._gpus: dict[str, _Gpu] = {}
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                self._gpus[str(index)] = _Gpu(nvml, index)
            except nvml.NVMLError as error:
                _log.warning("GPU %d is not metered, NVML cannot describe it: %s", index, error)
        self.gpus: Mapping[str, GpuInfo] = {index: gpu.info for index, gpu in self._gpus.items()}

    @property
    def n_resets(self) -> int:
        """How often an energy counter went back, over all GPUs; energy around a reset is lost, never invented."""
        return sum(gpu.energy.n_resets for gpu in self._gpus.values())

    def read(self, now_s: float) -> Mapping[str, GpuReading]:
        """Return a reading of every GPU, by NVML index."""
        return {index: gpu.read(now_s) for index, gpu in self._gpus.items()}

    def close(self) -> None:
        """Shut NVML down."""
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError as error:
            _log.warning("NVML did not shut down: %s", error)


def find_gpus() -> GpuReader:
    """Return a reader of this host's NVIDIA GPUs; ``NoGpus`` if there are none, which is no error."""
    try:
        import pynvml
    except ImportError as error:
        _log.debug("no GPU is metered, pynvml is missing: %s", error)
        return NoGpus()
    try:
        pynvml.nvmlInit()
        reader = NvmlGpus(pynvml)
    except pynvml.NVMLError as error:
        _log.debug("no GPU is metered, NVML does not start: %s", error)
        return NoGpus()
    if reader.gpus:
        return reader
    _log.debug("no GPU is metered, NVML describes none")
    reader.close()
    return NoGpus()


class _Gpu:
    """One GPU; after an error of NVML, the field concerned is None in that reading."""

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = nvml.nvmlDeviceGetUUID(self._handle), nvml.nvmlDeviceGetName(self._handle)
        is_mig, self.energy = _is_mig(nvml, self._handle), _find_energy(nvml, self._handle)
        self.info = GpuInfo(str(index), uuid, name, is_mig, self.energy.source)
        # NVIDIA: "On MIG-enabled GPUs, querying process utilization is not currently supported."
        self._utilization = _Utilization(nvml, self._handle, is_supported=not is_mig)

    def read(self, now_s: float) -> GpuReading:
        return GpuReading(
            energy_j=self._read_or_none(lambda: self.energy.read_j(now_s)),
            utilization_by_pid=self._read_or_none(self._utilization.read),
            pids=self._read_or_none(self._read_pids),
        )

    def _read_or_none(self, read: Callable[[], _Value]) -> _Value | None:
        try:
            return read()
        except (self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError) as error:
            _log.debug("GPU %s: a reading failed: %s", self.info.index, error)
            return None

    def _read_pids(self) -> frozenset[int]:
        processes = list(self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle))
        with contextlib.suppress(self._nvml.NVMLError_NotSupported):  # a GPU may be unable to draw
            processes += self._nvml.nvmlDeviceGetGraphicsRunningProcesses(self._handle)
        return frozenset(int(process.pid) for process in processes)


class _CounterEnergy:
    """Energy by NVML's counter, in millijoules since the driver was loaded (Volta or newer)."""

    source = "measured:nvml-energy-counter"

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._last_mj = self._offset_mj = self.n_resets = 0

    def read_j(self, now_s: float) -> float:
        count_mj = int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        if count_mj < self._last_mj:  # continue from the last total: the energy before the reset is unknown
            self._offset_mj += self._last_mj - count_mj
            self.n_resets += 1
        self._last_mj = count_mj
        return (self._offset_mj + count_mj) / 1000


class _PowerEnergy:
    """Energy as the integral of power by the trapezoid rule, from 0 at the first read, across failed reads."""

    source = "estimated:nvml-power"
    n_resets = 0

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._last: tuple[float, float] | None = None
        self._total_j = 0.0

    def read_j(self, now_s: float) -> float:
        power_w = self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1000
        if self._last is not None:
            last_s, last_w = self._last
            self._total_j += (last_w + power_w) / 2 * (now_s - last_s)
        self._last = (now_s, power_w)
        return self._total_j


def _find_energy(nvml: Any, handle: Any) -> _CounterEnergy | _PowerEnergy:
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        return _PowerEnergy(nvml, handle)
    except nvml.NVMLError as error:
        _log.debug("an energy counter is unreadable for now: %s", error)
    return _CounterEnergy(nvml, handle)


def _is_mig(nvml: Any, handle: Any) -> bool:
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        return False
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


class _Utilization:
    """SM utilization per process; every sample is used once."""

    def __init__(self, nvml: Any, handle: Any, *, is_supported: bool) -> None:
        self._nvml, self._handle, self._is_supported = nvml, handle, is_supported
        self._last_us: int | None = None  # time stamp of the newest sample seen, by the driver's clock

    def read(self) -> dict[int, float] | None:
        if not self._is_supported:
            return None
        last_us = self._last_us or 0
        samples: list[Any] = []
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(self._handle, last_us)
        except self._nvml.NVMLError_NotSupported:
            self._is_supported = False
            return None
        except self._nvml.NVMLError as error:
            # pynvml raises also where the driver succeeds with no samples: an error of value 0.
            if error.value not in (self._nvml.NVML_SUCCESS, self._nvml.NVML_ERROR_NOT_FOUND):
                raise
        # A driver may return samples it never filled in: old stamps, 37100 % (github.com/Syllo/nvtop/issues/110).
        fresh = [sample for sample in samples if sample.timeStamp > last_us and sample.smUtil <= 100]
        is_first, self._last_us = self._last_us is None, max((int(s.timeStamp) for s in fresh), default=last_us)
        sums: dict[int, float] = {}
        for sample in [] if is_first else fresh:  # the first read returns the driver's past, before our time
            sums[int(sample.pid)] = sums.get(int(sample.pid), 0.0) + sample.smUtil
        return sums
