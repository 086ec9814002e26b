"""The origin of results: versions, commit, host. Read without importing the packages described."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import lwq_tune

PACKAGES = ("torch", "torchvision", "ray", "codecarbon", "pandas", "pyarrow", "numpy", "scikit-learn", "pydantic")


def versions() -> dict[str, str | None]:
    """Return the installed versions of the packages that decide the results; None if not installed."""
    found: dict[str, str | None] = {"lwq_tune": lwq_tune.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def commit() -> str | None:
    """Return the commit of the checkout this code runs from, ``+changes`` added where it was edited.

    None for an installed wheel, or without git.
    """
    folder = Path(lwq_tune.__file__).parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if changes else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


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
        "memory_mib": _memory_mib(),
        "python_executable": sys.executable,
    }


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError):
        return None
