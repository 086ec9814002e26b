from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage import file_systems, storage
from lwq_tune.results.storage.storage import Storage
from tests.conftest import run_python
from tests.support.s3_server import CREDENTIALS, HOST, Line, S3Server
from tests.support.store_servers import new_bucket

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

ODD_NAME = "a run ü?#%"


@pytest.fixture(params=["folder", "file URI", "s3", "gs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage that does not exist yet, under a name that is hard on URIs."""
    if request.param in ("s3", "gs"):
        return new_bucket(request, request.param, tmp_path).child(ODD_NAME)
    folder = tmp_path / ODD_NAME
    return Storage.parse(folder.as_uri() if request.param == "file URI" else str(folder))


def test_what_is_written_is_read_back_also_through_its_address_and_a_pickle(place: Storage) -> None:
    place.write("a/b ü.txt", b"hello")
    for same in (place, Storage.parse(place.uri), pickle.loads(pickle.dumps(place))):
        assert same.read("a/b ü.txt") == b"hello"
        assert same.child("a").read("b ü.txt") == b"hello"
    place.write("a/b ü.txt", b"new")
    assert place.read("a/b ü.txt") == b"new"


def test_files_keep_their_bytes_whatever_their_name_says(
    place: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 100_000)
    contents = {"empty": b"", "log.gz": b"not compressed", "full": b"x" * 200_000, "big": bytes(range(256)) * 4_000}
    for name, content in contents.items():
        (tmp_path / "source").write_bytes(content)
        place.send(tmp_path / "source", f"folder/{name}")
        place.fetch(f"folder/{name}", tmp_path / "made" / name)
        assert (tmp_path / "made" / name).read_bytes() == content
        assert place.read(f"folder/{name}") == content
    assert {name: info.size for name, info in place.files().items()} == {
        f"folder/{name}": len(content) for name, content in contents.items()
    }


def test_a_listing_tells_folders_from_files_and_is_empty_where_nothing_is(place: Storage) -> None:
    assert (place.files(), place.folders()) == ({}, [])
    place.write("x", b"1")
    place.write("b/c/x", b"1")
    place.write("a/x", b"1")
    assert place.folders() == ["a", "b"]
    assert set(place.files()) == {"x", "a/x", "b/c/x"}
    assert set(place.files(recursive=False)) == {"x"}
    assert place.child("b").folders() == ["c"]


def test_what_is_not_there_is_file_not_found(place: Storage, tmp_path: Path) -> None:
    place.write("x", b"1")
    with pytest.raises(FileNotFoundError):
        place.read("y")
    with pytest.raises(FileNotFoundError):
        place.fetch("y", tmp_path / "y")
    with pytest.raises(FileNotFoundError):
        place.send(tmp_path / "no such file", "y")
    assert set(place.files()) == {"x"}


def test_what_is_deleted_is_gone_and_what_is_not_there_needs_no_deleting(place: Storage) -> None:
    place.write("a/x", b"1")
    place.write("b/x", b"1")
    place.child("a").delete()
    place.child("c").delete()
    assert set(place.files()) == {"b/x"}
    assert place.folders() == ["b"]


def test_a_probe_leaves_nothing(place: Storage) -> None:
    place.probe()
    assert place.files() == {}


def test_an_address_shows_no_credentials(s3_server: S3Server) -> None:
    place = Storage.parse(s3_server.uri("bucket"))
    for text in (place.uri, repr(place), repr(pickle.dumps(place))):
        for secret in CREDENTIALS.values():
            assert secret not in text


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ResultsError, match=r"must be reachable and writable, .*/file/x is not: .*; name another folder"
    ):
        Storage.parse(str(tmp_path / "file" / "x")).probe()


def test_a_file_in_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = Storage.parse(str(tmp_path / "storage"))
    place.write("x", b"old")
    (tmp_path / "storage" / ".x.tmp").mkdir()  # the name under which a new one is written first
    with pytest.raises(ResultsError):
        place.write("x", b"new")
    assert place.read("x") == b"old"


def test_a_missing_bucket_is_named_at_once(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", (60.0,))
    with pytest.raises(ResultsError, match="it has no bucket no-such-bucket; make it"):
        Storage.parse(s3_server.uri("no-such-bucket/x")).probe()
    with pytest.raises(ResultsError, match="it has no bucket no-such-bucket; make it"):
        Storage.parse(s3_server.uri("no-such-bucket/x")).files()


@pytest.mark.slow
def test_refused_credentials_say_where_they_belong(s3_server: S3Server, tmp_path: Path) -> None:
    strict = S3Server(tmp_path / "log", INITIAL_NO_AUTH_ACTION_COUNT="1")  # making the bucket is that one
    try:
        place = Storage.parse(strict.uri(strict.make_bucket("bucket")))
        with pytest.raises(ResultsError, match="refuses the credentials.*set AWS_ACCESS_KEY_ID") as caught:
            place.probe()
    finally:
        strict.kill()
    assert not any(secret in str(caught.value) for secret in CREDENTIALS.values())


def test_a_store_that_is_not_there_is_a_clear_error_in_seconds(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", (0.1,))
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ResultsError, match=r"it does not answer \(.*connect.*\); check the network") as caught:
        Storage.parse(s3_server.uri("bucket", port)).probe()
    assert "\n" not in str(caught.value)


def test_a_request_is_carried_over_the_restart_of_a_store(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", (1.0,) * 6)
    line = Line(s3_server.port)
    place = Storage.parse(s3_server.uri(s3_server.make_bucket("restart"), line.port))
    place.write("x", b"old")
    line.cut()
    timer = threading.Timer(4, line.mend)  # the SDK alone gives up within 3 s
    timer.start()
    place.write("x", b"new")
    timer.join()
    assert place.read("x") == b"new"
    line.cut()


@pytest.mark.slow
def test_a_store_that_never_answers_is_given_up(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "_REQUEST_TIMEOUT_S", 2.0)
    monkeypatch.setattr(storage, "_RETRY_LIMIT_S", 5.0)  # three tries of the SDK take 6 s
    with (
        socket.create_server((HOST, 0)) as unanswering,
        pytest.raises(ResultsError, match=r"it does not answer \(.*\); check the network"),
    ):
        Storage.parse(s3_server.uri("bucket", unanswering.getsockname()[1])).probe()


def test_an_upload_cut_off_leaves_the_old_object_whole(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", ())
    line = Line(s3_server.port)
    bucket = s3_server.make_bucket("cut")
    place = Storage.parse(s3_server.uri(bucket, line.port))
    place.write("x", b"old")
    (tmp_path / "new").write_bytes(b"n" * 40_000_000)
    line.cut_after_bytes = 20_000_000
    with pytest.raises(ResultsError, match="does not answer"):
        place.send(tmp_path / "new", "x")
    assert s3_server.pending_uploads(bucket) == 1, "the upload was under way"
    assert Storage.parse(s3_server.uri(bucket)).read("x") == b"old"
    line.mend()
    place.send(tmp_path / "new", "x")
    assert Storage.parse(s3_server.uri(bucket)).files()["x"].size == 40_000_000
    line.cut()


METADATA = """
import sys
from lwq_tune.results.storage.storage import Storage
Storage.parse(sys.argv[1]).probe()
"""


def test_nobody_asks_for_a_clouds_metadata_where_the_environment_has_the_credentials(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    asked = []
    with socket.create_server((HOST, 0)) as service:
        threading.Thread(target=_count, args=(service, asked.append), daemon=True).start()
        uri = s3_server.uri(s3_server.make_bucket("metadata"))
        endpoint = f"http://{HOST}:{service.getsockname()[1]}"
        result = run_python("-c", METADATA, uri, cwd=tmp_path, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint)
        assert result.returncode == 0, result.stderr
        assert asked == []
        run_python("-c", METADATA, uri, cwd=tmp_path, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint, AWS_ACCESS_KEY_ID="")
        assert asked != [], "without credentials the service is asked, so this test can fail"


def _count(service: socket.socket, add: Callable[[str], None]) -> None:
    while True:
        try:
            connection, address = service.accept()
        except OSError:
            return
        add(str(address))
        connection.close()
