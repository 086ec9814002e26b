from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.energy.host_lock import host_meter_lock
from lwq_tune.errors import ResultsError
from tests.conftest import run_python

TAKE_AND_DIE = """
import os, signal
from lwq_tune.energy.host_lock import host_meter_lock
with host_meter_lock("dying"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_second_sweep_on_a_host_is_refused_and_told_who_is_there() -> None:
    refused = pytest.raises(ResultsError, match=r"process \d+ \(sweep one\)")
    with host_meter_lock("sweep one"), refused, host_meter_lock("sweep two"):
        pass


def test_the_lock_is_free_again_afterwards() -> None:
    for purpose in ("one", "two"):
        with host_meter_lock(purpose):
            pass


def test_a_killed_sweep_leaves_the_lock_free(tmp_path: Path) -> None:
    assert run_python("-c", TAKE_AND_DIE, cwd=tmp_path).returncode == -9
    with host_meter_lock("next"):
        pass
