"""pyarrow's file systems: opened without needless requests, and their errors as one sentence."""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyarrow import fs

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage.address import CREDENTIALS_HINT, FOLDER, StorageAddress

# A request to S3 that gets no answer fails after 3 tries of this long, so after 30 s. The SDK's own 1 s and 3 s are
# too short for a store under load.
_CONNECT_TIMEOUT_S, _REQUEST_TIMEOUT_S = 3.0, 10.0
_GS_RETRY_LIMIT_S = "30"  # instead of 15 minutes
_ANSWER_TIMEOUT_S = 60.0  # after which a call is given up that has no time limit of its own

_AWS_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_AWS_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REFUSED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN_ID"
    r"|EXPIRED_?TOKEN|HTTP status 40[13]"
    "|AuthenticationException|UNAUTHENTICATED|PERMISSION_DENIED|access token",
    re.IGNORECASE,
)
_NO_BUCKET = re.compile("NO_SUCH_BUCKET|Bucket '.*' not found|The specified bucket does not exist")
_MAX_REASON = 240  # characters
_NOISE = re.compile(
    r"^When .* operation: |.*Details: | \(Request ID: .*\)$"
    r"|.*google::cloud::Status\((.* last message of )?| error_info=.*"
)
_NO_ANSWER = re.compile(
    "NETWORK_CONNECTION|UNAVAILABLE|Could not (resolve host|connect)|[Cc]onnection was closed|new connection"
    "|no answer within"
)


def open_file_system(address: StorageAddress) -> tuple[Any, str]:
    """Return a `pyarrow.fs.FileSystem` and the path of an address on it.

    Raises:
        OSError: The region of an S3 bucket was not given and cannot be found.
        ValueError: pyarrow knows no such address.
    """
    if address.scheme == FOLDER:
        return fs.LocalFileSystem(), address.path
    if address.scheme == "s3":
        path = f"{address.authority}/{address.path}".rstrip("/")
        return _open_s3(address.authority, dict(address.options)), path
    if address.scheme == "gs" and "retry_limit_seconds" not in dict(address.options):
        address = replace(address, options=(*address.options, ("retry_limit_seconds", _GS_RETRY_LIMIT_S)))
    file_system, path = fs.FileSystem.from_uri(address.uri)
    return file_system, path


def no_answer_limit_s(address: StorageAddress) -> float | None:
    """Return how long a call may wait for an answer, in seconds; None if the store's client has a limit of its own.

    The client of Google's store waits for ever if a server accepts a connection and does not answer.
    """
    if address.scheme != "gs":
        return None
    retries_s = dict(address.options).get("retry_limit_seconds", "0")
    return max(_ANSWER_TIMEOUT_S, 2.0 * float(retries_s) if retries_s.isdecimal() else 0.0)


def _open_s3(bucket: str, options: dict[str, str]) -> Any:
    _skip_metadata_service()
    endpoint = options.get("endpoint_override")
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and (endpoint or any(os.environ.get(name) for name in _AWS_ENDPOINTS)):
        region = "us-east-1"  # what stores beside Amazon's take
    return fs.S3FileSystem(
        region=region or fs.resolve_s3_region(bucket),
        scheme=options.get("scheme"),
        endpoint_override=endpoint,
        connect_timeout=_CONNECT_TIMEOUT_S,
        request_timeout=_REQUEST_TIMEOUT_S,
    )


def _skip_metadata_service() -> None:
    """Prevent requests to a cloud's metadata service if the environment has the credentials.

    The SDK asks for a region even if one is given, and waits 4 to 10 s if the service does not answer.
    Processes started from here, Ray's workers among them, inherit the variable.
    """
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    if any(os.environ.get(name) for name in _AWS_CREDENTIALS) or file.is_file():
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


def is_lasting(address: StorageAddress, error: Exception) -> bool:
    """Return whether a retry would fail too: an error of this machine, refused credentials, a missing bucket."""
    if _is_of_this_machine(error) or address.scheme == FOLDER:
        return True
    return any(pattern.search(str(error)) for pattern in (_REFUSED, _NO_BUCKET))


def unusable(address: StorageAddress, error: Exception) -> ResultsError:
    """Return an error of a file system as one sentence that says what to do."""
    text = " ".join(str(error).split())
    if _is_of_this_machine(error) and address.scheme != FOLDER:
        return ResultsError(f"files of this machine must be readable and writable: {text}; make room, or give access")
    return ResultsError(f"a storage must be reachable and writable, {address.uri} is not: {_way_out(address, text)}")


def _is_of_this_machine(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno is not None  # errors of a store come without a number


def _way_out(address: StorageAddress, text: str) -> str:
    if address.scheme == FOLDER:
        return f"{text}; name another folder"
    if _NO_BUCKET.search(text):
        return f"it has no bucket {address.bucket}; make it, or name another"
    reason = textwrap.shorten(_NOISE.sub("", text), _MAX_REASON)
    if _REFUSED.search(text):
        return f"it refuses the credentials, or there are none ({reason}); {CREDENTIALS_HINT[address.scheme]}"
    if _NO_ANSWER.search(text):
        return f"it does not answer ({reason}); check the network, and the options in the URI"
    return f"{reason}; check the address and the rights on it"
