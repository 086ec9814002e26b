"""Why Ray cannot start on a host: limits of the shell, memory, the folder of its files. No Ray."""

from __future__ import annotations

import errno
import math
import os
import resource
import shutil
from collections.abc import Sequence
from pathlib import Path

from lwq_tune.errors import ConfigError
from lwq_tune.sweep.slots import free_memory_mib

# With an address space of 8 GB a sweep runs, with 6 its trials do not, with 3 Ray starts, with 2 it aborts in native
# code, which nothing can catch, and with 1 it hangs (2 CPUs, torch 2.15 built for CUDA).
ADDRESS_SPACE_GIB = 8.0
LEAST_ADDRESS_SPACE_GIB = 2.5
N_THREADS = 500  # those of Ray and one trial on 2 CPUs are some 130
MEMORY_MIB = 1000.0  # Ray's processes take 650
DISK_MIB = 100.0
_MIB, _GIB = 2**20, 2**30
_NOT_THE_FOLDER = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def check_address_space() -> None:
    """Refuse a limit with which Ray aborts or hangs without a message.

    Raises:
        ConfigError: A process may map less than Ray needs to start.
    """
    given_gib = _address_space_gib()
    if given_gib < LEAST_ADDRESS_SPACE_GIB:
        raise ConfigError(
            f"Ray needs {LEAST_ADDRESS_SPACE_GIB} GiB of address space, torch more, {_raise_address_space(given_gib)}"
        )


def process_limits() -> list[str]:
    """Return a sentence for each limit of this process that is low for Ray and a trial."""
    given_gib = _address_space_gib()
    n_threads, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    found = []
    if given_gib < ADDRESS_SPACE_GIB:
        found.append(
            f"Ray and torch take up to {ADDRESS_SPACE_GIB:.0f} GiB of address space, {_raise_address_space(given_gib)}"
        )
    if n_threads != resource.RLIM_INFINITY and n_threads < N_THREADS:
        found.append(
            f"`ulimit -u` gives this user {n_threads} processes and threads, a sweep takes a hundred and more; "
            f"raise it to {N_THREADS}"
        )
    return found


def _address_space_gib() -> float:
    """Return what a process may map, infinity without a limit."""
    given_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if given_bytes == resource.RLIM_INFINITY else given_bytes / _GIB


def _raise_address_space(given_gib: float) -> str:
    return f"`ulimit -v` gives each process {given_gib:.1f}; raise it, if need be with `ulimit -v unlimited`"


def explain_failed_start(error: Exception) -> str:
    """Return why Ray could not start and what to do: the likely limit where one is low, and where Ray's logs are.

    Args:
        error: What Ray raised.
    """
    folder = ray_folder()
    logs = _log_folder(folder)
    where = "" if logs is None else f"; Ray's logs are in {logs}"
    if isinstance(error, OSError) and error.errno not in _NOT_THE_FOLDER:  # also a path too long for a socket
        return (
            "Ray needs a writable folder with a short path for its sockets, it could not start: "
            f"{error}; set RAY_TMPDIR to one{where}"
        )
    if type(error).__name__ == "AuthenticationError":  # Ray quotes what the environment holds
        return (
            "the Ray of a sweep takes the token that the environment names, it could not start: "
            f"{str(error).split('. ')[0]}; set it, or unset it: then the sweep makes one of its own"
        )
    likely = [*process_limits(), *_host_limits(folder)] or ["see that the host is not overloaded, then try again"]
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"Ray needs a host that starts its processes in time, it could not start: {reason.rstrip('.')}; "
        f"{'; '.join(likely)}{where}"
    )


def ray_folder() -> Path:
    """Return the folder in which Ray makes one for each of its sessions."""
    return Path(os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp"))) / "ray"  # noqa: S108 (as Ray does)


def _log_folder(folder: Path) -> Path | None:
    """Return the logs of the Ray that this process has tried to start last, None where it made no folder for them."""
    made: Sequence[Path] = sorted(folder.glob(f"session_*_{os.getpid()}/logs"))  # by date and time
    return made[-1] if made else None


def _host_limits(folder: Path) -> list[str]:
    """Return a sentence for memory and disk where too little of it is free for Ray."""
    found = []
    memory_mib = free_memory_mib()
    if memory_mib is not None and memory_mib < MEMORY_MIB:
        found.append(f"{memory_mib:.0f} MiB of memory are free, Ray alone needs some 650; end other programs")
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    disk_mib = shutil.disk_usage(there).free / _MIB
    if disk_mib < DISK_MIB:
        found.append(f"{disk_mib:.0f} MiB are free in {there}, where Ray keeps its files; set RAY_TMPDIR to another")
    return found
