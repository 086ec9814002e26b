"""A sweep whose checkpoints and results are in an object store, cut off, its folder lost, and finished elsewhere."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lwq_tune.results.storage.storage import Storage
from tests.conftest import run_python
from tests.end_to_end.conftest import Undisturbed
from tests.support.s3_server import CREDENTIALS, S3Server, s3_server
from tests.support.sweeps import fault_arguments, n_rows, read_trials, start, training_numbers, wait_for

__all__ = ["s3_server"]
pytestmark = pytest.mark.slow


def test_a_run_whose_folder_is_lost_goes_on_from_the_storage(
    s3_server: S3Server, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    uri = s3_server.uri(s3_server.make_bucket("sweeps") + "/night runs")
    here, there = tmp_path / "here", tmp_path / "there"
    process = start(fault_arguments(here, "--storage", uri), tmp_path)
    wait_for(lambda: n_rows(here / "run") >= 4, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert not list((here / "run").glob("ray/session_*"))
    here.rename(tmp_path / "lost")

    place = Storage.parse(uri).child("run")
    resumed = run_python("-m", "lwq_tune", "resume", place.uri, "--results", str(there), cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert training_numbers(there / "run") == undisturbed.numbers
    assert set(read_trials(there / "run")["attempts"]) == {2}
    for name in ("manifest.json", "rows.jsonl", "trials.parquet"):
        assert place.read(name) == (there / "run" / name).read_bytes()

    again = run_python(*fault_arguments(tmp_path / "new", "--storage", uri), cwd=tmp_path)
    assert again.returncode == 2
    assert "a run needs a folder of its own" in again.stderr
    assert not (tmp_path / "new" / "run").exists()
