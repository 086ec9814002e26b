"""What the pages say of the code is so: packages, layers, files, names in them."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import analysis
import lwq_tune
from tests.conftest import REPOSITORY
from tests.docs.package_table import PAGE, rendered
from tests.docs.pages import DOCS, PAGES, blocks, inline_code, name_of, text_of
from tests.support.synthetic_runs import write_run

FOLDERS = ("lwq_tune/", "analysis/", "benchmarks/", "tests/", "docs/", "examples/", "search_spaces/", ".ci/")
PATHS = sorted(
    {
        (name_of(page), code)
        for page in PAGES
        for code in inline_code(text_of(page))
        # A word in capitals stands for a name of the reader's.
        if code.startswith(FOLDERS) and not re.search(r"\b[A-Z]{3,}\b", code) and " " not in code
    }
)


def test_packages_and_layers_are_those_of_the_code() -> None:
    text = text_of(PAGE)
    assert text == rendered(text), "python -m tests.docs.package_table writes them anew"


def test_the_pages_name_many_files() -> None:
    assert len(PATHS) > 60


@pytest.mark.parametrize(("page", "path"), PATHS)
def test_a_file_that_a_page_names_exists(page: str, path: str) -> None:
    assert (REPOSITORY / path).exists(), f"{page} names {path}"


def steps() -> list[tuple[str, tuple[str, ...]]]:
    """Return the list items of the page on development that begin with files, and the names that they say of them."""
    items = re.findall(r"^(?:\d+\.|-) (.*?)(?=^\S|\Z)", text_of(DOCS / "development.md"), re.DOTALL | re.MULTILINE)
    found = []
    for item in items:
        codes = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", item)]
        files = [code for code in codes if (REPOSITORY / code).is_file()]
        for code in codes:  # a new file has the names of those beside it
            if code.endswith("/NAME.py"):
                files += [str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / code).parent.glob("*.py")]
        if item.startswith("`") and files:
            names = (code.split("(")[0] for code in codes if re.fullmatch(r"_?[A-Za-z][A-Za-z_]*(\(.*\).*)?", code))
            found += [(name, tuple(files)) for name in names if "NAME" not in name and name not in ("train", "fixed")]
    return found


STEPS = steps()


def test_the_page_on_development_names_many_places() -> None:
    assert len(STEPS) > 25


@pytest.mark.parametrize(("name", "files"), STEPS, ids=[name for name, _ in STEPS])
def test_a_name_that_a_step_says_stands_in_one_of_its_files(name: str, files: tuple[str, ...]) -> None:
    beside = [REPOSITORY / file for file in files]
    texts = [path.read_text(encoding="utf-8") for path in beside if path.suffix in (".py", ".toml", ".md")]
    assert any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts), f"{name} is in none of {files}"


PYTHON = [(name_of(page), block) for page in PAGES for block in blocks(text_of(page), "python")]


def test_there_is_python_in_the_pages() -> None:
    assert len(PYTHON) > 5


@pytest.mark.parametrize(("page", "code"), PYTHON)
def test_what_python_of_a_page_imports_and_calls_of_ours_exists(page: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("lwq_tune", "analysis")):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), f"{page}: {ast.unparse(node)}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = {"lwq_tune": lwq_tune, "analysis": analysis}.get(node.value.id)
            assert module is None or node.attr in module.__all__, f"{page}: {ast.unparse(node)}"


def test_the_analysis_of_a_run_in_python_gives_a_front_and_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = [code for page, code in PYTHON if page == "docs/python_api.md" and "analysis.load_run" in code]
    write_run(tmp_path / "results" / "RUN")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["front"].set_index("schedule")["on_front"].to_dict() == {
        "ascending_234": True,
        "full_precision": True,
        "fixed_2": False,
        "descending_432": False,
    }
    assert len(found["verdicts"]) == len(found["front"])


def test_the_trials_of_a_space_in_python_are_28_per_seed(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [code for page, code in PYTHON if page == "docs/python_api.md" and "lwq_tune.load_space" in code]
    looks, _, _ = code.partition("run = ")  # the rest trains them
    exec(looks, {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{2 * (27 + 1)} ")
    assert len(lines) == 1 + 3


def test_every_module_of_the_reference_exists_and_the_front_doors_are_in_it() -> None:
    named = {
        name for page in (DOCS / "reference").glob("*.md") for name in re.findall(r"^::: (\S+)$", text_of(page), re.M)
    }
    files = {Path(*name.split(".")) for name in named}
    sources = [REPOSITORY / file for file in files]
    for file in sources:
        in_module = file.with_suffix(".py").is_file() or file.parent.with_suffix(".py").is_file()
        assert in_module, file
        if not file.with_suffix(".py").is_file():
            tree = ast.parse(file.parent.with_suffix(".py").read_text(encoding="utf-8"))
            defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
            assert file.name in defined, f"{file.name} of {file.parent}"
    last = {name.rpartition(".")[2] for name in named}
    assert {*lwq_tune.__all__, *analysis.__all__} <= last
