"""Addresses of storages: a folder, or the URI of an object store. Plain Python; nothing is asked over a network."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from lwq_tune.errors import ConfigError, near_miss

FOLDER = "file"
# Options that a URI may hold, by scheme. None of them is a secret, so an address may be printed and stored.
_OPTIONS = {
    "s3": ("endpoint_override", "scheme", "region"),
    "gs": ("endpoint_override", "scheme", "retry_limit_seconds"),
}
AZURE_SCHEMES = ("az", "abfs", "abfss")
ANONYMOUS = "anonymous"  # gs://anonymous@BUCKET, as pyarrow has it
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+(@[A-Za-z0-9._-]+)?")
CREDENTIALS_HINT = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the environment of every node",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS in the environment of every node",
}


@dataclass(frozen=True)
class StorageAddress:
    """Where a storage is.

    Attributes:
        scheme: ``file``, ``s3`` or ``gs``.
        authority: The bucket, with ``anonymous@`` before it where a ``gs`` server asks for no credentials; empty for a
            folder.
        path: Path in it without slashes around it; for a folder its absolute path.
        options: What else the URI says, in its order.
    """

    scheme: str
    authority: str
    path: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> StorageAddress:
        """Return the address that a user wrote.

        >>> StorageAddress.parse("s3://bucket/my runs?endpoint_override=127.0.0.1:9000&scheme=http").uri
        's3://bucket/my%20runs?endpoint_override=127.0.0.1:9000&scheme=http'
        >>> StorageAddress.parse("file:///data/my%20runs").uri
        '/data/my runs'

        Raises:
            ConfigError: It is no folder and no URI of a known scheme, or it holds a password or a key.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"the address of a storage is text in UTF-8, got {text!a}; rename the folder") from None
        scheme, separator, rest = text.partition("://")
        if not separator:
            return cls._of_folder(text)
        scheme = scheme.lower()
        if scheme == FOLDER:
            return cls._of_file_uri(rest)
        if scheme not in _OPTIONS:
            raise _unknown_scheme(scheme)
        return cls._of_store(scheme, text)

    @property
    def uri(self) -> str:
        """The address as `parse` takes it; the plain path of a folder."""
        if self.scheme == FOLDER:
            return self.path
        path = f"/{quote(self.path)}" if self.path else ""
        query = f"?{urlencode(self.options, safe=':/')}" if self.options else ""
        return f"{self.scheme}://{self.authority}{path}{query}"

    @property
    def bucket(self) -> str:
        """Name of the bucket; empty for a folder.

        >>> StorageAddress.parse("gs://anonymous@box/a").bucket
        'box'
        """
        return self.authority.rpartition("@")[2]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def child(self, name: str) -> StorageAddress:
        """Return the address of something inside.

        >>> StorageAddress.parse("s3://bucket?region=eu-west-1").child("run/ray").uri
        's3://bucket/run/ray?region=eu-west-1'
        """
        return replace(self, path=f"{self.path.rstrip('/')}/{name}" if self.path else name)

    @classmethod
    def _of_folder(cls, text: str) -> StorageAddress:
        prefix = text.partition(":")[0].lower()
        if prefix != text and prefix in AZURE_SCHEMES:
            raise _unknown_scheme(prefix)
        if prefix != text and prefix in (FOLDER, *_OPTIONS):
            raise ConfigError(f"a URI has two slashes after its scheme, got {prefix}: alone; write {prefix}://")
        if not text:
            raise ConfigError("a storage is a folder or a URI, got nothing; name one")
        try:
            return cls(FOLDER, "", str(Path(text).expanduser().resolve()))
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(f"a folder must have a usable path, got {text!r} ({error})") from error

    @classmethod
    def _of_file_uri(cls, rest: str) -> StorageAddress:
        if not {"?", "#"}.isdisjoint(rest):
            raise ConfigError("a file URI has no options and no #; write %3F and %23 for these characters in a path")
        if not rest.startswith("/"):
            raise ConfigError(
                f"a file URI names no host and an absolute path, got {f'file://{rest}'!r}; write file:///"
            )
        return cls._of_folder(unquote(rest))

    @classmethod
    def _of_store(cls, scheme: str, text: str) -> StorageAddress:
        try:
            parts = urlsplit(text)
            options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:  # its text may hold what the user should not have written
            raise ConfigError(f"a storage URI is {scheme}://BUCKET/PATH?OPTION=VALUE, got one not so formed") from None
        _check_authority(scheme, parts.netloc)
        _check_options(scheme, options)
        if parts.fragment:
            raise ConfigError("a storage URI has no #; write %23 for that character in a path")
        steps = [step for step in unquote(parts.path).split("/") if step]
        if not {".", ".."}.isdisjoint(steps):
            raise ConfigError(f"a path in an object store has no . or .. in it, got {'/'.join(steps)!r}")
        return cls(scheme, parts.netloc, "/".join(steps), tuple(options))


def _unknown_scheme(scheme: str) -> ConfigError:
    known = [FOLDER, *_OPTIONS]
    why = "; Azure is not supported, use one of these" if scheme in AZURE_SCHEMES else near_miss(scheme, known)
    return ConfigError(
        "a storage is a folder, of this machine or shared such as NFS, or a URI that begins with "
        f"{', '.join(f'{name}://' for name in known)}, got {scheme}://{why}"
    )


def _check_authority(scheme: str, authority: str) -> None:
    user, at, _ = authority.rpartition("@")
    if at and (scheme, user) != ("gs", ANONYMOUS):
        raise ConfigError(f"a storage URI holds no user and no password; {CREDENTIALS_HINT[scheme]}")
    if not authority:
        raise ConfigError(f"a storage URI names its bucket, got {scheme}:// without one; write {scheme}://BUCKET/PATH")
    if not _AUTHORITY.fullmatch(authority):  # not printed: a part of a key may stand there
        raise ConfigError(
            f"a storage URI begins with its bucket, in letters, digits, dots, dashes and underscores; name a server as "
            f"{scheme}://BUCKET/PATH?endpoint_override=HOST:PORT&scheme=http"
        )


def _check_options(scheme: str, options: list[tuple[str, str]]) -> None:
    known = _OPTIONS[scheme]
    for name, value in options:
        if name not in known:
            raise ConfigError(
                f"a storage URI of {scheme}:// takes {', '.join(known)}, got {name!r}{near_miss(name, known)}; "
                f"it holds no keys: {CREDENTIALS_HINT[scheme]}"
            )
        if name == "endpoint_override" and ("/" in value or "@" in value or not value):
            raise ConfigError("endpoint_override is HOST:PORT, got something else; write scheme=http beside it")
        if name.endswith("scheme") and value not in ("http", "https"):
            raise ConfigError(f"{name} is http or https, got {value!r}")
