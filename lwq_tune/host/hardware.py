"""What this machine has: processor, CPUs and memory, those of the container it is used from where that has limits."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any


def cpu_model() -> str | None:
    """Return the processor's name, or None if the system does not report it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def available_cpus(root: Path = Path("/")) -> int:
    """Return the CPUs this process may use: those it is bound to, and no more than its container's quota.

    Args:
        root: Where the system's files are looked for.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota_us, period_us = map(int, (root / "sys/fs/cgroup/cpu.max").read_text().split())
    except (OSError, ValueError):  # no control groups, or no quota: "max"
        return bound
    return max(1, min(bound, quota_us // period_us))


def host() -> dict[str, Any]:
    """Return what is known about this host."""
    return {
        "hostname": socket.gethostname(),
        "platform": platform.platform(),
        "cpu_model": cpu_model(),
        "available_cpus": available_cpus(),
        "memory_mib": _physical_memory_mib(),
        "python_executable": sys.executable,
    }


def _physical_memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError):
        return None


def total_memory_mib(root: Path = Path("/")) -> float | None:
    """Return all memory that programs may have, None where the system does not tell.

    Args:
        root: Where the system's files are looked for.
    """
    return _memory_mib(root, "MemTotal")


def free_memory_mib(root: Path = Path("/")) -> float | None:
    """Return the memory that programs can still have, None where the system does not tell.

    Args:
        root: Where the system's files are looked for.
    """
    return _memory_mib(root, "MemAvailable")


def _memory_mib(root: Path, kind: str) -> float | None:
    """Return a kind of memory of the machine, or what this container may have of it where that is less."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found_mib = [int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:")]
    for limit in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            found_mib.append(int((root / limit).read_text()) / 2**20)
    return min(found_mib) if found_mib else None


# Instructions that decide what integers of few bits cost on an x86 processor.
_FEW_BITS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "avx512_bf16",
    "amx_bf16",
    "sve",
    "i8mm",
    "asimddp",
)


def instruction_sets(root: Path = Path("/")) -> tuple[str, ...]:
    """Return those of the processor that matter for integers of few bits; empty where the system does not tell.

    Args:
        root: Where the system's files are.
    """
    try:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    flags = next(
        (set(line.split(":", 1)[1].split()) for line in lines if line.startswith(("flags", "Features"))), set()
    )
    return tuple(name for name in _FEW_BITS if name in flags)


def governor(root: Path = Path("/")) -> str | None:
    """Return the frequency governor of the first CPU, None where the system does not tell."""
    try:
        return (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip() or None
    except OSError:
        return None
