"""Idle power of the CPUs of a host: from the meter's model, or measured in idle seconds before trials run."""

from __future__ import annotations

from lwq_tune.energy.attribution.split import HostInterval

# A second counts as idle below this share of all CPUs.
MAX_QUIET_LOAD = 0.05
MIN_QUIET_S = 0.5


class IdlePower:
    """Idle power of the CPUs.

    Without a model, it is the mean over seconds in which no trial was registered and almost nothing ran; before the
    first such second, all energy counts as active.

    Args:
        model_w: Idle power by the meter's model; None without one.
    """

    def __init__(self, model_w: float | None) -> None:
        self._model_w = model_w
        self._quiet_s = self._quiet_j = 0.0

    @property
    def cpu_w(self) -> float:
        """Idle power in watts, 0 if it is not known."""
        if self._model_w is not None:
            return self._model_w
        return self._quiet_j / self._quiet_s if self._quiet_s else 0.0

    @property
    def source(self) -> str:
        """``model``, ``calibrated`` or ``unknown``."""
        if self._model_w is not None:
            return "model"
        return "calibrated" if self._quiet_s else "unknown"

    def learn(self, interval: HostInterval, *, is_free: bool) -> None:
        """Add an interval to the mean, if the host was idle in it.

        Args:
            interval: What the host used.
            is_free: Whether no trial was registered in it.
        """
        load = interval.busy_s / (interval.time_s * interval.host_cpus)
        if is_free and interval.cpu_j is not None and interval.time_s >= MIN_QUIET_S and load < MAX_QUIET_LOAD:
            self._quiet_s += interval.time_s
            self._quiet_j += interval.cpu_j
