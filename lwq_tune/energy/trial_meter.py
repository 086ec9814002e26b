"""The energy meter of a trial: windows over what the host's ledger has charged it with."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.attribution.split import CPU, RAM
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.ledger.totals import Totals, trial_part
from lwq_tune.energy.meter import EnergyReading
from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH
from lwq_tune.energy.service.client import LedgerClient, connect
from lwq_tune.errors import EnergyMeterError

_log = logging.getLogger(__name__)

MAX_SUCCESSORS = 3


def reading_of(used: Totals, time_s: float, intensity: IntensitySeries, *, has_gpu: bool) -> EnergyReading:
    """Return a reading of what was added to an account in a time.

    Args:
        used: What was added.
        time_s: Length by the ledger's clock.
        intensity: Of the run.
        has_gpu: Whether the trial has a GPU.

    >>> from lwq_tune.energy.attribution.split import Part
    >>> used = Totals({"cpu": Part(3.6e6, 1.8e6)}, emissions_kg=0.6, measured_s=5.0, concurrency_s=10.0)
    >>> reading = reading_of(used, 10.0, IntensitySeries.constant(400, "user"), has_gpu=False)
    >>> reading.active_energy_kwh, reading.energy_kwh, reading.coverage, reading.unmeasured_s, reading.concurrency
    (1.0, 1.5, 0.5, 5.0, 2.0)
    """
    measured_s = min(time_s, used.measured_s)
    if time_s > 0 and measured_s <= 0:  # not measured is null, never 0
        return EnergyReading(time_s=time_s, coverage=0.0, unmeasured_s=time_s)
    kwh = {domain: part.total_j / JOULES_PER_KWH for domain, part in used.parts.items()}
    gpus = [value for domain, value in kwh.items() if domain not in (CPU, RAM)]
    active_kwh = sum(part.active_j for part in used.parts.values()) / JOULES_PER_KWH
    idle_kwh = sum(part.idle_j for part in used.parts.values()) / JOULES_PER_KWH
    return EnergyReading(
        time_s=time_s,
        energy_kwh=active_kwh + idle_kwh,
        active_energy_kwh=active_kwh,
        idle_energy_kwh=idle_kwh,
        cpu_energy_kwh=kwh.get(CPU, 0.0),
        gpu_energy_kwh=sum(gpus) if has_gpu else None,
        ram_energy_kwh=kwh.get(RAM, 0.0),
        emissions_kg_co2eq=used.emissions_kg,
        carbon_intensity_g_per_kwh=_g_per_kwh(intensity, used.emissions_kg, active_kwh + idle_kwh),
        coverage=measured_s / time_s if time_s > 0 else 1.0,
        unmeasured_s=time_s - measured_s,
        concurrency=used.concurrency_s / used.measured_s if used.measured_s > 0 else None,
        share_method="+".join(sorted(used.methods)) or None,
    )


def _g_per_kwh(intensity: IntensitySeries, emissions_kg: float, energy_kwh: float) -> float:
    """Return the intensity: as given where it is constant, else the mean over the energy."""
    if len(intensity.values_g_per_kwh) == 1:
        return intensity.values_g_per_kwh[0]
    return 1000 * emissions_kg / energy_kwh if energy_kwh else intensity.at(time.time())


class _Mark:
    """What the account had been charged with at a time of the ledger's clock."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.totals = Totals.from_dict(answer)
        self.now_s: float = answer["now_s"]


class LedgerMeter:
    """Energy of one trial on this host.

    If the ledger dies, it is started again and continues from its log. The time without a ledger is reported as
    ``unmeasured_s`` and lowers the coverage. If no ledger can be started, readings are empty and the trial continues.

    Args:
        spec: The run that the trial belongs to.
        trial_key: The trial.
        pid: Its process; all descendants of it count too.
        cpus: CPUs reserved for it.
        gpus: Fractions of GPUs by index.

    Raises:
        EnergyMeterError: The ledger could not be started, or refused.
    """

    def __init__(
        self, spec: RunSpec, trial_key: str, pid: int, cpus: float, gpus: Mapping[str, float] | None = None
    ) -> None:
        self.segment = f"{socket.gethostname()}-{pid}-{secrets.token_hex(4)}"
        self._spec, self._cpus, self._gpus, self._pid = spec, cpus, dict(gpus or {}), pid
        self._name = trial_part(trial_key, self.segment)
        self._client, self._account = connect(self._introduce)
        self.sources = self._client.sources()
        self._base = self._begin = self._mark()
        self._in_windows: list[EnergyUse] = []

    def begin_window(self) -> None:
        """Open a window; an open one is dropped."""
        self._begin = self._mark()

    def end_window(self) -> EnergyReading:
        """Close the window and return what was used in it."""
        used = _use(self._begin, self._mark())
        self._in_windows.append(used)
        return self._reading(used)

    def between_windows(self) -> EnergyReading:
        """Return what was used outside of windows since the last call, or since the trial was registered."""
        now = self._mark()
        used = _use(self._base, now)
        for window in self._in_windows:
            used = used.minus(window)
        self._base, self._in_windows = now, []
        with contextlib.suppress(OSError, EnergyMeterError):  # idle power may have been learned since
            self.sources = self._client.sources()
        return self._reading(used)

    def close(self) -> None:
        """Close the trial's account; what it used is then in the run's log."""
        with contextlib.suppress(OSError, EnergyMeterError):  # the last seconds are then missing from the log
            self._client.leave()
        self._client.close()

    def _reading(self, used: EnergyUse) -> EnergyReading:
        if used.totals is None:
            return EnergyReading(time_s=used.time_s, coverage=0.0, unmeasured_s=used.time_s)
        return reading_of(used.totals, used.time_s, self._spec.intensity, has_gpu=bool(self._gpus))

    def _mark(self) -> _Mark | float:
        """Return what the account has been charged with, from the ledger or a new one; without any, only the time."""
        for _ in range(MAX_SUCCESSORS):
            try:
                return _Mark(self._client.mark(self._account))
            except (OSError, EnergyMeterError):
                self._client.close()
            _log.warning("the energy ledger of this host has ended; a new one is started and continues from its log")
            try:
                self._client, self._account = connect(self._introduce)
            except EnergyMeterError as error:
                _log.warning("nothing is measured for now: %s", error)
                break
        return time.monotonic()

    def _introduce(self, client: LedgerClient) -> str:
        client.open_run(self._spec)
        return client.register(self._name, self._pid, self._cpus, self._gpus)


class EnergyUse:
    """What was added to an account between two times; ``totals`` is None if it is not known."""

    def __init__(self, totals: Totals | None, time_s: float) -> None:
        self.totals, self.time_s = totals, time_s

    def minus(self, part: EnergyUse) -> EnergyUse:
        """Return what is left without a part of it."""
        known = self.totals is not None and part.totals is not None
        totals = self.totals.minus(part.totals) if known else None  # type: ignore[union-attr, arg-type]
        return EnergyUse(totals, self.time_s - part.time_s)


def _use(begin: _Mark | float, end: _Mark | float) -> EnergyUse:
    """Return what was used between two times of the clock that all processes of a host share."""
    begin_s, end_s = (mark if isinstance(mark, float) else mark.now_s for mark in (begin, end))
    if isinstance(begin, float) or isinstance(end, float):
        return EnergyUse(None, end_s - begin_s)
    return EnergyUse(end.totals.minus(begin.totals), end_s - begin_s)
