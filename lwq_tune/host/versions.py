"""The software that results come from: versions and commit, read without importing the packages described."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

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
