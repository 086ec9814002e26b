"""The carbon intensity of each host, from the flags."""

from __future__ import annotations

import datetime
import math
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lwq_tune.carbon.intensity import (
    DOUBTED_BELOW_G_PER_KWH,
    INTENSITY_RANGE,
    MAX_G_PER_KWH,
    MIN_G_PER_KWH,
    WORLD_AVERAGE,
    IntensitySeries,
    for_host,
    parse_host_values,
)
from lwq_tune.errors import ConfigError

ALL_HOSTS = ""


def find_intensities(
    country: Sequence[str], carbon_intensity: Sequence[str], intensity_file: Sequence[str]
) -> dict[str, IntensitySeries]:
    """Return the carbon intensity of each named host; that of all other hosts is under the empty name.

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


def intensity_here(intensities: Mapping[str, IntensitySeries]) -> IntensitySeries:
    """Return the carbon intensity of this host.

    Raises:
        ConfigError: Only intensities of other hosts were given.
    """
    host = socket.gethostname()
    intensity = for_host(intensities, host)
    if intensity is None:
        raise ConfigError(
            f"a carbon intensity must be known for this host, got one for others only; add --country {host}=COUNTRY"
        )
    return intensity


def report_intensities(intensities: Mapping[str, IntensitySeries], tell: Callable[[str], object]) -> None:
    """Report which intensities are used, which are defaults, and which seem to be in another unit."""
    for host, series in intensities.items():
        where = f" on {host}" if host else ""
        if series == WORLD_AVERAGE:
            others = " on other hosts" if len(intensities) > 1 else ""
            tell(
                f"carbon intensity{others}: {series.values_g_per_kwh[0]:g} g/kWh, the world average, since neither "
                "--country nor --carbon-intensity nor --intensity-file was given"
            )
            continue
        lowest, highest = min(series.values_g_per_kwh), max(series.values_g_per_kwh)
        span = f"{lowest:g} to {highest:g} g/kWh over time" if series.times_s else f"{highest:g} g/kWh"
        tell(f"carbon intensity{where}: {span} ({_source(series)})")
        if highest < DOUBTED_BELOW_G_PER_KWH:
            at_most = "at most " if series.times_s else ""
            tell(
                f"warning: a carbon intensity of {at_most}{highest:g} g/kWh{where} is lower than the yearly mean of "
                f"any country; if it is in kg/kWh, give 1000 times as much, {1000 * highest:g} g/kWh"
            )


def _source(series: IntensitySeries) -> str:
    """Return where an intensity comes from, with the name of a country beside its code."""
    kind, _, place = series.source.partition(":")
    if kind != "country-year":
        return series.source
    from lwq_tune.carbon.countries import find_country

    country = find_country(place.partition(":")[0])
    return series.source if country is None else f"{country.name}, {series.source}"


def _of_country(value: str) -> IntensitySeries:
    from lwq_tune.carbon.countries import find_carbon_intensity

    return find_carbon_intensity(value)


def _of_number(value: str) -> IntensitySeries:
    way_out = "give what the grid emits in grams of CO2 equivalent per kWh"
    try:
        g_per_kwh = float(value)
    except ValueError:
        g_per_kwh, way_out = math.nan, "write the number alone, such as 56"
    if 0 < g_per_kwh < MIN_G_PER_KWH:
        way_out = f"if it is in kg/kWh, give 1000 times as much, {1000 * g_per_kwh:g}"
    if not MIN_G_PER_KWH <= g_per_kwh <= MAX_G_PER_KWH:
        raise ConfigError(f"--carbon-intensity must be a number in {INTENSITY_RANGE}, got {value!r}; {way_out}")
    return IntensitySeries.constant(g_per_kwh, "user")


def _of_file(value: str) -> IntensitySeries:
    from lwq_tune.carbon.intensity_file import read_intensity_file

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
