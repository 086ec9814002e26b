"""Carbon intensity over time, and settings that differ between hosts. Plain Python, no third-party imports."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

from lwq_tune.errors import ConfigError

T = TypeVar("T")

# The grids in CodeCarbon's data are at 20 (Lesotho) to 1,306 g/kWh (Turkmenistan); a figure far from that is in another
# unit. Single hours of a grid may be at 0.
MIN_G_PER_KWH, MAX_G_PER_KWH = 1.0, 10_000.0
DOUBTED_BELOW_G_PER_KWH = 5.0
INTENSITY_RANGE = f"[{MIN_G_PER_KWH:g}, {MAX_G_PER_KWH:g}] g/kWh"


@dataclass(frozen=True)
class IntensitySeries:
    """Emissions per energy drawn from the grid, over time: each value holds from its time to the next.

    >>> day = IntensitySeries((0.0, 3600.0), (40.0, 60.0), "user")
    >>> day.at(3599.0), day.at(3600.0), day.mean(1800.0, 5400.0)
    (40.0, 60.0, 50.0)

    Attributes:
        times_s: Unix times, strictly rising; none for a constant.
        values_g_per_kwh: Grams of CO2 equivalent per kilowatt hour, one per time, or the constant alone.
        source: ``user``, ``country-year:FRA:2023``, ``world-average`` or ``file:NAME:DIGEST`` with the first 12 hex
            digits of the file's SHA-256.

    Raises:
        ValueError: Times and values do not match, do not rise, or are not such numbers.
    """

    times_s: tuple[float, ...]
    values_g_per_kwh: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        n_times, n_values = len(self.times_s), len(self.values_g_per_kwh)
        if n_values != max(1, n_times):
            raise ValueError(f"there must be one value per time, or one without a time, got {n_values} for {n_times}")
        for value in self.values_g_per_kwh:
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"values_g_per_kwh must be finite numbers, 0 or more, got {value}")
        if not all(math.isfinite(time_s) for time_s in self.times_s):
            raise ValueError(f"times_s must be finite, got {next(t for t in self.times_s if not math.isfinite(t))}")
        for earlier_s, later_s in pairwise(self.times_s):
            if not earlier_s < later_s:
                raise ValueError(f"times_s must rise strictly, got {later_s} after {earlier_s}")

    @classmethod
    def constant(cls, value: float, source: str) -> IntensitySeries:
        """Return a series that is ``value`` g/kWh at all times."""
        return cls((), (float(value),), source)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> IntensitySeries:
        """Return the series that `to_dict` wrote.

        Raises:
            KeyError: An entry is missing.
            ValueError: The entries make no series.
        """
        return cls(
            tuple(float(time_s) for time_s in values["times_s"]),
            tuple(float(value) for value in values["values_g_per_kwh"]),
            str(values["source"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that pass through JSON unchanged."""
        return {
            "times_s": list(self.times_s),
            "values_g_per_kwh": list(self.values_g_per_kwh),
            "source": self.source,
        }

    def at(self, unix_s: float) -> float:
        """Return the intensity at a unix time, g/kWh; the first or last value outside the span that is covered."""
        return self.values_g_per_kwh[max(0, bisect_right(self.times_s, unix_s) - 1)]

    def covers(self, begin_s: float, end_s: float) -> bool:
        """Return whether there are figures from one unix time to another.

        The last value holds for the median step between times. A constant holds always, and a single value from
        its time on, since neither has a step.
        """
        if not self.times_s:
            return True
        return self.times_s[0] <= begin_s and end_s <= self._end_s

    def mean(self, begin_s: float, end_s: float) -> float:
        """Return the time-weighted mean between two unix times, g/kWh; the value there if they are equal.

        Raises:
            ValueError: The end is before the beginning.
        """
        if not begin_s <= end_s:
            raise ValueError(f"end_s must not be before begin_s, {begin_s}, got {end_s}")
        if begin_s == end_s:
            return self.at(begin_s)
        inner_s = self.times_s[bisect_right(self.times_s, begin_s) : bisect_left(self.times_s, end_s)]
        cuts_s = (begin_s, *inner_s, end_s)
        lengths_s = [right_s - left_s for left_s, right_s in pairwise(cuts_s)]
        values = [self.at(left_s) for left_s in cuts_s[:-1]]
        weighted = math.fsum(value * length_s for value, length_s in zip(values, lengths_s, strict=True))
        mean = weighted / math.fsum(lengths_s)
        # Rounding can leave the bounds by a digit: 0.1 * 3 / 3 is not 0.1.
        return min(max(mean, min(values)), max(values))

    @cached_property
    def _end_s(self) -> float:
        steps_s = [later_s - earlier_s for earlier_s, later_s in pairwise(self.times_s)]
        return self.times_s[-1] + statistics.median(steps_s) if steps_s else math.inf


# CodeCarbon's fall-back for unknown places: the world's mean mix (Our World in Data).
WORLD_AVERAGE = IntensitySeries.constant(475.0, "world-average")


def parse_host_values(entries: Sequence[str], flag: str = "the flag") -> dict[str, str]:
    """Return the values of a repeatable flag by host; the value for all other hosts is under the empty name.

    >>> parse_host_values(["475", "node-a=56"])
    {'': '475', 'node-a': '56'}

    Args:
        entries: Each ``VALUE`` or ``HOST=VALUE``; the first ``=`` separates.
        flag: What messages call it, such as ``--carbon-intensity``.

    Raises:
        ConfigError: A host or value is empty, a host is a path, or a host has two values.
    """
    values: dict[str, str] = {}
    for entry in entries:
        left, separator, right = (part.strip() for part in entry.partition("="))
        host, value = (left, right) if separator else ("", left)
        if not value or (separator and not host):
            raise ConfigError(
                f"{flag} takes VALUE or HOST=VALUE, neither side empty, got {entry!r}; "
                "leave the '=' out for a value that holds on all hosts"
            )
        if "/" in host:
            raise ConfigError(
                f"{flag} takes VALUE or HOST=VALUE, and a host name has no '/', got {entry!r}; "
                "write HOST= before a path that holds '='"
            )
        if host in values:
            owner = f"host {host}" if host else "all hosts"
            raise ConfigError(
                f"{flag} takes one value per host, got {values[host]!r} and {value!r} for {owner}; leave one out"
            )
        values[host] = value
    return values


def for_host(values: Mapping[str, T], hostname: str) -> T | None:
    """Return the value for a host: by its name, else by its name up to the first dot, else the one for all hosts.

    >>> for_host({"": "475", "node-a": "56"}, "node-a.cluster.example")
    '56'
    """
    for name in (hostname, hostname.partition(".")[0], ""):
        if name in values:
            return values[name]
    return None
