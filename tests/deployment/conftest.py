"""A run with trained networks, made once; tests change a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lwq_tune.results.run_folder import RunFolder
from tests.support.trained_runs import write_trained_run


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that no test may change."""
    return write_trained_run(tmp_path_factory.mktemp("deployment") / "run").path


@pytest.fixture
def trained_run(made_run: Path, tmp_path: Path) -> RunFolder:
    """Return a copy of it."""
    return RunFolder(Path(shutil.copytree(made_run, tmp_path / "run")))
