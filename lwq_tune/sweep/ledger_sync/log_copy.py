"""The copy, in the run folder, of the energy log of a host that does not share that folder: each line once."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from lwq_tune.energy.ledger.interval_log import CLOSED, CONTINUED, EVENT, OPENED
from lwq_tune.errors import ResultsError
from lwq_tune.files import jsonl


class LogCopy:
    """Appends pieces of a log that a host keeps session by session; a piece that is sent again is not appended again.

    The copy itself says how much of a session it holds: the lines of a session begin with one that opens or continues
    it, and end where another session is opened or continued. So no line is doubled when the driver is killed.

    Args:
        path: The copy; it need not exist. A last line that is incomplete, from a killed driver, is cut off.

    Raises:
        ResultsError: The copy is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_bytes: dict[str, int] = defaultdict(int)
        self._session: str | None = None
        self._closed: str | None = None
        try:
            for line in jsonl.whole_lines(path):
                self._count(line)
            jsonl.cut_unfinished_line(path)
        except (OSError, ValueError) as error:
            raise ResultsError(f"an energy log must be whole and writable, {path} is not ({error})") from error

    def add(self, session: str, offset: int, lines: bytes) -> None:
        """Append the lines that the copy does not hold yet.

        Args:
            session: Session of the lines.
            offset: Byte at which they begin in the host's own log of that session.
            lines: Complete lines.

        Raises:
            ResultsError: They cannot be written, or they follow lines that the copy lacks.
        """
        known = self.n_bytes[session] - offset
        if known < 0:
            raise ResultsError(f"an energy log must have no gap, {self._path} lacks what is before byte {offset}")
        new = lines[known:]
        if new and self.n_bytes[session] and self._session != session:
            new = jsonl.line_of({EVENT: CONTINUED, "session": session}) + new
        try:
            self._path.parent.mkdir(exist_ok=True)
            with jsonl.open_log(self._path) as log:
                jsonl.append(log, new)
        except OSError as error:
            raise ResultsError(f"an energy log must be writable, {self._path} is not ({error})") from error
        for line in new.splitlines(keepends=True):
            self._count(line)
        if self.n_bytes[session] < offset + len(lines):
            raise ResultsError(f"lines must be of the session {session!r}, {self._path} got lines of another session")

    def is_closed(self, session: str) -> bool:
        """Return whether the last line of a session says that it has ended."""
        return self._closed == session

    def _count(self, line: bytes) -> None:
        record = json.loads(line)
        if record.get(EVENT) in (OPENED, CONTINUED):
            self._session = record["session"]
        if record.get(EVENT) == CLOSED:
            self._closed = self._session
        elif self._closed == self._session:
            self._closed = None
        if self._session is not None and record.get(EVENT) != CONTINUED:
            self.n_bytes[self._session] += len(line)
