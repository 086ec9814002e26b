"""Where hosts stand, and so what their energy emits: from the flags to a carbon intensity per host."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lwq_tune.commands.common import say
from lwq_tune.energy.intensity import WORLD_AVERAGE, IntensitySeries, parse_host_values
from lwq_tune.errors import ConfigError
from lwq_tune.sweep_config import MAX_PUE

ALL_HOSTS = ""


def find_intensities(
    country: Sequence[str], carbon_intensity: Sequence[str], intensity_file: Sequence[str]
) -> dict[str, IntensitySeries]:
    """Return the carbon intensity of each host that was named, and of all others under the empty name.

    Args:
        country: Values of ``--country``.
        carbon_intensity: Values of ``--carbon-intensity``.
        intensity_file: Values of ``--intensity-file``.

    Raises:
        ConfigError: A value is wrong, or a host has more than one.
    """
    found: dict[str, IntensitySeries] = {}
    readers = (
        ("--country", country, _of_country),
        ("--carbon-intensity", carbon_intensity, _of_number),
        ("--intensity-file", intensity_file, _of_file),
    )
    for flag, entries, read in readers:
        for host, value in parse_host_values(entries, flag).items():
            if host in found:
                where = f"host {host}" if host else "all hosts"
                raise ConfigError(f"a host has one carbon intensity, got {flag} {value} for {where} besides another")
            found[host] = read(value)
    found.setdefault(ALL_HOSTS, WORLD_AVERAGE)
    return found


def check_pue(pue: float) -> float:
    """Return a power usage effectiveness that can be one.

    Raises:
        ConfigError: It is not in [1, 10].
    """
    if not 1 <= pue <= MAX_PUE:
        raise ConfigError(f"--pue must be in [1, {MAX_PUE:g}], 1 for a host alone, got {pue:g}")
    return pue


def tell_intensities(intensities: Mapping[str, IntensitySeries]) -> None:
    """Say which intensities are used, and where nobody chose."""
    for host, series in intensities.items():
        where = f" on {host}" if host else ""
        if series == WORLD_AVERAGE:
            others = " on other hosts" if len(intensities) > 1 else ""
            say(
                f"carbon intensity{others}: {series.values_g_per_kwh[0]:g} g/kWh, the world average, since neither "
                "--country nor --carbon-intensity nor --intensity-file was given"
            )
        elif series.times_s:
            values = series.values_g_per_kwh
            say(f"carbon intensity{where}: {min(values):g} to {max(values):g} g/kWh over time ({series.source})")
        else:
            say(f"carbon intensity{where}: {series.values_g_per_kwh[0]:g} g/kWh ({series.source})")


def _of_country(value: str) -> IntensitySeries:
    from lwq_tune.energy.codecarbon_meter import find_carbon_intensity

    return find_carbon_intensity(value, None)


def _of_number(value: str) -> IntensitySeries:
    from lwq_tune.energy.codecarbon_meter import find_carbon_intensity

    try:
        number = float(value)
    except ValueError as error:
        raise ConfigError(f"--carbon-intensity must be a number of g/kWh, 0 or more, got {value!r}") from error
    return find_carbon_intensity(None, number)


def _of_file(value: str) -> IntensitySeries:
    from lwq_tune.data.intensity_file import read_intensity_file

    series, now_s = read_intensity_file(Path(value)), time.time()
    if not series.covers(now_s, now_s):
        begin, end = (_utc(unix_s) for unix_s in (series.times_s[0], series.times_s[-1]))
        raise ConfigError(
            f"an intensity file must hold figures for the time of the sweep, {value} has them from {begin} to {end}, "
            f"it is {_utc(now_s)} now; give a newer file, or --carbon-intensity"
        )
    return series


def _utc(unix_s: float) -> str:
    return f"{datetime.datetime.fromtimestamp(unix_s, datetime.UTC):%Y-%m-%d %H:%M} UTC"
