from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator

import pytest
from pyarrow import fs

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage import storage
from lwq_tune.results.storage.address import StorageAddress
from lwq_tune.results.storage.azure import KEY_VARIABLE, AzureStore, open_azure
from lwq_tune.results.storage.storage import Storage
from tests.support.store_servers import AzureServer

KEY, OTHER_KEY = (base64.b64encode(letter * 64).decode() for letter in (b"a", b"b"))


def key_of(store: AzureStore) -> str:
    key: str = fs.AzureFileSystem.__reduce__(store)[1][0]["account_key"]
    return key


def test_a_pickle_holds_no_key_and_takes_that_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    place = Storage.parse("abfs://box@account.dfs.core.windows.net/a")
    assert key_of(place.filesystem) == KEY, "pyarrow's own pickle would hold it"
    for pickled in (pickle.dumps(place), pickle.dumps(place.filesystem)):
        assert KEY.encode() not in pickled
    monkeypatch.setenv(KEY_VARIABLE, OTHER_KEY)
    assert key_of(pickle.loads(pickle.dumps(place)).filesystem) == OTHER_KEY


@pytest.mark.parametrize("domain", ["core.windows.net", "core.chinacloudapi.cn"])
@pytest.mark.parametrize("service", ["dfs", "blob"])
def test_an_account_is_asked_where_its_address_says(domain: str, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    store, path = open_azure(StorageAddress.parse(f"abfs://box@account.{service}.{domain}/a/b"))
    state = fs.AzureFileSystem.__reduce__(store)[1][0]
    assert path == "box/a/b"
    assert state["account_name"] == "account"
    assert (state["blob_storage_authority"], state["dfs_storage_authority"]) == (f".blob.{domain}", f".dfs.{domain}")


def test_without_a_key_nothing_is_asked_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(
        ResultsError, match="over https only, and AZURE_STORAGE_KEY is not set.*; set AZURE_STORAGE_KEY"
    ):
        Storage.parse("abfs://box@account.dfs.core.windows.net/a?blob_storage_scheme=http")


def test_what_is_no_key_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "not-base64")
    with pytest.raises(ResultsError, match="AZURE_STORAGE_KEY is no .*key") as caught:
        Storage.parse("abfs://box@account.dfs.core.windows.net/a")
    assert "not-base64" not in str(caught.value)


def test_a_refused_key_says_where_credentials_belong(
    azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = azure_server.uri(azure_server.make_bucket("refused"))
    monkeypatch.setattr(storage, "_WAITS_S", (60.0,))
    monkeypatch.setenv(KEY_VARIABLE, OTHER_KEY)
    for ask in (lambda: Storage.parse(uri).probe(), lambda: Storage.parse(uri).read("x")):
        with pytest.raises(ResultsError, match=r"refuses the credentials.*\(403.*; set AZURE_STORAGE_KEY") as caught:
            ask()
        assert OTHER_KEY not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_container_is_named_at_once(azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", (60.0,))
    place = Storage.parse(azure_server.uri("no-such-box/x"))
    for ask in (place.probe, place.files):
        with pytest.raises(ResultsError, match="it has no container no-such-box; make it"):
            ask()


def test_a_file_is_replaced_whole_or_not_at_all(azure_server: AzureServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"new"
        assert place.read("x") == b"old", "pyarrow empties a file that it opens"
        raise OSError("read error")

    place = Storage.parse(azure_server.uri(azure_server.make_bucket("whole")))
    place.write("x", b"old")
    with pytest.raises(OSError, match="read error"):
        place._write("x", broken())
    assert place.read("x") == b"old"
    place.write("x", b"new")
    assert place.read("x") == b"new"
    assert set(place.files()) == {"x"}
