from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.carbon.intensity_file import read_intensity_file
from lwq_tune.errors import ConfigError

NEW_YEAR_S = 1767225600.0  # `date -u -d 2026-01-01 +%s`
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "time,g_per_kwh\n"
GOOD = f"{HEADER}2026-01-01T00:00:00Z,40\n2026-01-01T01:00:00Z,60.5\n"


def write_csv(folder: Path, content: str | bytes) -> Path:
    path = folder / "grid.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(folder: Path, time: Any, g_per_kwh: Any) -> Path:
    path = folder / "grid.parquet"
    pq.write_table(pa.table({"g_per_kwh": g_per_kwh, "zone": ["FR"] * len(time), "time": time}), path)
    return path


def two_hours(unit: str = "us", zone: str | None = "UTC") -> pa.Array:
    ticks = [int(hour_s * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]) for hour_s in (NEW_YEAR_S, 1767229200)]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp(unit, zone))


def assert_is_two_hours(intensity: IntensitySeries) -> None:
    assert intensity.times_s == (NEW_YEAR_S, NEW_YEAR_S + 3600)
    assert intensity.values_g_per_kwh == (40.0, 60.5)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD + "\n\n",
        "zone, g_per_kwh, time\nFR, 40, 2026-01-01\nFR, 60.5, 2026-01-01 01:00\n",
        f"{HEADER}2026-01-01T01:00:00+01:00,4e1\n2025-12-31T20:00:00-05:00,60.5\n",
        f'{HEADER}"2026-01-01T00:00:00.000",40\n20260101T010000Z,60.5',
    ],
    ids=["plain", "byte order mark", "CRLF", "blank lines", "more columns", "offsets", "naive and basic format"],
)
def test_a_csv_file_in_any_common_dress_is_read(content: str, tmp_path: Path) -> None:
    assert_is_two_hours(read_intensity_file(write_csv(tmp_path, content)))


@pytest.mark.parametrize(
    "time",
    [
        *(two_hours(unit) for unit in ("s", "ms", "us", "ns")),
        two_hours(zone=None),
        two_hours(zone="Europe/Paris"),
        pa.array(["2026-01-01T00:00:00Z", "2026-01-01T02:00+01:00"]),
        pa.array(["2026-01-01T00:00:00", "2026-01-01T01"], pa.large_string()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_file_with_timestamps_or_text_is_read(time: pa.Array, tmp_path: Path) -> None:
    assert_is_two_hours(read_intensity_file(write_parquet(tmp_path, time, [40.0, 60.5])))


@pytest.mark.parametrize("kind", [pa.int16(), pa.float32(), pa.decimal128(5, 1)], ids=str)
def test_a_parquet_file_may_hold_any_kind_of_number(kind: pa.DataType, tmp_path: Path) -> None:
    values = [Decimal(40), Decimal(60)] if pa.types.is_decimal(kind) else [40, 60]
    intensity = read_intensity_file(write_parquet(tmp_path, two_hours(), pa.array(values, kind)))
    assert intensity.values_g_per_kwh == (40.0, 60.0)
    assert all(type(value) is float for value in (*intensity.values_g_per_kwh, *intensity.times_s))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 2000)), max_size=20).map(lambda rows: [*rows, (1, 1.0)]))
def test_csv_and_parquet_of_the_same_rows_are_the_same_series(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[tuple[int, float]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    times = [NEW_YEAR + timedelta(seconds=sum(step_s for step_s, _ in rows[:n])) for n in range(1, len(rows) + 1)]
    values = [value for _, value in rows]
    lines = [f"{time.isoformat()},{value!r}\n" for time, value in zip(times, values, strict=True)]
    from_csv = read_intensity_file(write_csv(folder, HEADER + "".join(lines)))
    from_parquet = read_intensity_file(write_parquet(folder, pa.array(times, pa.timestamp("us", "UTC")), values))
    assert from_csv.times_s == from_parquet.times_s == tuple(time.timestamp() for time in times)
    assert from_csv.values_g_per_kwh == from_parquet.values_g_per_kwh == tuple(values)
    assert IntensitySeries.from_dict(json.loads(json.dumps(from_csv.to_dict()))) == from_csv


def test_the_source_names_the_file_and_its_content(tmp_path: Path) -> None:
    digest = hashlib.sha256(GOOD.encode()).hexdigest()[:12]
    assert read_intensity_file(write_csv(tmp_path, GOOD)).source == f"file:grid.csv:{digest}"


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_csv(tmp_path, GOOD)
    assert_is_two_hours(read_intensity_file(Path("~/grid.csv")))


COLUMNS_NEEDED = "needs the columns time and g_per_kwh, once each, got "
TIME_RULE = "time must be an ISO 8601 date and time, got "
VALUE_RULE = r"g_per_kwh must be a number in \[0, 10000\], got "
MIDNIGHT = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", COLUMNS_NEEDED + "none in .*grid.csv; name them so"),
        (HEADER, "at least one row, got none in .*grid.csv; give --carbon-intensity for a constant"),
        ("Time,g_per_kwh\n", COLUMNS_NEEDED + "Time, g_per_kwh in .*; did you mean 'time'"),
        ("time,g_co2\n", COLUMNS_NEEDED + "time, g_co2 in .*; name them so"),
        ("time;g_per_kwh\n", COLUMNS_NEEDED + "time;g_per_kwh in .* separated by commas"),
        ("time,g_per_kwh,time\n", COLUMNS_NEEDED + "time, g_per_kwh, time in"),
        (f"{HEADER}{MIDNIGHT},56,5\n", "as many fields as the header, 2, got 3 in line 2 of .*decimals with a point"),
        (f"{HEADER}{MIDNIGHT}\n", "as many fields as the header, 2, got 1 in line 2"),
        (f"{HEADER}\n1.1.2026,56\n", TIME_RULE + r"'1.1.2026' in line 3 of .*; write for example 2026-01-31T13"),
        (f"{HEADER}1711111500,56\n", TIME_RULE + "'1711111500'"),
        (f"{HEADER}1711111500000,56\n", TIME_RULE + "'1711111500000'"),
        (f"{HEADER},56\n", TIME_RULE + "''"),
        (f"{HEADER}{'x' * 999},56\n", TIME_RULE + r"'x{79}\.\.\. in"),
        (f"{GOOD}2026-01-01T01:00:00Z,1\n", "rise strictly .*, got 2026-01-01T01:00:00Z after 2026-01-01T01:00:00Z in"),
        (f"{GOOD}2026-01-01T01:00+01:00,1\n", "got 2026-01-01T01:00.01:00 after .* in line 4 .*; sort the rows"),
        (f"{HEADER}{MIDNIGHT},low\n", VALUE_RULE + "'low' in line 2 of .*; convert it to grams"),
        (f"{HEADER}{MIDNIGHT},\n", VALUE_RULE + "'' in line 2 of .* or leave the row out"),
        (f"{HEADER}{MIDNIGHT},NaN\n", VALUE_RULE + "'NaN'"),
        (f"{HEADER}{MIDNIGHT},1e999\n", VALUE_RULE + "'1e999'"),
        (f"{HEADER}{MIDNIGHT},-1\n", VALUE_RULE + "'-1'"),
        (f"{HEADER}{MIDNIGHT},475000\n", VALUE_RULE + "'475000'"),
        (
            f"{HEADER}{MIDNIGHT},0.06\n2026-01-02,0.999\n",
            "g_per_kwh must be 1 or more in at least one row, got at most 0.999 in .*grid.csv; give gr",
        ),
        (f'{HEADER}"{MIDNIGHT},40\n', r"readable, .*grid.csv is not \(unexpected end of data\); save it as comma"),
        (b"\xff\xfe" + GOOD.encode("utf-16-le"), "grid.csv is not .*can't decode.*; save it as .* in UTF-8"),
    ],
)
def test_a_csv_file_that_breaks_a_rule_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_intensity_file(write_csv(tmp_path, content))


@pytest.mark.parametrize(
    ("time", "g_per_kwh", "message"),
    [
        (two_hours()[:0], pa.array([], pa.float64()), "at least one row, got none"),
        (two_hours(), [40.0, None], VALUE_RULE + "None in row 2 of .*grid.parquet"),
        (two_hours(), [float("nan"), 40.0], VALUE_RULE + "nan in row 1"),
        (two_hours(), pa.array([Decimal("-1.5"), Decimal(2)]), VALUE_RULE + r"Decimal\('-1.5'\) in row 1"),
        (two_hours(), ["40", "60"], "g_per_kwh must hold numbers, got string in .*; convert the column"),
        (two_hours(), [True, False], "g_per_kwh must hold numbers, got bool"),
        ([1767225600, 1767229200], [40.0, 60.5], "time must hold timestamps or ISO 8601 text, got int64"),
        ([date(2026, 1, 1), date(2026, 1, 2)], [40.0, 60.5], "time must hold timestamps .*, got date32"),
        (["noon", MIDNIGHT], [40.0, 60.5], TIME_RULE + "'noon' in row 1"),
        (pa.array([None, NEW_YEAR]), [40.0, 60.5], TIME_RULE + "'' in row 1"),
        (pa.array([10**17], pa.timestamp("ms")), [40.0], TIME_RULE + "'<value out of range: 100000000000000000>'"),
        (two_hours().take([1, 0]), [40.0, 60.5], "got 2026-01-01 00:00:00.0* after 2026-01-01 01:00:00.0* in row 2"),
    ],
)
def test_a_parquet_file_that_breaks_a_rule_is_refused(time: Any, g_per_kwh: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_intensity_file(write_parquet(tmp_path, time, g_per_kwh))


@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_parquet_file_gives_a_message_or_a_series(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write_parquet(tmp_path_factory.getbasetemp(), two_hours(), [40.0, 60.5])
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        intensity = read_intensity_file(path)
    except ConfigError:
        return
    assert intensity.times_s


def test_a_parquet_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.pq"
    pq.write_table(pa.table({"time": two_hours(), "g_per_kw": [40.0, 60.5]}), path)
    with pytest.raises(ConfigError, match=COLUMNS_NEEDED + "time, g_per_kw in .*; did you mean 'g_per_kwh'"):
        read_intensity_file(path)


def test_a_parquet_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, two_hours(), [40.0, 60.5])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match=r"must be readable, .*grid.parquet is not \(.*\); write it again as Parquet"):
        read_intensity_file(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    message = r"must be readable, .*none.csv is not \(No such file or directory\); give the path of a CSV or Parquet"
    with pytest.raises(ConfigError, match=message):
        read_intensity_file(tmp_path / "none.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be readable, .* is not \(Is a directory\)"):
        read_intensity_file(tmp_path)


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"~no_such_user/grid.csv is not \(Could not determine home directory"):
        read_intensity_file(Path("~no_such_user/grid.csv"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"must end in .csv, .parquet or .pq, got .*grid.xlsx; rename it"):
        read_intensity_file(path)
