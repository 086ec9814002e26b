"""What a host draws when it does nothing: from the meter's model, or from quiet seconds before trials run."""

from __future__ import annotations

from lwq_tune.energy.attribution.split import Interval

# A second counts as quiet below this share of all CPUs.
MAX_QUIET_LOAD = 0.05
MIN_QUIET_S = 0.5


class IdlePower:
    """Idle power of the CPUs.

    Where no model says it, it is the mean over seconds in which no trial was registered and hardly anything ran;
    until there was one, all energy counts as active.

    Args:
        model_w: What the meter's model says; None without one.
    """

    def __init__(self, model_w: float | None) -> None:
        self._model_w = model_w
        self._quiet_s = self._quiet_j = 0.0

    @property
    def cpu_w(self) -> float:
        """Idle power in watts, 0 where it is not known."""
        if self._model_w is not None:
            return self._model_w
        return self._quiet_j / self._quiet_s if self._quiet_s else 0.0

    @property
    def source(self) -> str:
        """``model``, ``calibrated`` or ``unknown``."""
        if self._model_w is not None:
            return "model"
        return "calibrated" if self._quiet_s else "unknown"

    def learn(self, interval: Interval, *, is_free: bool) -> None:
        """Take in an interval where it was quiet.

        Args:
            interval: What was used.
            is_free: Whether no trial was registered in it.
        """
        load = interval.busy_s / (interval.time_s * interval.host_cpus)
        if is_free and interval.cpu_j is not None and interval.time_s >= MIN_QUIET_S and load < MAX_QUIET_LOAD:
            self._quiet_s += interval.time_s
            self._quiet_j += interval.cpu_j
