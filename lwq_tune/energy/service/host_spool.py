"""The outpost of a run: its folder on a host that has no part in the run folder. Plain Python.

The ledger of such a host writes its log there, and trials theirs; an agent of the sweep hands out what is new.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BOOKS = "books.jsonl"
LOGS = "logs"
MAX_BYTES = 8 * 2**20  # of one file at a time


@dataclass(frozen=True)
class Home:
    """Where a run folder is, as its outposts have to know it.

    Attributes:
        host: Name of the host that has it; every other host has an outpost.
        key: Of the run, the same in all its sessions, wherever its folder is then.
    """

    host: str
    key: str

    @classmethod
    def of(cls, host: str, run: str) -> Home:
        """Return the home of a run that a text such as its address in a storage names for good."""
        return cls(host, hashlib.sha256(run.encode()).hexdigest()[:16])

    def outpost(self, hostname: str, session: str) -> str | None:
        """Return the name of a host's outpost in the folder of its ledger; None for the host of the run folder."""
        return None if hostname == self.host else f"outpost-{self.key}-{session}-{hostname}"


class Parcel(NamedTuple):
    """A piece of a file of an outpost.

    Attributes:
        session: The session of the sweep that the file is of.
        name: `BOOKS`, or the file of a trial in `LOGS`.
        offset: Where the piece begins, in bytes.
        content: Whole lines.
    """

    session: str
    name: str
    offset: int
    content: bytes


class Outposts:
    """The outposts of a run on one host, one per session.

    Args:
        folder: Of the host's ledger.
        key: Of the run.
        hostname: The host.
    """

    def __init__(self, folder: Path, key: str, hostname: str) -> None:
        self._folder, self._begin, self._end = folder, f"outpost-{key}-", f"-{hostname}"

    def read(self, session: str, have: Mapping[tuple[str, str], int]) -> list[Parcel]:
        """Return what is new: in the books of all sessions, the oldest first, and in the logs of the present one.

        Args:
            session: The present one.
            have: How many bytes are known, by session and name.
        """
        return [parcel for path, of in self._sessions() for parcel in _read(path, of, have, with_logs=of == session)]

    def remove(self, have: Mapping[tuple[str, str], int]) -> None:
        """Take away the outposts whose books are known to their end."""
        for path, session in self._sessions():
            if have.get((session, BOOKS), 0) >= _size(path / BOOKS):
                shutil.rmtree(path, ignore_errors=True)

    def _sessions(self) -> list[tuple[Path, str]]:
        found = [path for path in self._folder.glob(f"{self._begin}*{self._end}") if path.is_dir()]
        found.sort(key=lambda path: (path / BOOKS).stat().st_mtime if (path / BOOKS).exists() else 0.0)
        return [(path, path.name.removeprefix(self._begin).removesuffix(self._end)) for path in found]


def _read(path: Path, session: str, have: Mapping[tuple[str, str], int], *, with_logs: bool) -> Iterator[Parcel]:
    logs = sorted((path / LOGS).glob("*.log")) if with_logs else []
    for file in [path / BOOKS, *logs]:
        name = file.relative_to(path).as_posix()
        offset = have.get((session, name), 0)
        if _size(file) > offset:
            with file.open("rb") as stream:
                stream.seek(offset)
                content = stream.read(MAX_BYTES)
            lines = content[: content.rfind(b"\n") + 1]
            if lines:
                yield Parcel(session, name, offset, lines)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
