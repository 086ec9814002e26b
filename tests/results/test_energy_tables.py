from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lwq_tune.energy.ledger.totals import trial_part
from lwq_tune.errors import ResultsError
from lwq_tune.results.energy_tables import EnergyLog, interval_rows
from lwq_tune.results.schema import INTERVAL_COLUMNS

KWH = 3.6e6  # joules


def record(begin_s: float, **changes: Any) -> dict[str, Any]:
    return {
        "begin_s": begin_s,
        "time_s": 1.0,
        "unmeasured_s": 0.0,
        "g_per_kwh": 500.0,
        "concurrency": 1,
        "flags": [],
        "node": {"cpu": 3 * KWH, "ram": KWH},
        "parts": {
            "cpu": {trial_part("k", "s1"): [KWH, 0.5 * KWH], "other": [KWH, 0.0], "unallocated": [0.0, 0.5 * KWH]},
            "ram": {trial_part("k", "s1"): [0.0, 0.25 * KWH], "unallocated": [0.0, 0.75 * KWH]},
        },
        **changes,
    }


GAP = record(1.0, unmeasured_s=1.0, flags=["ledger-down"], node={}, parts={})


def write(path: Path, *records: dict[str, Any], end: str = "\n") -> None:
    with path.open("a") as stream:
        stream.write("\n".join(json.dumps(r) for r in records) + end)


def test_sums_grow_with_the_log_and_a_line_under_way_waits(tmp_path: Path) -> None:
    log = EnergyLog(tmp_path)
    log.update()
    assert dict(log.parts) == {}
    write(tmp_path / "host.jsonl", record(0.0), GAP)
    write(tmp_path / "host.jsonl", record(2.0), end="")
    log.update()
    assert log.parts["node"].kwh == pytest.approx(4.0)
    assert log.unmeasured_s == 1.0
    write(tmp_path / "host.jsonl", end="\n")
    write(tmp_path / "host2.jsonl", record(0.0))
    log.update()
    log.update()
    assert {name: energy.kwh for name, energy in log.parts.items()} == pytest.approx(
        {"node": 12.0, "trial": 5.25, "other": 3.0, "unallocated": 3.75}
    )
    assert log.parts["node"].kg_co2eq == pytest.approx(6.0)
    assert log.segments["k"]["s1"].kwh == pytest.approx(5.25)


def test_each_host_gets_a_table_whose_parts_add_up(tmp_path: Path) -> None:
    write(tmp_path / "host.jsonl", record(0.0), GAP, record(2.0))
    log = EnergyLog(tmp_path)
    log.update()
    log.write_tables("run", {"run": "run"})
    table = pd.read_parquet(tmp_path / "host.parquet")
    assert list(table.columns) == [column.name for column in INTERVAL_COLUMNS]
    node, parts = table[table["part"] == "node"], table[table["part"] != "node"]
    assert parts.groupby(["interval", "domain"])["energy_kwh"].sum().tolist() == pytest.approx([3.0, 1.0, 3.0, 1.0])
    assert node.loc[node["interval"] == 1, "unmeasured_s"].tolist() == [1.0]
    assert node.loc[node["interval"] == 1, "energy_kwh"].isna().all(), "not measured is null, never 0"
    trial = parts[parts["part"] == "trial"]
    assert set(zip(trial["trial_key"], trial["segment"], strict=True)) == {("k", "s1")}


def test_a_table_holds_what_the_sums_hold_though_a_lost_host_writes_on(tmp_path: Path) -> None:
    write(tmp_path / "host.jsonl", record(0.0))
    log = EnergyLog(tmp_path)
    log.update()
    write(tmp_path / "host.jsonl", record(1.0))
    write(tmp_path / "new.jsonl", record(1.0))
    log.write_tables("run", {"run": "run"})
    table = pd.read_parquet(tmp_path / "host.parquet")
    assert table[table["part"] == "trial"]["energy_kwh"].sum() == pytest.approx(log.segments["k"]["s1"].kwh)
    assert pd.read_parquet(tmp_path / "new.parquet").empty
    log.update()
    log.write_tables("run", {"run": "run"})
    table = pd.concat([pd.read_parquet(file) for file in sorted(tmp_path.glob("*.parquet"))])
    assert table[table["part"] == "trial"]["energy_kwh"].sum() == pytest.approx(log.segments["k"]["s1"].kwh)


def test_a_damaged_log_is_named_every_time_and_nothing_behind_it_is_left_out_silently(tmp_path: Path) -> None:
    (tmp_path / "host.jsonl").write_text("not json\n")
    write(tmp_path / "host.jsonl", record(0.0))
    log = EnergyLog(tmp_path)
    for _ in range(2):
        with pytest.raises(ResultsError, match="one JSON object per line"):
            log.update()


def test_events_are_no_intervals(tmp_path: Path) -> None:
    opened = {"event": "opened", "session": "a", "at_s": 0.0}
    write(tmp_path / "host.jsonl", opened, record(0.0), {**opened, "event": "closed"}, record(1.0))
    log = EnergyLog(tmp_path)
    log.update()
    assert log.parts["node"].kwh == pytest.approx(8.0)
    log.write_tables("run", {"run": "run"})
    assert set(pd.read_parquet(tmp_path / "host.parquet")["interval"]) == {0, 1}


def test_rows_of_an_interval_without_memory_have_none() -> None:
    rows = list(interval_rows(record(0.0, node={"cpu": KWH}, parts={"cpu": {"other": [KWH, 0.0]}}), 7))
    assert [(row["part"], row["domain"], row["interval"]) for row in rows] == [("node", "cpu", 7), ("other", "cpu", 7)]
