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
from dataclasses import dataclass
from typing import Any

from lwq_tune.energy.meter import WORLD_AVERAGE, CarbonIntensity, EnergyReading
from lwq_tune.energy.sources import check_reading, find_sources
from lwq_tune.errors import ConfigError, EnergyMeterError, near_miss

# `flush()` does not measure again within 50 ms of the last sample.
MIN_WINDOW_S = 0.06
# RAPL counters wrap after a few minutes at full power and only one wrap is seen; sample well before.
SAMPLE_PERIOD_S = 15.0
# CodeCarbon's own measuring timer races with `flush()`; a period of years keeps it quiet.
NEVER_S = 1e8


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


# Explicit arguments, None included, win over ``.codecarbon.config`` files and ``CODECARBON_*`` variables; so every
# argument that could change a figure is given.
FIXED_ARGUMENTS: dict[str, Any] = {
    "project_name": "lwq_tune",
    "experiment_id": None,
    "experiment_name": None,
    "country_iso_code": "USA",  # unused: the intensity is forced; without a country a warning is logged
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
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
    "pue": 1.0,
    "wue": 0.0,
    "allow_multiple_runs": True,
    "log_level": "error",
}


def _make_tracker(handler: Any, intensity: CarbonIntensity, gpu_ids: list[str], output_dir: str) -> Any:
    """Return a started tracker of the whole machine."""
    os.environ["CODECARBON_LOG_LEVEL"] = "error"  # two lines are logged before log_level is read
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        **FIXED_ARGUMENTS,
        force_carbon_intensity_g_co2e_kwh=intensity.g_per_kwh,
        output_handlers=[handler],
        output_dir=output_dir,
        gpu_ids=gpu_ids,
    )
    tracker.start()
    return tracker


@dataclass(frozen=True)
class _Sample:
    """CodeCarbon's totals, and when it measured them by `time.perf_counter`."""

    totals: Any
    measured_s: float


class CodecarbonMeter:
    """Energy of the whole host as CodeCarbon sees it, in measurement windows.

    At most one per process: CodeCarbon caches the hardware, GPU filter included, for the first tracker.

    Args:
        intensity: Carbon intensity that turns energy into emissions.
        gpu_ids: NVML indices of the GPUs to meter, as strings; none by default.

    Raises:
        EnergyMeterError: CodeCarbon did not start, or does not track the GPUs asked for.
    """

    def __init__(self, intensity: CarbonIntensity, gpu_ids: list[str] | None = None) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: EnergyMeterError | None = None
        self._begin: tuple[float, _Sample] | None = None
        self._handler = _capture_handler()
        self._output_dir = tempfile.TemporaryDirectory(prefix="lwq_tune-")
        self._tracker = _make_tracker(self._handler, intensity, gpu_ids or [], self._output_dir.name)
        self._sampler = threading.Thread(target=self._sample_periodically, name="energy-meter", daemon=True)
        self._sampler.start()
        try:
            self._sample()
            self.sources = find_sources(self._tracker._hardware, intensity, gpu_ids or [])
        except EnergyMeterError:
            self.close()
            raise

    def begin_window(self) -> None:
        """Open a window; an open one is dropped."""
        begin_s = time.perf_counter()
        self._begin = (begin_s, self._sample())

    def end_window(self) -> EnergyReading:
        """Close the window and return what the host used in it.

        A window shorter than CodeCarbon's 50 ms is stretched to it, so that nothing spills into the next.

        Raises:
            EnergyMeterError: No window is open, or CodeCarbon's figures are missing or contradict one another.
        """
        if self._begin is None:
            raise EnergyMeterError("end_window needs a begin_window before it, got none")
        (begin_s, before), self._begin = self._begin, None
        after = self._sample(fresh=True)
        time_s = after.measured_s - before.measured_s
        reading = EnergyReading(
            time_s=time_s,
            energy_kwh=after.totals.energy_consumed - before.totals.energy_consumed,
            cpu_energy_kwh=after.totals.cpu_energy - before.totals.cpu_energy,
            gpu_energy_kwh=None
            if self.sources.gpu_source == "none"
            else after.totals.gpu_energy - before.totals.gpu_energy,
            ram_energy_kwh=after.totals.ram_energy - before.totals.ram_energy,
            emissions_kg_co2eq=after.totals.emissions - before.totals.emissions,
            coverage=min(1.0, time_s / (time.perf_counter() - begin_s)),
        )
        check_reading(reading, self.sources)
        return reading

    def close(self) -> None:
        """Stop CodeCarbon and its threads."""
        self._stop.set()
        self._sampler.join()
        with self._lock:
            self._tracker.stop()
        self._output_dir.cleanup()

    def _sample(self, *, fresh: bool = False) -> _Sample:
        """Return CodeCarbon's totals; ``fresh`` waits until it is ready to measure anew.

        Raises:
            EnergyMeterError: The handler was not called, so CodeCarbon swallowed an error.
        """
        if self._error is not None:
            raise self._error
        with self._lock:
            if fresh:
                age_s = time.perf_counter() - self._tracker._last_measured_time
                time.sleep(max(0.0, MIN_WINDOW_S - age_s))
            n_calls = self._handler.n_calls
            self._tracker.flush()
            if self._handler.n_calls != n_calls + 1:
                raise EnergyMeterError(
                    "CodeCarbon must deliver one reading per flush, got none: it swallowed an error; "
                    "run with CODECARBON_LOG_LEVEL=debug in a plain script to see it"
                )
            return _Sample(self._handler.total, self._tracker._last_measured_time)

    def _sample_periodically(self) -> None:
        while not self._stop.wait(SAMPLE_PERIOD_S):
            try:
                self._sample()
            except EnergyMeterError as error:
                self._error = error  # raised by the next window, in the thread that can do something about it
                return
