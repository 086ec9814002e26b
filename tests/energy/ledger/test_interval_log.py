from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.energy.ledger.interval_log import IntervalLog, read_intervals, read_lines
from tests.conftest import run_python

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from lwq_tune.energy.ledger.interval_log import IntervalLog

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = IntervalLog(Path(sys.argv[1]))
for number in range(40):
    limit = 500 if number < 35 else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    log.append({"number": number})
"""


def test_a_disk_that_fills_and_empties_again_leaves_every_line_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "host.jsonl"
    result = run_python("-c", FULL_DISK, str(path), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [line["number"] for line in read_lines(path)] == list(range(40))


def test_a_folder_that_was_discarded_does_not_come_back(tmp_path: Path) -> None:
    IntervalLog(tmp_path / "run" / "energy" / "host.jsonl").append({"number": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_line_is_an_error_and_a_missing_log_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "host.jsonl"
    assert read_intervals(path) == []
    path.write_text("not json\n")
    with pytest.raises(ValueError, match="Expecting value"):
        read_intervals(path)
