"""A folder on a file system of pyarrow: local, shared by nodes, or in an object store."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import fs

from lwq_tune.errors import ResultsError
from lwq_tune.results.storage.address import FOLDER, StorageAddress
from lwq_tune.results.storage.file_systems import is_lasting, no_answer_limit_s, open_file_system, unusable
from lwq_tune.results.storage.timeouts import moved, within

_Result = TypeVar("_Result")

# Between our own tries, beside those of the stores' clients: they carry a request over the restart of a store.
_WAITS_S = (1.0, 3.0)
_RETRY_LIMIT_S = 20.0  # after which nothing is tried again
_CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Storage:
    """A folder on one of pyarrow's file systems; it is pickled without credentials, which each process reads itself.

    Attributes:
        address: Where it is, in parts.
        path: Its path on ``filesystem``, which Ray Tune takes as ``storage_path``.
        filesystem: The `pyarrow.fs.FileSystem`, which Ray Tune takes as ``storage_filesystem``.
    """

    address: StorageAddress
    path: str = field(repr=False, compare=False)
    filesystem: Any = field(repr=False, compare=False)

    @classmethod
    def parse(cls, uri_or_path: str) -> Storage:
        """Return the storage that a user named; nothing is written.

        Raises:
            ConfigError: The address breaks a rule, or holds credentials.
            ResultsError: The region of an S3 bucket was not given and cannot be found.
        """
        address = StorageAddress.parse(uri_or_path)
        try:
            filesystem, path = open_file_system(address)
        except (OSError, ValueError, ImportError, pa.ArrowException) as error:
            raise unusable(address, error) from error
        return cls(address, path, filesystem)

    @property
    def uri(self) -> str:
        """Its address with all options, for `parse` in any process; it holds no secret."""
        return self.address.uri

    @property
    def is_local(self) -> bool:
        """Whether it is a folder that this process opens by its path."""
        return self.address.scheme == FOLDER

    def child(self, name: str) -> Storage:
        """Return a folder inside; ``name`` may have slashes."""
        return Storage(self.address.child(name), self._at(name), self.filesystem)

    def probe(self) -> None:
        """Write a small object, read it back and delete it.

        Raises:
            ResultsError: One of these fails.
        """
        name, content = f".probe-{secrets.token_hex(8)}", secrets.token_bytes(16)
        self.write(name, content)
        try:
            found = self.read(name)
        except FileNotFoundError:
            found = b""
        self._ask(lambda: self.filesystem.delete_file(self._at(name)))
        if found != content:
            raise ResultsError(f"a storage gives back what was written, {self.uri} does not; use another store")

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            ResultsError: The storage refuses it.
        """
        self._ask(lambda: self._write(name, iter([content])))

    def send(self, source: Path, name: str) -> None:
        """Copy a local file into this folder; if the storage fails, no partial file remains.

        Raises:
            FileNotFoundError: There is no such local file.
            ResultsError: The storage refuses it, or the file cannot be read.
        """

        def send() -> None:
            with source.open("rb") as stream:
                self._write(name, iter(lambda: stream.read(_CHUNK_BYTES), b""))

        self._ask(send)

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: The file does not exist.
            ResultsError: The storage does not answer.
        """

        def read() -> bytes:
            with self._open(name) as stream:
                content: bytes = stream.readall()
            return content

        return self._ask(read)

    def delete(self) -> None:
        """Delete this folder with all its content, if it exists.

        Raises:
            ResultsError: The storage does not answer.
        """

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                if self.filesystem.get_file_info(self.path).type != fs.FileType.NotFound:
                    self.filesystem.delete_dir(self.path)

        self._ask(delete)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file from here into a local one; the folder of ``target`` is made.

        Raises:
            FileNotFoundError: The file does not exist.
            ResultsError: The storage does not answer, or ``target`` cannot be written.
        """

        def fetch() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._open(name) as stream, target.open("wb") as local:
                while chunk := stream.read(_CHUNK_BYTES):
                    local.write(chunk)
                    moved()

        self._ask(fetch)

    def files(self, *, recursive: bool = True) -> dict[str, Any]:
        """Return the `pyarrow.fs.FileInfo` of every file in it, by relative name; empty if the folder does not exist.

        Args:
            recursive: Whether those in its folders are among them.

        Raises:
            ResultsError: The storage does not answer, or holds names that lead out of it.
        """
        infos = self._list(recursive=recursive)
        found = {self._relative(info): info for info in infos if info.type == fs.FileType.File}
        outside = next((name for name in found if ".." in PurePosixPath(name).parts), None)
        if outside is not None:
            raise ResultsError(f"a name in a storage stays inside it, {self.uri} has {outside!r}; delete it there")
        return found

    def folders(self) -> list[str]:
        """Return the names of the folders directly in it, sorted; empty if it does not exist.

        Raises:
            ResultsError: The storage does not answer.
        """
        if self.address.scheme == "gs":  # which lists folders by the objects in them alone
            return sorted({name.partition("/")[0] for name in self.files() if "/" in name})
        infos = self._list(recursive=False)
        return sorted(self._relative(info) for info in infos if info.type == fs.FileType.Directory)

    def _list(self, *, recursive: bool) -> list[Any]:
        """Return its content; empty if it does not exist in an existing bucket."""
        selector = fs.FileSelector(self.path, recursive=recursive, allow_not_found=True)

        def ask() -> list[Any]:
            infos: list[Any] = self.filesystem.get_file_info(selector)
            bucket = "/" if self.is_local else self.address.bucket
            if not infos and self.filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
                raise OSError(f"Bucket '{bucket}' not found")
            return infos

        return self._ask(ask)

    def _relative(self, info: Any) -> str:
        path: str = info.path
        return path.removeprefix(self.path).strip("/")

    def _open(self, name: str) -> Any:
        return self.filesystem.open_input_stream(self._at(name), compression=None)

    def _at(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def _write(self, name: str, chunks: Iterator[bytes]) -> None:
        """Write a file; in a folder, where a file that is opened is emptied, under another name first.

        Other stores show an object once its stream is closed, which pyarrow does on any error: so the first chunk, the
        only one of most files, is read before the object is opened.
        """
        target = self._at(name)
        folder, _, base = target.rpartition("/")
        part = f"{folder}/.{base}.tmp" if self.is_local else target
        chunk = next(chunks, b"")
        try:
            if self.is_local:
                self.filesystem.create_dir(folder, recursive=True)
            with self.filesystem.open_output_stream(part, compression=None) as stream:
                while chunk:
                    stream.write(chunk)
                    moved()
                    chunk = next(chunks, b"")
            if self.is_local:
                self.filesystem.move(part, target)
        except FileNotFoundError as error:  # Google's store says this of a missing bucket
            raise OSError(str(error) if self.is_local else f"Bucket '{self.address.bucket}' not found") from error

    def _ask(self, action: Callable[[], _Result]) -> _Result:
        """Return the answer of the storage; a temporary failure is retried a few times."""
        limit_s = no_answer_limit_s(self.address)
        began_s = time.monotonic()
        waits_s = iter(_WAITS_S)
        while True:
            try:
                return action() if limit_s is None else within(limit_s, action)
            except FileNotFoundError:
                raise
            except (OSError, pa.ArrowException) as error:
                wait_s = next(waits_s, None)
                is_over = wait_s is None or time.monotonic() - began_s > _RETRY_LIMIT_S
                if is_over or is_lasting(self.address, error):
                    raise unusable(self.address, error) from error
                time.sleep(wait_s or 0.0)
