from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lwq_tune.errors import ConfigError, ResultsError
from lwq_tune.results.storage import storage as storage_module
from lwq_tune.results.storage.mirror import Mirror, MirrorThread, mirrored_files
from lwq_tune.results.storage.storage import Storage
from lwq_tune.results.storage.stored_runs import fetch_run
from tests.conftest import run_python
from tests.support.s3_server import Line, S3Server
from tests.support.store_servers import new_bucket

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

MIRRORED = {
    "manifest.json": b"{}\n",
    "rows.jsonl": b'{"epoch": 1}\n',
    "trials.parquet": b"PAR1",
    "epochs/0123456789ab.parquet": b"PAR1PAR1",
    "energy/a host ü.jsonl": b"{}\n" * 100,
    "analysis/plots/front.png": b"\x89PNG",
    "analysis/ray/named-like-tunes-folder": b"kept",
}
LEFT_OUT = ("ray/session_001/tuner.pkl", ".lock", ".manifest.json.tmp", "epochs/x.tmp", ".hidden/file")


@pytest.fixture(params=["folder", "s3", "gs"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Where runs are mirrored to."""
    if request.param == "folder":
        return Storage.parse(str(tmp_path / "the storage"))
    return new_bucket(request, request.param, tmp_path)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run folder with all kinds of files."""
    folder = tmp_path / "results ü" / "a run"
    for name, content in (MIRRORED | dict.fromkeys(LEFT_OUT, b"not mirrored")).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "no regular file")
    (folder / "link").symlink_to("manifest.json")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every regular file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stored(storage: Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in storage.files()}


def test_a_mirror_holds_the_files_of_the_run_and_nothing_else(run_dir: Path, base: Storage) -> None:
    before = contents(run_dir)
    storage = base.child("a run")
    assert Mirror(run_dir, storage).update() == len(MIRRORED)
    assert stored(storage) == MIRRORED
    assert {name: content for name, content in contents(run_dir).items() if name != ".mirror.json"} == before


def test_only_what_is_new_or_changed_is_sent_again_also_by_the_next_process(run_dir: Path, base: Storage) -> None:
    storage = base.child("a run")
    mirror = Mirror(run_dir, storage)
    mirror.update()
    assert mirror.update() == 0
    with (run_dir / "rows.jsonl").open("ab") as log:
        log.write(b'{"epoch": 2}\n')
    (run_dir / "epochs" / "new.parquet").write_bytes(b"PAR1")
    assert mirror.update() == 2
    assert Mirror(run_dir, storage).update() == 0
    (run_dir / "trials.parquet").write_bytes(b"1RAP")  # of the same size
    assert Mirror(run_dir, storage).update() == 1
    assert stored(storage) == {name: content for name, content in contents(run_dir).items() if name in storage.files()}
    assert storage.read("rows.jsonl") == b'{"epoch": 1}\n{"epoch": 2}\n'
    assert storage.read("trials.parquet") == b"1RAP"


def test_what_the_storage_lost_is_sent_again(run_dir: Path, base: Storage) -> None:
    storage = base.child("a run")
    Mirror(run_dir, storage).update()
    storage.filesystem.delete_file(f"{storage.path}/trials.parquet")
    storage.write("rows.jsonl", b"cut")
    assert Mirror(run_dir, storage).update() == 2
    assert stored(storage) == MIRRORED
    assert Mirror(run_dir, base.child("elsewhere")).update() == len(MIRRORED), "another storage has nothing yet"


@pytest.mark.parametrize("index", ["", "[]", '{"storage": 1}', "\xff"])
def test_a_damaged_index_costs_only_another_transfer(run_dir: Path, tmp_path: Path, index: str) -> None:
    (run_dir / ".mirror.json").write_text(index, encoding="latin-1")
    assert Mirror(run_dir, Storage.parse(str(tmp_path / "storage"))).update() == len(MIRRORED)


def test_the_run_folder_itself_is_no_storage(run_dir: Path, tmp_path: Path) -> None:
    for folder in (run_dir, run_dir / "copy"):
        with pytest.raises(ConfigError, match="leave --storage out"):
            Mirror(run_dir, Storage.parse(str(folder)))
    Mirror(run_dir, Storage.parse(str(tmp_path))).update()


def test_a_run_folder_that_cannot_be_read_is_a_clear_error(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "rows.jsonl").unlink()
    (run_dir / "rows.jsonl").symlink_to("nowhere")
    mirror = Mirror(run_dir, Storage.parse(str(tmp_path / "storage")))
    assert mirror.update() == len(MIRRORED) - 1, "a link to nothing is no file"
    (tmp_path / "storage" / "trials.parquet").unlink()
    (tmp_path / "storage" / "trials.parquet").mkdir()
    (run_dir / "trials.parquet").write_bytes(b"changed")
    with pytest.raises(ResultsError, match=r"copied to its storage: .*; nothing is lost, .*a run is whole.* resume "):
        mirror.update()


def test_two_runs_at_once_in_one_bucket_stay_apart(tmp_path: Path, s3_server: S3Server) -> None:
    base = Storage.parse(s3_server.uri(s3_server.make_bucket("two-runs")))
    expected = {}
    threads = []
    for run in ("one", "two"):
        expected[run] = {f"epochs/{number}.parquet": f"{run}{number}".encode() for number in range(30)}
        for name, content in expected[run].items():
            (tmp_path / run / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / run / name).write_bytes(content)
        threads.append(threading.Thread(target=Mirror(tmp_path / run, base.child(run)).update))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run: stored(base.child(run)) for run in base.folders()} == expected


def test_the_line_cut_in_an_upload_leaves_the_run_whole_and_says_so(
    run_dir: Path, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_WAITS_S", ())
    bucket = s3_server.make_bucket("mirror-cut")
    line = Line(s3_server.port)
    mirror = Mirror(run_dir, Storage.parse(s3_server.uri(f"{bucket}/a run", line.port)))
    mirror.update()
    (run_dir / "rows.jsonl").write_bytes(b'{"epoch": 1}\n' * 1_000_000)
    before = contents(run_dir)
    line.cut_after_bytes = 5_000_000
    with pytest.raises(ResultsError, match=re.escape(f"python -m lwq_tune resume {run_dir}")) as caught:
        mirror.update()
    assert f"nothing is lost, {run_dir} is whole" in str(caught.value)
    assert contents(run_dir) == before
    there = Storage.parse(s3_server.uri(f"{bucket}/a run"))
    assert there.read("rows.jsonl") == MIRRORED["rows.jsonl"], "the store keeps the last whole one"
    line.mend()
    assert mirror.update() == 1
    line.cut()
    assert contents(fetch_run(there.uri, tmp_path / "fetched")) == {name: before[name] for name in MIRRORED}


@pytest.mark.slow
def test_a_server_killed_in_an_upload_leaves_the_run_whole_and_gets_it_all_when_it_is_back(
    run_dir: Path, tmp_path: Path, s3_server: S3Server
) -> None:
    server = S3Server(tmp_path / "log")
    storage = Storage.parse(server.uri(server.make_bucket("killed"))).child("a run")
    (run_dir / "rows.jsonl").write_bytes(b'{"epoch": 1}\n' * 1_500_000)
    before = contents(run_dir)
    killer = threading.Thread(target=_kill_when_uploading, args=(server, "killed"))
    killer.start()
    with pytest.raises(ResultsError, match="nothing is lost"):
        Mirror(run_dir, storage).update()
    killer.join()
    server.start()
    server.make_bucket("killed")
    Mirror(run_dir, storage).update()
    assert stored(storage) == {name: before[name] for name in MIRRORED}
    server.kill()


def _kill_when_uploading(server: S3Server, bucket: str) -> None:
    _wait_until(lambda: server.pending_uploads(bucket))
    server.kill()


def test_a_thread_mirrors_while_the_run_goes_on_and_finishes_on_close(run_dir: Path, tmp_path: Path) -> None:
    storage = Storage.parse(str(tmp_path / "storage"))
    thread = MirrorThread(Mirror(run_dir, storage), every_s=0.05)
    with (run_dir / "rows.jsonl").open("ab", buffering=0) as log:
        for _ in range(20):
            log.write(b'{"epoch": 2}\n')
            time.sleep(0.01)
        _wait_until(lambda: mirrored_files(storage).get("rows.jsonl") is not None)
    (run_dir / "last").write_bytes(b"written just before the end")
    thread.close()
    assert stored(storage) == {name: contents(run_dir)[name] for name in (*MIRRORED, "last")}


def test_a_thread_says_once_that_a_storage_fails_and_goes_on_when_it_is_back(
    run_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "storage").write_bytes(b"a file where a folder should be")
    storage = Storage.parse(str(tmp_path / "storage"))
    thread = MirrorThread(Mirror(run_dir, storage), every_s=0.02)
    _wait_until(lambda: "nothing is lost" in caplog.text)
    time.sleep(0.2)
    (tmp_path / "storage").unlink()
    _wait_until(lambda: "accepts the results of the run again" in caplog.text)
    thread.close()
    assert caplog.text.count("nothing is lost") == 1
    assert stored(storage) == MIRRORED


def test_a_thread_that_cannot_send_the_last_files_fails_on_close(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "storage").write_bytes(b"a file where a folder should be")
    thread = MirrorThread(Mirror(run_dir, Storage.parse(str(tmp_path / "storage"))))
    with pytest.raises(ResultsError, match="nothing is lost"):
        thread.close()


def _wait_until(condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


ABRUPT = """
import sys
from pathlib import Path
from lwq_tune.results.storage.mirror import Mirror, MirrorThread
from lwq_tune.results.storage.storage import Storage
thread = MirrorThread(Mirror(Path(sys.argv[1]), Storage.parse(sys.argv[2])), every_s=0.01)
if sys.argv[3] == "close":
    thread.close()
"""


@pytest.mark.parametrize("how", ["close", "leave"])
def test_a_process_with_a_mirror_ends_by_itself(run_dir: Path, tmp_path: Path, s3_server: S3Server, how: str) -> None:
    storage = Storage.parse(s3_server.uri(s3_server.make_bucket(f"exit-{how}")))
    began_s = time.monotonic()
    result = run_python("-c", ABRUPT, str(run_dir), storage.uri, how, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - began_s < 60
    if how == "close":
        assert stored(storage) == MIRRORED


def test_the_index_names_the_storage_and_no_credentials(run_dir: Path, s3_server: S3Server) -> None:
    storage = Storage.parse(s3_server.uri(s3_server.make_bucket("index"))).child("a run")
    Mirror(run_dir, storage).update()
    text = (run_dir / ".mirror.json").read_text()
    assert json.loads(text)["storage"] == storage.uri
    assert "a-secret" not in text
    assert "a-key" not in text
