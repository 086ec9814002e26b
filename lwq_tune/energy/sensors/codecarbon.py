"""CodeCarbon as the energy meter of a whole host, and all that is touched inside it.

Its figures are read as running totals through an output handler on ``flush()``: its own tasks lose energy between
windows, its deltas and mean powers are not those of a window, and it swallows exceptions (each found by measurement).
It gives one sum for all GPUs, so their energy is taken from NVML and that sum compared; emissions are left to the
ledger, which knows the intensity of every run. `lwq_tune.carbon.countries` reads its figures of countries, and nothing
else of lwq_tune imports it.

CodeCarbon has no public name for what is in this table, which holds for 3.3.2 up to, not including, 3.4 (the bounds in
``pyproject.toml``). Without the first four the meter does not start. Each has a test in
``tests/energy/sensors/test_codecarbon.py`` that shows its effect.

================================================  =====================================================================
what is touched                                   why
================================================  =====================================================================
``tracker._scheduler_monitor_power``, stopped     it samples the load each second, out of step with the ledger, whose
                                                  own sampling is enough: the load would be taken over fractions of
                                                  seconds, and a quarter of the ledger's time would go into it
``tracker._hardware``, and the names of its       that the CPU and the memory are tracked at all, since errors at the
classes, ``CPU`` and ``RAM``                      start are swallowed
``CPU._mode``                                     whether the energy of the CPU is measured or estimated, and how
``CPU._tdp``                                      the idle power of its models, and a power that it cannot reach
``cpuinfo.get_cpu_info``, replaced                py-cpuinfo, which CodeCarbon asks for the name of the processor, would
                                                  also measure its frequency, for a second
================================================  =====================================================================
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH, HostReading
from lwq_tune.errors import EnergyMeterError
from lwq_tune.host.hardware import cpu_model

# CodeCarbon's own measuring timer races with `flush()`; a period of years keeps it from running.
NEVER_S = 1e8
CPU_SOURCES = {
    "intel_rapl": "measured:rapl-package",
    "cpu_load": "estimated:tdp*load^3",
    "constant": "estimated:constant",
}
# CodeCarbon's load model draws a tenth of the TDP at no load; its constant is half the TDP at any load.
IDLE_SHARE_OF_TDP = {"estimated:tdp*load^3": 0.1, "estimated:constant": 0.5}
# No host has so many sockets that RAPL reports more; a reset counter looks like tens of kilowatts.
MAX_RAPL_W = 4000.0
_MAX_SHARE_OF_TDP = 1.5


def _capture_handler() -> Any:
    """Return an output handler that keeps the last totals and counts its calls."""
    # `codecarbon.output` has it too, and loads pandas and pyarrow
    from codecarbon.output_methods.base_output import BaseOutput

    class Capture(BaseOutput):
        total: Any = None
        n_calls = 0

        def out(self, total: Any, delta: Any) -> None:
            self.total = total
            self.n_calls += 1

    return Capture()


# Explicit arguments, None included, win over ``.codecarbon.config`` files and ``CODECARBON_*`` variables; so every
# argument that could change a figure is given.
FIXED_ARGUMENTS: dict[str, Any] = {
    "project_name": "lwq_tune",
    "experiment_id": None,
    "experiment_name": None,
    "country_iso_code": "USA",  # unused: emissions are the ledger's; without a country a warning is logged
    "country_2letter_iso_code": None,
    "region": None,
    "cloud_provider": None,
    "cloud_region": None,
    "tracking_mode": "machine",
    "measure_power_secs": NEVER_S,
    "api_call_interval": -1,
    "api_endpoint": None,
    "api_key": None,
    "emissions_endpoint": None,
    "electricitymaps_api_token": "",
    "output_methods": [],
    "output_file": "unused.csv",
    "on_csv_write": "append",
    "logging_logger": None,
    "logger_preamble": "",
    "metadata": None,
    "force_cpu_power": None,
    "force_ram_power": None,
    "force_mode_cpu_load": False,
    "force_carbon_intensity_g_co2e_kwh": 0.0,
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
    "pue": 1.0,
    "wue": 0.0,
    "allow_multiple_runs": True,
    "log_level": "error",
}


def _name_cpu_at_once() -> None:
    """Name the processor to CodeCarbon, where that is the name that py-cpuinfo would find too: on an x86 Linux."""
    if (sys.platform, platform.machine()) == ("linux", "x86_64") and (name := cpu_model()) is not None:
        import cpuinfo

        cpuinfo.get_cpu_info = lambda: {"brand_raw": name}


def _make_tracker(handler: Any, output_dir: str, gpu_ids: list[str]) -> Any:
    """Return a started tracker of the whole machine."""
    os.environ["CODECARBON_LOG_LEVEL"] = "error"  # two lines are logged before log_level is read
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    from codecarbon import OfflineEmissionsTracker

    _name_cpu_at_once()
    tracker = OfflineEmissionsTracker(
        **FIXED_ARGUMENTS, output_handlers=[handler], output_dir=output_dir, gpu_ids=gpu_ids
    )
    tracker.start()
    if tracker._scheduler_monitor_power is not None:
        tracker._scheduler_monitor_power.stop()  # type: ignore[no-untyped-call]
    return tracker


class CodeCarbonMeter:
    """CPU and memory energy of a host by CodeCarbon.

    A process may have one, used by one thread: CodeCarbon is not thread-safe, and caches the hardware of the first
    tracker.

    Args:
        gpu_ids: NVML indices of the host's GPUs, as strings.

    Raises:
        EnergyMeterError: CodeCarbon did not start.
    """

    def __init__(self, gpu_ids: Iterable[str] = ()) -> None:
        self._has_gpus = bool(gpu_ids := list(gpu_ids))
        self._handler = _capture_handler()
        self._output_dir = tempfile.TemporaryDirectory(prefix="lwq_tune-")
        self._tracker = _make_tracker(self._handler, self._output_dir.name, gpu_ids)
        try:
            self.read()
            hardware = self._tracker._hardware
            self.cpu_source = find_cpu_source(hardware)
            self.ram_source = find_ram_source(hardware)
            self.cpu_idle_w = idle_power_w(cpu_of(hardware), self.cpu_source)
            self.max_cpu_w = max_power_w(cpu_of(hardware), self.cpu_source)
        except EnergyMeterError:
            self.close()
            raise

    def read(self) -> HostReading:
        """Return the totals now; within 50 ms after a reading, CodeCarbon returns that reading again.

        Raises:
            EnergyMeterError: The handler was not called, so CodeCarbon swallowed an error.
        """
        n_calls = self._handler.n_calls
        self._tracker.flush()
        if self._handler.n_calls != n_calls + 1:
            raise EnergyMeterError(
                "CodeCarbon must deliver one reading per flush, got none: it swallowed an error; "
                "run with CODECARBON_LOG_LEVEL=debug in a plain script to see it"
            )
        total = self._handler.total
        return HostReading(
            total.cpu_energy * JOULES_PER_KWH,
            total.ram_energy * JOULES_PER_KWH,
            total.gpu_energy * JOULES_PER_KWH if self._has_gpus and total.gpu_energy else None,
        )

    def close(self) -> None:
        """Stop CodeCarbon and its threads."""
        self._tracker.stop()
        self._output_dir.cleanup()


def cpu_of(hardware: Sequence[Any]) -> Any:
    """Return the CPU among the hardware objects of CodeCarbon, None if there is none.

    Args:
        hardware: ``tracker._hardware``.

    Raises:
        EnergyMeterError: CodeCarbon tracks nothing.
    """
    if not hardware:
        raise EnergyMeterError("CodeCarbon must track some hardware, got none: it swallowed an error at its start")
    return next((item for item in hardware if type(item).__name__ == "CPU"), None)


def find_cpu_source(hardware: Sequence[Any]) -> str:
    """Return the source of the CPU energy.

    Raises:
        EnergyMeterError: CodeCarbon tracks nothing.
    """
    cpu = cpu_of(hardware)
    if cpu is None:
        return "unknown:" + "+".join(sorted(type(item).__name__ for item in hardware))
    return CPU_SOURCES.get(cpu._mode, f"unknown:{cpu._mode}")


def find_ram_source(hardware: Sequence[Any]) -> str:
    """Return the source of the memory energy."""
    return "estimated:dimm-heuristic" if any(type(item).__name__ == "RAM" for item in hardware) else "none"


def idle_power_w(cpu: Any, source: str) -> float | None:
    """Return the idle power of the CPUs if it follows from CodeCarbon's model; None if it must be measured."""
    share = IDLE_SHARE_OF_TDP.get(source)
    return None if share is None or cpu is None else share * float(cpu._tdp)


def max_power_w(cpu: Any, source: str) -> float | None:
    """Return a power that the CPUs cannot reach, to detect a broken counter; None if unknown."""
    if source.startswith("measured:"):
        return MAX_RAPL_W
    return None if cpu is None else _MAX_SHARE_OF_TDP * float(cpu._tdp)
