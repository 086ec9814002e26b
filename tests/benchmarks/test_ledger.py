from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import run_python


@pytest.mark.slow
def test_the_ledger_benchmark_shows_that_trackers_count_the_host_once_each_and_the_ledger_once_in_all(
    tmp_path: Path,
) -> None:
    flags = ["--trials", "2", "--seconds", "3", "--burn", "4", "--json", "ledger.json"]
    result = run_python("-m", "benchmarks.ledger", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "ledger.json").read_text())
    assert 0 < figures["ledger_over_host"] < 1.1
    assert figures["trackers_over_host"] > 1.4
    assert 0 <= figures["share_of_a_core"] < 1  # in ticks of 10 ms
    assert 0 < figures["mark_median_ms"] <= figures["mark_p95_ms"]
    assert figures["settings"]["trials"] == 2
    assert figures["machine"]["codecarbon"]
    assert "plain trackers say" in result.stdout
