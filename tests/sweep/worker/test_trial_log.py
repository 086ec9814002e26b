from __future__ import annotations

import datetime
import logging
import os
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwq_tune.sweep.worker.trial_log import TrialLog, trial_log_path
from tests.conftest import REPOSITORY, run_python

LOG = logging.getLogger("lwq_tune.sweep.tune.trainable")
KEY = "0123456789ab"


def lines_of(run_dir: Path, key: str = KEY) -> list[str]:
    return trial_log_path(run_dir, key).read_text(encoding="utf-8").splitlines()


def test_a_line_has_its_time_in_utc_its_level_and_its_logger(tmp_path: Path) -> None:
    before = datetime.datetime.now(datetime.UTC)
    log = TrialLog(tmp_path, KEY)
    LOG.warning("checkpoint skipped: %s", "damaged")
    log.close()
    (line,) = (line for line in lines_of(tmp_path) if "damaged" in line)
    stamp, rest = line.split(" ", 1)
    assert rest == "WARNING lwq_tune.sweep.tune.trainable: checkpoint skipped: damaged"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    elapsed = datetime.datetime.fromisoformat(stamp) - before
    assert datetime.timedelta(milliseconds=-1) <= elapsed < datetime.timedelta(minutes=1)


def test_the_first_line_names_process_and_host(tmp_path: Path) -> None:
    TrialLog(tmp_path, KEY).close()
    assert f"{KEY} begins in process {os.getpid()} on {socket.gethostname()}" in lines_of(tmp_path)[0]


def test_a_failure_comes_with_its_whole_traceback(tmp_path: Path) -> None:
    log = TrialLog(tmp_path, KEY)
    try:
        raise ValueError("no such layer")
    except ValueError as error:
        LOG.error("trial failed", exc_info=error)
    log.close()
    text = "\n".join(lines_of(tmp_path))
    assert "Traceback (most recent call last):" in text
    assert "test_a_failure_comes_with_its_whole_traceback" in text
    assert "ValueError: no such layer" in text


def test_warnings_of_python_are_in_the_log_while_it_is_open(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log = TrialLog(tmp_path, KEY)
        warnings.warn("scales underflow", RuntimeWarning, stacklevel=1)
        log.close()
        captured = warnings.showwarning
    assert any(
        "WARNING py.warnings: " in line and "RuntimeWarning: scales underflow" in line for line in lines_of(tmp_path)
    )
    assert captured.__module__ == "warnings"


def test_attempts_follow_each_other_in_one_file(tmp_path: Path) -> None:
    for attempt in (1, 2):
        log = TrialLog(tmp_path, KEY)
        LOG.info("attempt %d", attempt)
        log.close()
    said = [line.rsplit(": ", 1)[1] for line in lines_of(tmp_path)]
    assert [words for words in said if words.startswith("attempt")] == ["attempt 1", "attempt 2"]
    assert sum("begins in process" in line for line in lines_of(tmp_path)) == 2


def test_a_reused_process_writes_each_trial_into_its_own_file(tmp_path: Path) -> None:
    for key in ("aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        log = TrialLog(tmp_path, key)
        LOG.info("epoch of %s", key)
        log.close()
        log.close()
    for key, other in (("aaaaaaaaaaaa", "bbbbbbbbbbbb"), ("bbbbbbbbbbbb", "aaaaaaaaaaaa")):
        text = "\n".join(lines_of(tmp_path, key))
        assert f"epoch of {key}" in text
        assert other not in text
        assert text.count(f"{key} leaves process") == 1


def test_closed_it_leaves_the_loggers_as_they_were(tmp_path: Path) -> None:
    ours = logging.getLogger("lwq_tune")
    before = (ours.level, list(ours.handlers))
    TrialLog(tmp_path, KEY).close()
    assert (ours.level, list(ours.handlers)) == before


@pytest.fixture
def errors_only() -> Iterator[None]:
    """A user who wants to hear of errors alone."""
    ours = logging.getLogger("lwq_tune")
    level = ours.level
    ours.setLevel(logging.ERROR)
    yield
    ours.setLevel(level)


@pytest.mark.usefixtures("errors_only")
def test_a_level_that_was_chosen_stands(tmp_path: Path) -> None:
    log = TrialLog(tmp_path, KEY)
    LOG.warning("hidden")
    log.close()
    assert lines_of(tmp_path) == []


def test_without_a_file_the_trial_goes_on_and_stderr_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "logs").write_text("not a folder")
    log = TrialLog(tmp_path, KEY)
    LOG.warning("still running")
    log.close()
    assert "the trial has no log file: " in caplog.text
    assert str(tmp_path / "logs") in caplog.text


def test_a_disk_that_fills_up_is_told_on_stderr_and_raises_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    code = (
        "import logging, sys; from pathlib import Path; from lwq_tune.sweep.worker.trial_log import TrialLog\n"
        "Path('logs').mkdir(); Path('logs/k.log').symlink_to('/dev/full')\n"
        "log = TrialLog(Path(), 'k'); logging.getLogger('lwq_tune').error('lost'); log.close(); print('went on')"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert result.stdout == "went on\n"
    assert "No space left on device" in result.stderr


def test_the_log_says_which_file_takes_what_the_process_writes_itself(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from lwq_tune.sweep.worker.trial_log import TrialLog; TrialLog(Path(), 'k').close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (tmp_path / "stderr.txt").open("w") as stderr:
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stderr=stderr, check=True, env=environment)
    assert lines_of(tmp_path, "k")[0].endswith(f"; its stderr: {tmp_path / 'stderr.txt'}")
