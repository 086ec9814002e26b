"""The wheel, installed apart from the checkout and run from an empty folder and from one with a decoy."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), "."]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=300)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked into a folder of its own; its dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def run(installed: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_the_wheel_holds_both_packages_the_spaces_and_the_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    spaces = {f"lwq_tune/search_spaces/{path.name}" for path in (REPOSITORY / "search_spaces").iterdir()}
    assert "lwq_tune/search_spaces/space.schema.json" in spaces
    assert len(spaces) >= 4
    assert names >= spaces | {"lwq_tune/py.typed", "analysis/__main__.py", "lwq_tune/sweep/runner.py"}
    report = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "analysis" / "report").rglob("*.*")}
    page = {name for name in report if name.endswith((".css", ".js", ".j2"))}
    assert len(page) == 4
    assert names >= page
    tables = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "analysis").rglob("*.yaml")}
    assert len(tables) == 3
    assert names >= tables
    assert not any(name.startswith(("tests/", "search_spaces/", "benchmarks/")) for name in names)


def test_the_installed_package_finds_its_spaces_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, sys.executable, "-c", "import lwq_tune; print(lwq_tune.__file__)")
    assert where.stdout.startswith(str(installed))
    result = run(installed, tmp_path, sys.executable, "-m", "lwq_tune", "sweep", "--space", "free_mixed", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "28 trials" in result.stdout


def test_a_decoy_analysis_breaks_neither_a_sweep_nor_the_console_scripts(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("raise RuntimeError('decoy')\n")
    settings = "--set schedules=[fixed_2] --set seeds=[0] --set epochs=1 --set width=0.25 --set deploy=null"
    command = f"-m lwq_tune sweep --space named_schedules --run run --country FRA {settings}"
    sweep = [sys.executable, *shlex.split(command)]
    result = run(installed, tmp_path, *sweep)
    assert result.returncode == 0, result.stderr
    script = installed / "bin" / "lwq-analysis"
    result = run(installed, tmp_path, sys.executable, str(script), "pareto", "results/run")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "results" / "run" / "analysis" / "pareto.png").is_file()
    result = run(installed, tmp_path, sys.executable, str(installed / "bin" / "lwq-tune"), "spaces")
    assert "named_schedules" in result.stdout
