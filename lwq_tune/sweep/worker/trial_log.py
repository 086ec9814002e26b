"""A log file for each trial, `RUN_DIR/logs/TRIAL_KEY.log`, written by the process that trains it. No Ray, no torch.

Ray keeps the output of a worker process in files of its own, named by the process, on the node. A process that trains
several trials mixes them there, and Ray may delete the files. This file belongs to one trial: what `lwq_tune` logs,
Python's warnings, and failures with their tracebacks, over all attempts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from pathlib import Path

LOGGERS = ("lwq_tune", "py.warnings")

_log = logging.getLogger(__name__)


def trial_log_path(run_dir: Path, trial_key: str) -> Path:
    """Return where the log of a trial is kept.

    >>> trial_log_path(Path("results/night"), "0123456789ab").as_posix()
    'results/night/logs/0123456789ab.log'
    """
    return run_dir / "logs" / f"{trial_key}.log"


class UtcFormatter(logging.Formatter):
    """Formats records as ``2026-01-31T12:00:00.123Z LEVEL logger: message``; tracebacks follow on lines of their own.

    Times are UTC, ISO 8601, in milliseconds.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class TrialLog:
    """The log of one trial in this process, open from its construction to `close`.

    A later attempt appends. If the file cannot be opened or written, for instance on a full disk, one line on stderr
    says so and the trial continues.

    Args:
        run_dir: The run folder; made where it is missing, as on a node that does not share it.
        trial_key: The trial.
    """

    def __init__(self, run_dir: Path, trial_key: str) -> None:
        self._trial_key = trial_key
        self._previous_level = logging.getLogger(LOGGERS[0]).level
        self._handler = _open(trial_log_path(run_dir, trial_key))
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self._handler)
        if self._previous_level == logging.NOTSET:
            logging.getLogger(LOGGERS[0]).setLevel(logging.INFO)
        logging.captureWarnings(True)
        _log.info("%s begins in process %d on %s%s", trial_key, os.getpid(), socket.gethostname(), _where_output_goes())

    def close(self) -> None:
        """Close the log; a second call has no effect."""
        if self._handler not in logging.getLogger(LOGGERS[0]).handlers:
            return
        _log.info("%s leaves process %d", self._trial_key, os.getpid())
        logging.captureWarnings(False)
        logging.getLogger(LOGGERS[0]).setLevel(self._previous_level)
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self._handler)
        with contextlib.suppress(OSError):  # what could not be written was reported when it was logged
            self._handler.close()


def _open(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        _log.warning("the trial has no log file: %s", error)
        return logging.NullHandler()
    handler.setFormatter(UtcFormatter())
    return handler


def _where_output_goes() -> str:
    """Return the file with the other output of the process, such as of a crash in native code; empty if unknown."""
    with contextlib.suppress(OSError):
        target = Path("/proc/self/fd/2").readlink()
        if target.is_file():
            return f"; its stderr: {target}"
    return ""
