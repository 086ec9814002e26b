"""What several files of end-to-end tests compare with."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import run_python
from tests.support.sweeps import fault_arguments, training_numbers, used_kwh


@dataclass(frozen=True)
class Undisturbed:
    """A sweep that nothing happened to, see `fault_arguments`; tests must leave its rows and tables as they are.

    Attributes:
        run: Its folder.
        stdout: What it printed to stdout.
        stderr: What it printed to stderr.
        numbers: Its training numbers.
        time_s: How long it took from the command on, as a measure of this machine as it is now.
        used_kwh: What a carbon budget would have counted.
    """

    run: Path
    stdout: str
    stderr: str
    numbers: dict[str, list[list[float]]]
    time_s: float
    used_kwh: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Run it once, also where several processes run tests; the others wait and read the same run.

    It runs from a folder with a space, other letters and a decoy `analysis.py`.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "a földér"
    folder.mkdir(exist_ok=True)
    output = folder / "output.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            (folder / "analysis.py").write_text("raise RuntimeError('decoy')\n")
            begin_s = time.monotonic()
            result = run_python(*fault_arguments(folder / "results"), cwd=folder)
            assert result.returncode == 0, result.stderr
            output.write_text(json.dumps([result.stdout, result.stderr, time.monotonic() - begin_s]))
    run = folder / "results" / "run"
    stdout, stderr, time_s = json.loads(output.read_text())
    return Undisturbed(run, stdout, stderr, training_numbers(run), time_s, used_kwh(run))
