from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.errors import ConfigError
from lwq_tune.results.storage.address import StorageAddress

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3)
OPTIONS = st.dictionaries(
    st.sampled_from(["region", "scheme", "endpoint_override"]),
    st.sampled_from(["http", "https"]),
    max_size=3,
).map(lambda options: options | ({"endpoint_override": "127.0.0.1:9000"} if "endpoint_override" in options else {}))


@given(st.one_of(st.text(), st.text().map("s3://bucket/".__add__), st.text().map("s3://".__add__)))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        address = StorageAddress.parse(text)
        assert StorageAddress.parse(address.uri) == address


@given(PATHS, OPTIONS)
def test_an_address_in_a_store_survives_its_uri(path: list[str], options: dict[str, str]) -> None:
    address = StorageAddress("s3", "a-bucket", "/".join(path), tuple(options.items()))
    assert StorageAddress.parse(address.uri) == address


@given(PATHS, OPTIONS)
def test_a_child_has_the_path_of_its_parent_and_its_options(path: list[str], options: dict[str, str]) -> None:
    parent = StorageAddress("s3", "a-bucket", "", tuple(options.items()))
    child = parent
    for name in path:
        child = child.child(name)
    assert child == parent.child("/".join(path))
    assert StorageAddress.parse(child.uri) == child
    assert child.options == parent.options
    assert child.name == path[-1]


@given(PATHS)
def test_a_child_of_a_folder_is_where_pathlib_has_it(path: list[str]) -> None:
    assert Path(StorageAddress("file", "", "/data").child("/".join(path)).uri) == Path("/data", *path)


def test_a_folder_keeps_the_characters_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    folder = tmp_path / "100% ?a=b #c + ü"
    assert StorageAddress.parse(str(folder)).uri == str(folder)
    assert StorageAddress.parse(folder.as_uri()).uri == str(folder)


def test_a_relative_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StorageAddress.parse("runs").uri == str(tmp_path / "runs")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert StorageAddress.parse("~/runs").uri == str(tmp_path / "runs")


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket//a/", "s3://bucket/a"),
        ("s3://bucket/my runs/ä", "s3://bucket/my%20runs/%C3%A4"),
        ("s3://bucket/my%20runs/%C3%A4", "s3://bucket/my%20runs/%C3%A4"),
        ("gs://bucket/a?retry_limit_seconds=5", "gs://bucket/a?retry_limit_seconds=5"),
        ("gs://anonymous@bucket/a", "gs://anonymous@bucket/a"),
    ],
)
def test_a_uri_has_one_form(text: str, uri: str) -> None:
    assert StorageAddress.parse(text).uri == uri


@pytest.mark.parametrize("scheme", ["az", "abfs", "abfss", "ABFS"])
@pytest.mark.parametrize("rest", ["://box@account.dfs.core.windows.net/a", "://box/a", ":box/a"])
def test_azure_is_refused_with_the_storages_that_work(scheme: str, rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StorageAddress.parse(scheme + rest)
    assert str(caught.value) == (
        "a storage is a folder, of this machine or shared such as NFS, or a URI that begins with file://, s3://, "
        f"gs://, got {scheme.lower()}://; Azure is not supported, use one of these"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got nothing"),
        ("s33://bucket", "begins with file://, s3://, gs://, got s33://; did you mean 's3'?"),
        ("https://example.org/x", "got https://"),
        ("s3:bucket/x", "two slashes"),
        ("s3://", "names its bucket"),
        ("s3://localhost:9000/bucket", "endpoint_override=HOST:PORT"),
        ("s3://bucket/a#b", "%23"),
        ("s3://bucket/a/../b", "no . or .."),
        ("s3://bucket/a?endpoint=127.0.0.1:9", "got 'endpoint'; did you mean 'endpoint_override'?"),
        ("s3://bucket/a?endpoint_override=http://127.0.0.1:9", "endpoint_override is HOST:PORT"),
        ("s3://bucket/a?scheme=ftp", "scheme is http or https, got 'ftp'"),
        ("s3://bucket/a?scheme", "not so formed"),
        ("s3://[bucket/a", "not so formed"),
        ("file://host/a", "names no host"),
        ("file:///a?b", "%3F"),
        ("a\0b", "usable path"),
        ("~nobody-of-that-name/a", "usable path"),
        ("a\udcffb", "UTF-8"),
        ("s3://bucket/\udcff", "UTF-8"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        StorageAddress.parse(text)


SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    "text",
    [
        f"s3://AKIAKEY:{SECRET}@bucket/a",
        f"s3://AKIAKEY:{SECRET}/K7MDENG@bucket/a",
        f"s3://{SECRET}@bucket/a",
        f"s3:AKIAKEY:{SECRET}@bucket/a",
        f"s3://bucket/a?access_key=AKIAKEY&secret_key={SECRET}",
        f"s3://bucket/a?endpoint_override=AKIAKEY:{SECRET}@127.0.0.1:9",
        f"s3://bucket/a?{SECRET}",
        f"gs://me:{SECRET}@bucket/a",
        f"gs://anonymous:{SECRET}@bucket/a",
        f"s3://anonymous@{SECRET}@bucket/a",
        f"abfs://box:{SECRET}@account.dfs.core.windows.net/a",
        f"abfs://box@account.dfs.core.windows.net/a?account_key={SECRET}",
    ],
)
def test_an_address_with_a_password_is_refused_and_the_password_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StorageAddress.parse(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_refused_password_says_where_credentials_belong() -> None:
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        StorageAddress.parse("s3://key:password@bucket/a")
