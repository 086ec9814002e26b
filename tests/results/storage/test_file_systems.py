from __future__ import annotations

import socket

import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage import file_systems, storage
from lwq_tune.results.storage.storage import Storage
from tests.support.s3_server import HOST
from tests.support.store_servers import GsServer, free_port

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

# The address of Google's store, without its server.
ADDRESS = "gs://anonymous@bucket/a?endpoint_override={0}&scheme=http&retry_limit_seconds=2"


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "_ANSWER_TIMEOUT_S", 0.5)
    monkeypatch.setattr(storage, "_RETRY_LIMIT_S", 0.1)
    with socket.create_server((HOST, 0)) as unanswering:
        place = Storage.parse(ADDRESS.format(f"{HOST}:{unanswering.getsockname()[1]}"))
        with pytest.raises(ResultsError, match=r"it does not answer \(no answer within .* s\); check the network"):
            place.probe()


@pytest.mark.slow
def test_a_server_that_is_not_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_RETRY_LIMIT_S", 0.1)
    place = Storage.parse(ADDRESS.format(f"{HOST}:{free_port()}"))
    with pytest.raises(ResultsError, match=r"it does not answer \(.*connect to server\); check the network"):
        place.probe()


def test_a_store_that_is_asked_for_minutes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    limits_s = [
        file_systems.no_answer_limit_s(Storage.parse(uri).address)
        for uri in ("/a", "gs://anonymous@bucket", "gs://anonymous@bucket?retry_limit_seconds=300")
    ]
    assert limits_s == [None, 60.0, 600.0]


def test_a_missing_bucket_of_googles_store_is_named_at_once_and_not_made(
    gs_server: GsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")  # with it pyarrow's create_dir makes a bucket
    monkeypatch.setattr(storage, "_WAITS_S", (60.0,))
    place = Storage.parse(gs_server.uri("no-such-bucket/x"))
    for ask in (place.probe, lambda: place.write("y", b""), place.files, place.folders):
        with pytest.raises(ResultsError, match="it has no bucket no-such-bucket; make it"):
            ask()
