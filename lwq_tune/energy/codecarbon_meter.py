"""CodeCarbon behind the `EnergyMeter` protocol; the only file that imports it.

Tested with CodeCarbon 3.3.2. Its figures are read as running totals through an output handler on
``flush()`` and differenced here: its own tasks lose energy between windows, its deltas and mean powers
are not those of a window, and it swallows exceptions (each found by measurement).
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import threading
import time
from typing import Any

from lwq_tune.energy.meter import WORLD_AVERAGE, CarbonIntensity, EnergyReading, MeterSources
from lwq_tune.errors import ConfigError, EnergyMeterError, near_miss

# `flush()` does not measure again within 50 ms of the last sample.
MIN_WINDOW_S = 0.06
# RAPL counters wrap after a few minutes at full power and only one wrap is seen; sample well before.
SAMPLE_PERIOD_S = 15.0
# CodeCarbon's own measuring timer races with `flush()`; a period of years keeps it quiet.
NEVER_S = 1e8

_CPU_SOURCES = {
    "intel_rapl": "measured:rapl-package",
    "cpu_load": "estimated:tdp*load^3",
    "constant": "estimated:constant",
}


def find_carbon_intensity(country: str | None, forced_g_per_kwh: float | None) -> CarbonIntensity:
    """Return the carbon intensity to use: the user's, a country's yearly mean, or the world's.

    Args:
        country: ISO 3166-1 alpha-3 code, such as ``FRA``; upper or lower case.
        forced_g_per_kwh: The user's own figure; wins.

    Raises:
        ConfigError: No intensity is published for ``country``, or the user's figure is none.
    """
    if forced_g_per_kwh is not None:
        if not (math.isfinite(forced_g_per_kwh) and forced_g_per_kwh >= 0):
            raise ConfigError(f"--carbon-intensity must be a finite number of g/kWh, 0 or more, got {forced_g_per_kwh}")
        return CarbonIntensity(forced_g_per_kwh, "user")
    if country is None:
        return WORLD_AVERAGE
    from codecarbon.input import DataSource

    mixes = DataSource().get_global_energy_mix_data()  # type: ignore[no-untyped-call]
    mix = mixes.get(country.upper())
    if mix is None or mix.get("carbon_intensity") is None:
        hint = near_miss(country.upper(), mixes)
        raise ConfigError(
            f"country must be an ISO 3166-1 alpha-3 code with a published carbon intensity, such as FRA, "
            f"got {country!r}{hint}; or give --carbon-intensity in g/kWh"
        )
    return CarbonIntensity(float(mix["carbon_intensity"]), f"country-year:{country.upper()}:{mix['year']}")


def visible_gpu_indices(cuda_visible_devices: str | None) -> list[str]:
    """Return the GPU that a trial computes on, as a list for CodeCarbon: the first visible one.

    Args:
        cuda_visible_devices: Value of ``CUDA_VISIBLE_DEVICES``, None where it is not set.

    Raises:
        ConfigError: It names devices by anything but indices, which CodeCarbon does not match.

    >>> visible_gpu_indices(None), visible_gpu_indices("2,3"), visible_gpu_indices("")
    (['0'], ['2'], [])
    """
    if cuda_visible_devices is None:
        return ["0"]
    first = cuda_visible_devices.split(",")[0].strip()
    if first in ("", "-1", "NoDevFiles"):
        return []
    if not first.isdigit():
        raise ConfigError(
            f"CUDA_VISIBLE_DEVICES must name GPUs by index, as the energy meter does, "
            f"got {cuda_visible_devices!r}; set it to indices in PCI order"
        )
    return [first]


def _capture_handler() -> Any:
    """Return an output handler that keeps the last totals and counts its calls."""
    from codecarbon.output_methods.base_output import BaseOutput

    class Capture(BaseOutput):
        total: Any = None
        n_calls = 0

        def out(self, total: Any, delta: Any) -> None:
            self.total = total
            self.n_calls += 1

    return Capture()


def _make_tracker(handler: Any, intensity: CarbonIntensity, gpu_ids: list[str], output_dir: str) -> Any:
    """Return a started tracker of the whole machine, every argument explicit.

    Explicit arguments, None included, win over ``.codecarbon.config`` files and ``CODECARBON_*`` variables.
    """
    os.environ["CODECARBON_LOG_LEVEL"] = "error"  # two lines are logged before log_level is read
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        project_name="lwq_tune",
        experiment_id=None,
        experiment_name=None,
        country_iso_code="USA",  # unused: the intensity is forced; without a country a warning is logged
        country_2letter_iso_code=None,
        region=None,
        cloud_provider=None,
        cloud_region=None,
        force_carbon_intensity_g_co2e_kwh=intensity.g_per_kwh,
        tracking_mode="machine",
        measure_power_secs=NEVER_S,
        api_call_interval=-1,
        api_endpoint=None,
        api_key=None,
        emissions_endpoint=None,
        electricitymaps_api_token="",
        output_methods=[],
        output_handlers=[handler],
        output_dir=output_dir,
        output_file="unused.csv",
        on_csv_write="append",
        logging_logger=None,
        logger_preamble="",
        metadata=None,
        gpu_ids=gpu_ids,
        force_cpu_power=None,
        force_ram_power=None,
        force_mode_cpu_load=False,
        rapl_include_dram=False,
        rapl_prefer_psys=False,
        pue=1.0,
        wue=0.0,
        allow_multiple_runs=True,
        log_level="error",
    )
    tracker.start()
    return tracker


class CodecarbonMeter:
    """Energy of the whole host as CodeCarbon sees it, in measurement windows.

    At most one per process: CodeCarbon caches the hardware, GPU filter included, for the first tracker.

    Args:
        intensity: Carbon intensity that turns energy into emissions.
        gpu_ids: NVML indices of the GPUs to meter, as strings; none by default.

    Raises:
        EnergyMeterError: CodeCarbon did not start.
    """

    def __init__(self, intensity: CarbonIntensity, gpu_ids: list[str] | None = None) -> None:
        self._lock = threading.Lock()
        self._handler = _capture_handler()
        self._output_dir = tempfile.TemporaryDirectory(prefix="lwq_tune-")
        self._tracker = _make_tracker(self._handler, intensity, gpu_ids or [], self._output_dir.name)
        self._begin: tuple[float, Any] | None = None
        self._sample()
        self.sources = self._find_sources(intensity)
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample_periodically, name="energy-meter", daemon=True)
        self._sampler.start()

    def begin_window(self) -> None:
        """Open a window; an open one is dropped."""
        self._begin = (time.perf_counter(), self._sample())

    def end_window(self) -> EnergyReading:
        """Close the window and return what the host used in it.

        A window shorter than CodeCarbon's 50 ms is stretched to it, so that nothing spills into the next.

        Raises:
            EnergyMeterError: No window is open, or CodeCarbon did not deliver.
        """
        if self._begin is None:
            raise EnergyMeterError("end_window needs a begin_window before it, got none")
        begin_s, before = self._begin
        time.sleep(max(0.0, MIN_WINDOW_S - (time.perf_counter() - begin_s)))
        after = self._sample()
        time_s = time.perf_counter() - begin_s
        self._begin = None
        has_gpu = self.sources.gpu_source != "none"
        return EnergyReading(
            time_s=time_s,
            energy_kwh=after.energy_consumed - before.energy_consumed,
            cpu_energy_kwh=after.cpu_energy - before.cpu_energy,
            gpu_energy_kwh=after.gpu_energy - before.gpu_energy if has_gpu else None,
            ram_energy_kwh=after.ram_energy - before.ram_energy,
            emissions_kg_co2eq=after.emissions - before.emissions,
            coverage=min(1.0, (after.duration - before.duration) / time_s),
        )

    def close(self) -> None:
        """Stop CodeCarbon and its threads."""
        self._stop.set()
        self._sampler.join()
        with self._lock:
            self._tracker.stop()
        self._output_dir.cleanup()

    def _sample(self) -> Any:
        """Return CodeCarbon's totals as of now.

        Raises:
            EnergyMeterError: The handler was not called, so CodeCarbon swallowed an error.
        """
        with self._lock:
            n_calls = self._handler.n_calls
            self._tracker.flush()
            if self._handler.n_calls != n_calls + 1:
                raise EnergyMeterError(
                    "CodeCarbon must deliver one reading per flush, got none: it swallowed an error; "
                    "run with CODECARBON_LOG_LEVEL=debug in a plain script to see it"
                )
            return self._handler.total

    def _sample_periodically(self) -> None:
        while not self._stop.wait(SAMPLE_PERIOD_S):
            self._sample()

    def _find_sources(self, intensity: CarbonIntensity) -> MeterSources:
        """Return the labels of the hardware that CodeCarbon tracks (private names, under contract tests)."""
        by_class = {type(hardware).__name__: hardware for hardware in self._tracker._hardware}
        cpu, mode = by_class.get("CPU"), None
        if cpu is not None:
            mode = _CPU_SOURCES.get(cpu._mode, f"unknown:{cpu._mode}")
        return MeterSources(
            cpu_source=mode or "unknown:" + "+".join(sorted(by_class)),
            gpu_source="measured:nvml-energy-counter" if "GPU" in by_class else "none",
            ram_source="estimated:dimm-heuristic" if "RAM" in by_class else "none",
            share_method="whole-host",
            carbon_intensity=intensity,
        )
