"""Carbon intensity files: what the grid emitted per kilowatt hour and when, as CSV or Parquet. No torch."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import MAX_G_PER_KWH, MIN_G_PER_KWH, IntensitySeries
from lwq_tune.errors import ConfigError, near_miss

COLUMNS = ("time", "g_per_kwh")
MAX_SHOWN_CHARACTERS = 80


def read_intensity_file(path: Path) -> IntensitySeries:
    """Return the carbon intensity over time that a file holds.

    The file is CSV or Parquet, by its suffix, with the columns ``time``, strictly rising, and ``g_per_kwh``, grams
    of CO2 equivalent per kilowatt hour, in [0, 10000] and somewhere 1 or more: a clean grid is at 0 for hours, a file
    that never reaches 1 is in another unit. Times are ISO 8601 text or Parquet timestamps, in UTC without an offset.

    Raises:
        ConfigError: The file cannot be read, or breaks one of these rules.
    """
    data = _read_bytes(path)
    times_s: list[float] = []
    values_g_per_kwh: list[float] = []
    previous = ""
    for where, time_text, value in _read_rows(data, path):
        time_s = _unix_s(time_text, where)
        if times_s and time_s <= times_s[-1]:
            raise ConfigError(
                f"time must rise strictly from row to row, got {time_text} after {previous} in {where}; "
                "sort the rows by time and keep one of each time"
            )
        times_s.append(time_s)
        values_g_per_kwh.append(_g_per_kwh(value, where))
        previous = time_text
    if not times_s:
        raise ConfigError(
            f"a carbon intensity file needs at least one row, got none in {path}; "
            "give --carbon-intensity for a constant"
        )
    if (highest := max(values_g_per_kwh)) < MIN_G_PER_KWH:
        raise ConfigError(
            f"g_per_kwh must be {MIN_G_PER_KWH:g} or more in at least one row, got at most {highest:g} in {path}; "
            "give grams of CO2 equivalent per kWh, which is 1000 times a figure in kg/kWh"
        )
    digest = hashlib.sha256(data).hexdigest()[:12]
    return IntensitySeries(tuple(times_s), tuple(values_g_per_kwh), f"file:{path.name}:{digest}")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of nobody
        raise _unreadable(path, error, "give the path of a CSV or Parquet file") from error


def _read_rows(data: bytes, path: Path) -> Iterator[tuple[str, str, Any]]:
    """Return where each row is, its time as text, and its value."""
    if path.suffix.lower() == ".csv":
        return _csv_rows(data, path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet_rows(data, path)
    raise ConfigError(
        f"a carbon intensity file must end in .csv, .parquet or .pq, got {path}; rename it to what it holds"
    )


def _csv_rows(data: bytes, path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        text = data.decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        header = next(rows, [])
        _check_columns(header, path)
        time_index, value_index = (header.index(column) for column in COLUMNS)
        for row in rows:
            where = f"line {rows.line_num} of {path}"
            if row and len(row) != len(header):
                raise ConfigError(
                    f"a row must have as many fields as the header, {len(header)}, got {len(row)} in {where}; "
                    "separate fields by commas and write decimals with a point"
                )
            if row:
                yield where, row[time_index], row[value_index]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error, "save it as comma-separated values in UTF-8") from error


def _parquet_rows(data: bytes, path: Path) -> Iterator[tuple[str, str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _check_columns(file.schema_arrow.names, path)
            table = file.read(columns=list(COLUMNS))
        _check_types(table.schema, path)
        times, values = (table.column(column) for column in COLUMNS)
        if pa.types.is_timestamp(times.type):
            # Ticks count from 1970 in UTC; through them the text is in UTC whatever the column's time zone.
            times = times.cast(pa.int64()).cast(pa.timestamp(times.type.unit)).cast(pa.string())
        rows = list(zip(times.to_pylist(), values.to_pylist(), strict=True))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, "write it again as Parquet") from error
    for number, (time_text, value) in enumerate(rows, start=1):
        yield f"row {number} of {path}", time_text or "", value


def _check_columns(names: Sequence[str], path: Path) -> None:
    """Make sure that each column is there once."""
    if all(list(names).count(column) == 1 for column in COLUMNS):
        return
    missing = [column for column in COLUMNS if column not in names]
    hints = [near_miss(name, missing) for name in names if name not in COLUMNS]
    raise ConfigError(
        f"a carbon intensity file needs the columns {' and '.join(COLUMNS)}, once each, got "
        f"{_shown(', '.join(names)) if names else 'none'} in {path}{next(filter(None, hints), '')}; "
        "name them so, separated by commas where the file is CSV"
    )


def _check_types(schema: Any, path: Path) -> None:
    """Make sure that the columns of a Parquet file hold times and numbers."""
    from pyarrow import types

    kinds = {"time": (types.is_timestamp, types.is_string, types.is_large_string)}
    kinds["g_per_kwh"] = (types.is_floating, types.is_integer, types.is_decimal)
    names = {"time": "timestamps or ISO 8601 text", "g_per_kwh": "numbers"}
    for column in COLUMNS:
        kind = schema.field(column).type
        if not any(is_kind(kind) for is_kind in kinds[column]):
            raise ConfigError(f"{column} must hold {names[column]}, got {kind} in {path}; convert the column")


def _unix_s(text: str, where: str) -> float:
    """Return an ISO 8601 time as seconds since 1970."""
    try:
        # Digits alone are no date here: a unix time in ms, 1711111500000, would be a day in the year 1711.
        time = None if text.strip().isdigit() else datetime.fromisoformat(text.strip())
    except ValueError:
        time = None
    if time is None:
        raise ConfigError(
            f"time must be an ISO 8601 date and time, got {_shown(repr(text))} in {where}; "
            "write for example 2026-01-31T13:00:00Z"
        )
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _g_per_kwh(value: Any, where: str) -> float:
    """Return a carbon intensity; ``value`` is text in CSV, and a number or None in Parquet."""
    try:
        g_per_kwh = math.nan if value is None else float(value)
    except ValueError:
        g_per_kwh = math.nan
    if not 0 <= g_per_kwh <= MAX_G_PER_KWH:
        raise ConfigError(
            f"g_per_kwh must be a number in [0, {MAX_G_PER_KWH:g}], got {_shown(repr(value))} in {where}; "
            "convert it to grams of CO2 equivalent per kWh, or leave the row out and the value before it holds on"
        )
    return g_per_kwh


def _unreadable(path: Path, error: Exception, way_out: str) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConfigError(
        f"a carbon intensity file must be readable, {path} is not ({_shown(reason.splitlines()[0])}); {way_out}"
    )


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
