"""CPU time and memory of the processes of a host, read from ``/proc`` (Linux). Seconds and bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Fields of /proc/PID/stat after the name in parentheses (proc(5), counted from the state at 0).
_PPID, _PGID, _UTIME, _STIME, _CUTIME, _CSTIME, _START = 1, 2, 11, 12, 13, 14, 19
# user nice system irq softirq of /proc/stat; guest time is part of user; idle, iowait and steal do not count.
_BUSY_COLUMNS = (1, 2, 3, 6, 7)
_STAT_BYTES = 2048


def _ticks_per_s() -> int:
    return os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process at one moment.

    Attributes:
        pid: Its process id, which may be reused later.
        start: When it started, in ticks since boot; with ``pid`` its identity.
        parent: Process id of its parent; of init or a sub-reaper after the parent has died.
        group: Its process group.
        own_s: CPU seconds of its threads.
        reaped_s: CPU seconds of its children that have ended and were waited for, theirs included.
    """

    pid: int
    start: int
    parent: int
    group: int
    own_s: float
    reaped_s: float

    @property
    def identity(self) -> tuple[int, int]:
        """Process id and start time, which no two processes share."""
        return self.pid, self.start


def parse_stat(text: str, ticks_per_s: int) -> Process:
    """Return the process that a line of ``/proc/PID/stat`` describes.

    >>> line = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 150 50 20 10 20 0 1 0 99 0"
    >>> parse_stat(line, 100)
    Process(pid=7, start=99, parent=1, group=7, own_s=2.0, reaped_s=0.3)
    """
    pid = int(text[: text.index("(")])
    fields = text[text.rindex(")") + 2 :].split()  # a name may hold spaces and parentheses
    return Process(
        pid=pid,
        start=int(fields[_START]),
        parent=int(fields[_PPID]),
        group=int(fields[_PGID]),
        own_s=(int(fields[_UTIME]) + int(fields[_STIME])) / ticks_per_s,
        reaped_s=(int(fields[_CUTIME]) + int(fields[_CSTIME])) / ticks_per_s,
    )


class ProcessReader:
    """Reads processes, busy time and memory.

    Args:
        proc: Mount point of procfs.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = str(proc)
        self._ticks_per_s = _ticks_per_s()

    def processes(self, unread: Mapping[int, Process] | None = None) -> dict[int, Process]:
        """Return all processes by number; those that end while reading, or cannot be read, are left out.

        Args:
            unread: Processes that are not read again, but returned as they are if their process id still exists.
        """
        found = dict(unread or {})
        names = os.listdir(self._proc)  # noqa: PTH208 (a path object per process and second costs more than reading)
        pids = {int(name) for name in names if name.isdigit()}
        for pid in found.keys() - pids:
            del found[pid]
        for pid in pids - found.keys():
            process = self.process(pid)
            if process is not None:
                found[pid] = process
        return found

    def process(self, pid: int) -> Process | None:
        """Return one process, None if there is none or it may not be read."""
        try:  # every second for every process: by system calls, twice as fast as through a text stream
            descriptor = os.open(f"{self._proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            text = os.read(descriptor, _STAT_BYTES)
        except OSError:  # ended since
            return None
        finally:
            os.close(descriptor)
        return parse_stat(text.decode(errors="replace"), self._ticks_per_s) if text else None

    def busy_s(self) -> float:
        """Return the CPU seconds since boot in which any process ran.

        Raises:
            OSError: ``/proc/stat`` cannot be read.
        """
        with open(f"{self._proc}/stat", encoding="ascii") as stream:  # noqa: PTH123 (as above)
            fields = stream.readline().split()
        return sum(int(fields[column]) for column in _BUSY_COLUMNS) / self._ticks_per_s

    def proportional_bytes(self, pids: Iterable[int]) -> int:
        """Return the memory of some processes: proportional set sizes, so that shared pages count once.

        Where that may not be read, the resident set size counts, in which shared pages count every time.
        """
        return sum(self._proportional_bytes(pid) for pid in pids)

    def resident_bytes(self, pids: Iterable[int]) -> int:
        """Return the resident set sizes of some processes, in which shared pages count every time."""
        return sum(self._resident_bytes(pid) for pid in pids)

    def memory_bytes(self) -> int:
        """Return the memory of the host."""
        text = self._read("meminfo") or ""
        return next((_kib(line) for line in text.splitlines() if line.startswith("MemTotal:")), 0)

    def _proportional_bytes(self, pid: int) -> int:
        rollup = self._read(f"{pid}/smaps_rollup")
        for line in (rollup or "").splitlines():
            if line.startswith("Pss:"):
                return _kib(line)
        return self._resident_bytes(pid)

    def _resident_bytes(self, pid: int) -> int:
        statm = self._read(f"{pid}/statm")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm else 0

    def _read(self, path: str) -> str | None:
        try:
            with open(f"{self._proc}/{path}", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 (as above)
                return stream.read() or None
        except (OSError, ValueError):  # it has ended, or may not be read
            return None


def _kib(line: str) -> int:
    return int(line.split()[1]) * 1024


def boot_id(proc: Path = PROC) -> str:
    """Return the boot id of this machine, the same in all its containers; its host name on other systems."""
    try:
        return (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import socket

        return socket.gethostname()
