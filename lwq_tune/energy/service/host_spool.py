"""Where the ledger of a host writes for a run: into the run folder, or into a spool where it is not shared.

A spool is a folder of a run on a host that does not share the run folder. The ledger writes its log there, and trials
write theirs. An agent of the sweep reads what is new.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lwq_tune.carbon.intensity import IntensitySeries, for_host
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.files import jsonl

# On disk, the energy log of a spool and its folder keep the names that earlier versions gave them: what such a version
# left on a host is still fetched.
ENERGY_LOG = "books.jsonl"
SPOOL_PREFIX = "outpost"
LOGS = "logs"
MAX_BYTES = 8 * 2**20  # of one file at a time


@dataclass(frozen=True)
class RunLocation:
    """Where a run folder is.

    Attributes:
        host: Name of the host that has it; every other host has a spool.
        key: Key of the run, the same in all its sessions, on whichever host its folder is.
    """

    host: str
    key: str

    @classmethod
    def of(cls, host: str, run: str) -> RunLocation:
        """Return the location of a run that is identified by a text, such as its address in a storage."""
        return cls(host, hashlib.sha256(run.encode()).hexdigest()[:16])

    def spool_name(self, hostname: str, session: str) -> str | None:
        """Return the name of a host's spool in the folder of its ledger; None for the host of the run folder."""
        return None if hostname == self.host else f"{SPOOL_PREFIX}-{self.key}-{session}-{hostname}"


def run_spec(
    run_dir: Path,
    intensities: Mapping[str, IntensitySeries],
    pue: float,
    hostname: str,
    session: str,
    location: RunLocation | None = None,
) -> RunSpec:
    """Return what the ledger of a host needs to know about a run that has a folder.

    Args:
        run_dir: Absolute path of the run folder.
        intensities: Carbon intensity by host; that of all other hosts is under the empty name.
        pue: Power usage effectiveness.
        hostname: Name of the host.
        session: Identifies this start of the sweep.
        location: Where the run folder is; None if all hosts share it.

    Raises:
        KeyError: No intensity is known for the host.
    """
    intensity = for_host(intensities, hostname)
    if intensity is None:
        raise KeyError(hostname)
    spool = None if location is None else location.spool_name(hostname, session)
    if spool is not None:
        return RunSpec(spool, Path(spool, ENERGY_LOG), intensity, pue, session)
    return RunSpec(str(run_dir), run_dir / "energy" / f"{hostname}.jsonl", intensity, pue, session)


class LogChunk(NamedTuple):
    """A piece of a file of a spool.

    Attributes:
        session: Session of the sweep that wrote the file.
        name: `ENERGY_LOG`, or the log file of a trial in `LOGS`.
        offset: Byte at which the piece begins.
        content: Whole lines.
    """

    session: str
    name: str
    offset: int
    content: bytes


class HostSpools:
    """The spools of a run on one host, one per session.

    Args:
        folder: Folder of the host's ledger.
        key: Key of the run.
        hostname: The host.
    """

    def __init__(self, folder: Path, key: str, hostname: str) -> None:
        self._folder, self._begin, self._end = folder, f"{SPOOL_PREFIX}-{key}-", f"-{hostname}"

    def read(self, session: str, have: Mapping[tuple[str, str], int]) -> list[LogChunk]:
        """Return what is new in the energy logs of all sessions, oldest first, and in the trials' logs of this one.

        Args:
            session: This session.
            have: Bytes that the caller already has, by session and name.
        """
        return [chunk for path, of in self._sessions() for chunk in _read(path, of, have, with_logs=of == session)]

    def remove(self, have: Mapping[tuple[str, str], int]) -> None:
        """Remove the spools whose energy log the caller has completely.

        Args:
            have: Bytes that the caller already has, by session and name.
        """
        for path, session in self._sessions():
            if have.get((session, ENERGY_LOG), 0) >= _size(path / ENERGY_LOG):
                shutil.rmtree(path, ignore_errors=True)

    def _sessions(self) -> list[tuple[Path, str]]:
        found = [path for path in self._folder.glob(f"{self._begin}*{self._end}") if path.is_dir()]
        found.sort(key=lambda path: (path / ENERGY_LOG).stat().st_mtime if (path / ENERGY_LOG).exists() else 0.0)
        return [(path, path.name.removeprefix(self._begin).removesuffix(self._end)) for path in found]


def _read(path: Path, session: str, have: Mapping[tuple[str, str], int], *, with_logs: bool) -> Iterator[LogChunk]:
    logs = sorted((path / LOGS).glob("*.log")) if with_logs else []
    for file in [path / ENERGY_LOG, *logs]:
        name = file.relative_to(path).as_posix()
        offset = have.get((session, name), 0)
        lines = jsonl.read_from(file, offset, MAX_BYTES)
        if lines:
            yield LogChunk(session, name, offset, lines)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
