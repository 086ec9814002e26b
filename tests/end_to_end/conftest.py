"""What several files of end-to-end tests compare with."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.conftest import run_python
from tests.support.sweeps import fault_arguments, training_numbers, used_kwh


@dataclass(frozen=True)
class Undisturbed:
    """A sweep that nothing happened to, see `fault_arguments`.

    Attributes:
        numbers: Its training numbers.
        time_s: How long it took from the command on, as a measure of this machine as it is now.
        used_kwh: What a carbon budget would have counted.
    """

    numbers: dict[str, list[list[float]]]
    time_s: float
    used_kwh: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    begin_s = time.monotonic()
    result = run_python(*fault_arguments(folder), cwd=folder)
    assert result.returncode == 0, result.stderr
    run = folder / "run"
    return Undisturbed(training_numbers(run), time.monotonic() - begin_s, used_kwh(run))
