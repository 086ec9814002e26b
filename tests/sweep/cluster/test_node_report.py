from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import torch

import lwq_tune
from lwq_tune.sweep.cluster.node_report import describe
from tests.conftest import run_python

FOLDER = Path(lwq_tune.__file__).parent


def code(folder: Path) -> str:
    found = describe(str(folder))["versions"]["lwq_tune"]
    assert found is not None
    return str(found)


def test_a_report_names_what_is_installed_here() -> None:
    versions = describe()["versions"]
    assert torch.__version__.startswith(versions["torch"])
    assert versions["numpy"] == numpy.__version__
    assert versions["lwq_tune"].startswith(f"{lwq_tune.__version__} (code ")
    assert code(FOLDER) == versions["lwq_tune"]


def test_a_copy_is_the_same_code_and_an_edited_or_moved_module_is_not(tmp_path: Path) -> None:
    copy = tmp_path / "lwq_tune"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert code(copy) == code(FOLDER)
    (copy / "formatting.py").write_text((copy / "formatting.py").read_text() + "\n")
    edited = code(copy)
    assert edited != code(FOLDER)
    (copy / "formatting.py").rename(copy / "texts.py")
    assert code(copy) not in (edited, code(FOLDER))


def test_packages_are_found_as_a_node_of_its_own_would_find_them(tmp_path: Path) -> None:
    (tmp_path / "torch-9.9.dist-info").mkdir()
    (tmp_path / "torch-9.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    program_file = FOLDER / "sweep" / "cluster" / "node_report.py"
    program = f"import runpy; print(runpy.run_path({str(program_file)!r})['describe']()['versions'])"
    result = run_python("-c", program, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "'torch': '9.9'" in result.stdout
