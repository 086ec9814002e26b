"""A file that is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path, *, is_shared: bool = False) -> Iterator[Path]:
    """Yield a path to write to; once the body has ended, that file is synced to disk and takes the place of ``path``.

    If the body fails, what it wrote is deleted and ``path`` is as before. A process that is killed leaves a hidden file
    ``.NAME.tmp`` beside it, which the next one overwrites.

    Args:
        path: The file; its folder exists.
        is_shared: Whether two processes may write the file at a time. Each then has a hidden file of its own, and one
            that is killed leaves it behind.

    Raises:
        OSError: The file could not be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp" if is_shared else f".{path.name}.tmp")
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # where there is no such folder, there is nothing to delete
            part.unlink(missing_ok=True)
        raise
