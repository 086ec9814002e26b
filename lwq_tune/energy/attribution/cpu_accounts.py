"""CPU seconds per account: an account has a process and all its descendants, including short-lived ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lwq_tune.energy.sensors.processes import Process

Identity = tuple[int, int]


@dataclass(frozen=True)
class _CpuAccount:
    root: Process
    rest: str | None  # account of descendants that have no account of their own; None: this one


class CpuAccounts:
    """Tracks which process belongs to which account, and the CPU time of each account's processes.

    A process belongs to the account of its nearest ancestor that is the root of one. It stays there when it is
    handed to another parent, and a root that leads its process group owns that whole group.

    Children that live for less than a sampling period are never seen. Their time is in what their parent has reaped,
    minus what was already counted for children that ended.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, _CpuAccount] = {}
        self._owner: dict[Identity, str] = {}
        self._last: dict[Identity, Process] = {}

    def names(self) -> list[str]:
        """Return the accounts and those of their descendants."""
        rests = [account.rest for account in self._accounts.values() if account.rest]
        return [*self._accounts, *rests]

    def register(self, name: str, root: Process, processes: Mapping[int, Process], rest: str | None = None) -> None:
        """Open an account; CPU time that its processes used before does not count.

        Args:
            name: Name of the account; an open account of that name is replaced.
            root: First process of the account.
            processes: All processes now, as in the last `update`.
            rest: Account for the descendants of ``root``; None counts them in the same account.
        """
        self._accounts[name] = _CpuAccount(root, rest)
        self._assign(processes)

    def unregister(self, name: str) -> None:
        """Close an account; its processes then belong to the account of their nearest ancestor."""
        account = self._accounts.pop(name, None)
        if account is not None:
            closed = {name, account.rest}
            self._owner = {identity: owner for identity, owner in self._owner.items() if owner not in closed}

    def dead(self, processes: Mapping[int, Process]) -> list[str]:
        """Return the accounts whose root has ended."""
        return [name for name, account in self._accounts.items() if not _is_alive(account.root, processes)]

    def pids(self, name: str) -> list[int]:
        """Return the processes of an account at the last update."""
        return [pid for (pid, _), owner in self._owner.items() if owner == name]

    def owner(self, pid: int, processes: Mapping[int, Process]) -> str | None:
        """Return the account of a process, None if it has none."""
        process = processes.get(pid)
        return None if process is None else self._owner.get(process.identity)

    def foreign(self) -> dict[int, Process]:
        """Return the processes of the last update that belong to no account."""
        return {pid: process for (pid, _), process in self._last.items() if process.identity not in self._owner}

    def update(self, processes: Mapping[int, Process]) -> dict[str, float]:
        """Return the CPU seconds of each account since the last update, for all processes now."""
        used = dict.fromkeys(self.names(), 0.0)
        ended = self._ended(processes)
        self._assign(processes)
        for identity, name in self._owner.items():
            used[name] += self._computed(processes[identity[0]], ended)
        self._last = {process.identity: process for process in processes.values()}
        return used

    def _computed(self, process: Process, ended: Mapping[int, float]) -> float:
        """Return the CPU time of a process since the last update, plus that of its children that were never seen."""
        last = self._last.get(process.identity)
        if last is None:
            return process.own_s + process.reaped_s
        unseen = process.reaped_s - last.reaped_s - ended.get(process.pid, 0.0)
        return max(0.0, process.own_s - last.own_s) + max(0.0, unseen)

    def _ended(self, processes: Mapping[int, Process]) -> dict[int, float]:
        """Return, by parent, the CPU seconds already counted of processes that have ended since."""
        ended: dict[int, float] = {}
        for process in self._last.values():
            if not _is_alive(process, processes):
                ended[process.parent] = ended.get(process.parent, 0.0) + process.own_s + process.reaped_s
        return ended

    def _assign(self, processes: Mapping[int, Process]) -> None:
        """Find the owner of every process."""
        roots = {
            account.root.pid: name for name, account in self._accounts.items() if _is_alive(account.root, processes)
        }
        leaders = {pid for pid in roots if processes[pid].group == pid}
        owner: dict[Identity, str] = {}
        for process in processes.values():
            name = self._find(process, processes, roots, leaders)
            if name is not None:
                owner[process.identity] = name
        self._owner = owner

    def _find(
        self, process: Process, processes: Mapping[int, Process], roots: Mapping[int, str], leaders: set[int]
    ) -> str | None:
        if process.pid in roots:
            return roots[process.pid]
        seen, ancestor = {process.pid}, processes.get(process.parent)
        while ancestor is not None and ancestor.pid not in seen:
            if ancestor.pid in roots:
                name = roots[ancestor.pid]
                return self._accounts[name].rest or name
            seen.add(ancestor.pid)
            ancestor = processes.get(ancestor.parent)
        known = self._owner.get(process.identity)
        if known is not None:
            return known
        if process.group in leaders:
            name = roots[process.group]
            return self._accounts[name].rest or name
        return None


def _is_alive(process: Process, processes: Mapping[int, Process]) -> bool:
    found = processes.get(process.pid)
    return found is not None and found.start == process.start
