from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.large_reports import measure_command
from benchmarks.support.synthetic_run import write_run


@pytest.mark.slow
def test_analyses_of_a_small_run_keep_within_a_gigabyte_and_its_report_within_15_mb(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(run, 20, 4)
    for name in ("pareto", "table", "report"):
        cost = measure_command(name, run)
        assert cost["cpu_time_s"] > 0
        assert 50 < cost["peak_memory_mib"] < 1000, name
    assert 4e6 < (run / "analysis" / "report.html").stat().st_size < 15e6, "the drawing library alone has 4.8 MB"
