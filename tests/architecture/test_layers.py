"""The import law: the contracts of `pyproject.toml`, and which heavy packages stay out of which process."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_python

MODULES = sorted(
    path for package in ("lwq_tune", "analysis", "benchmarks") for path in (REPOSITORY / package).rglob("*.py")
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a checkout, in a process of its own: the checker sets up logging for itself."""
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return run_python("-c", check, cwd=folder, PYTHONPATH=str(folder))


def test_the_contracts_are_kept() -> None:
    result = lint(REPOSITORY)
    assert result.returncode == 0, result.stdout


AGAINST_THE_LAW = [
    ("lwq_tune/results/schema.py", "torch", "torch"),
    ("lwq_tune/results/schema.py", "ray", "ray"),
    ("lwq_tune/results/schema.py", "lwq_tune.cli.main", "lwq_tune.cli.main"),
    ("lwq_tune/results/schema.py", "lwq_tune.sweep.plan", "lwq_tune.sweep.plan"),
    ("analysis/fronts/pareto.py", "analysis.uncertainty.front", "analysis.uncertainty.front"),
    ("analysis/report/formatting.py", "analysis.report.figures.figure", ".formatting -> .figures"),
]


def test_imports_against_the_law_are_seen(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    for package in ("lwq_tune", "analysis", "benchmarks"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for importer, imported, _ in AGAINST_THE_LAW:
        with (tmp_path / importer).open("a") as module:
            module.write(f"\n\ndef late_{imported.replace('.', '_')}() -> None:\n    import {imported}\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    for _, _, shown in AGAINST_THE_LAW:
        assert shown in result.stdout


def test_imports_are_absolute() -> None:
    assert len(MODULES) > 200
    for path in MODULES:
        nodes = ast.walk(ast.parse(path.read_text()))
        assert all(node.level == 0 for node in nodes if isinstance(node, ast.ImportFrom)), path


def test_private_names_of_ray_are_used_in_one_file() -> None:
    private = re.compile(r"ray\._|ray\.tune\.execution")
    users = [path for path in MODULES if "lwq_tune" in path.parts and private.search(path.read_text())]
    assert users == [REPOSITORY / "lwq_tune" / "sweep" / "tune" / "patches.py"]


PACKAGES = [path.parent for path in MODULES if path.name == "__init__.py" and path.parent != REPOSITORY / "lwq_tune"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_packages_docstring_names_each_of_its_files(package: Path) -> None:
    text = (package / "__init__.py").read_text()
    files = [path.stem for path in package.glob("*.py") if not path.name.startswith("__")]
    folders = [f"{path.parent.name}/" for path in package.glob("*/__init__.py")]
    missing = [name for name in (*files, *folders) if f"- {name}:" not in text]
    assert not missing, f"{package}/__init__.py does not say what these are: {missing}"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lwq_tune.cli.main", "torch ray pydantic pyarrow pandas"),
        ("import lwq_tune.sweep.space.search_space", "torch ray pyarrow"),
        ("import analysis.__main__", "torch ray codecarbon"),
        ("from lwq_tune.cli.main import main; main(['sweep', '--space', 'named_schedules', '--dry-run'])", "torch ray"),
        ("from lwq_tune.cli.main import main; main(['spaces'])", "torch ray"),
        (
            "import lwq_tune.sweep.loggers.choice, lwq_tune.sweep.worker.trial_log, lwq_tune.cli.completion",
            "torch ray",
        ),
        ("import lwq_tune.sweep.search.proposer", "torch ray optuna"),
        pytest.param(
            "import lwq_tune.training.trial, lwq_tune.estimation.probe",
            "ray codecarbon pyarrow pandas",
            marks=pytest.mark.slow,
        ),
        ("import lwq_tune.estimation.estimate", "torch ray codecarbon pyarrow optuna"),
        ("import lwq_tune.estimation.probe_pool", "torch ray codecarbon pyarrow pandas"),
        pytest.param(
            "import lwq_tune.sweep.runner, lwq_tune.sweep.tune.recording, lwq_tune.sweep.tune.trainable",
            "torch codecarbon",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_heavy_packages_stay_out(statement: str, absent: str, tmp_path: Path) -> None:
    check = f"{statement}; import sys; print(*sorted(set('{absent}'.split()) & set(sys.modules)), sep=',')"
    result = run_python("-c", check, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "", f"loaded: {result.stdout}"


@pytest.mark.slow
def test_one_trial_trains_with_no_ray_installed(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')\n")
    command = (
        "from lwq_tune.cli.main import main; import sys; sys.exit(main(['train', '--bits', '2,3,4', '--width', '0.25', "
        "'--epochs', '1', '--batch-size', '256', '--no-energy', '--json']))"
    )
    result = run_python("-c", command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '"test_accuracy"' in result.stdout
