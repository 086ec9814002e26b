from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.row_log import RowLog, read_log
from tests.conftest import run_python


def test_a_record_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    log = RowLog(tmp_path / "rows.jsonl")
    for number in range(3):
        log.append({"n": number})
        assert list(read_log(tmp_path / "rows.jsonl"))[-1] == {"n": number}


@pytest.mark.parametrize("tail", ['{"n": 2', '{"n": 2}', "\x00\x00", '{"n'])
def test_a_last_line_cut_short_is_left_out_and_written_over(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 0}\n{"n": 1}\n' + tail)
    assert list(read_log(path)) == [{"n": 0}, {"n": 1}]
    log = RowLog(path)
    log.append({"n": 3})
    log.close()
    assert list(read_log(path)) == [{"n": 0}, {"n": 1}, {"n": 3}]


def test_damage_in_the_middle_of_a_log_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 0}\nnonsense\n{"n": 2}\n')
    with pytest.raises(ResultsError, match="line 2"):
        list(read_log(path))


FULL = """
import resource, signal
from pathlib import Path
from lwq_tune.errors import ResultsError
from lwq_tune.results.row_log import RowLog, read_log
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
log = RowLog(Path("rows.jsonl"))
log.append({"n": 1})
try:
    log.append({"n": "x" * 100})
except ResultsError as error:
    print(error)
print(list(read_log(Path("rows.jsonl"))))
"""


def test_a_row_that_the_disk_does_not_take_is_a_clear_error_and_the_others_stay(tmp_path: Path) -> None:
    result = run_python("-c", FULL, cwd=tmp_path)
    assert "every row must reach the disk" in result.stdout, result.stderr
    assert "python -m lwq_tune resume" in result.stdout
    assert result.stdout.splitlines()[-1] == "[{'n': 1}]"
