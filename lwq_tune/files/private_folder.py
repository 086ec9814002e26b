"""A folder that belongs to this user alone, for what lies in a place that all users share, such as ``/tmp``."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


class NotPrivateError(OSError):
    """What stands in the place of a private folder is no folder, belongs to another user, or others can write to it."""


def users_folder(variable: str, suffix: str = "") -> Path:
    """Return where a private folder of this user is: as an environment variable says, or in that for temporary files.

    Args:
        variable: Name of the environment variable.
        suffix: Tells the folder apart from others of this user.
    """
    given = os.environ.get(variable)
    return Path(given) if given else Path(tempfile.gettempdir()) / f"lwq_tune-{os.getuid()}{suffix}"


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its user can enter, unless it is there.

    Raises:
        NotPrivateError: It is there, and is not this user's alone.
        OSError: It cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise NotPrivateError(f"{folder} is not a folder that is yours and that nobody else can write to")
