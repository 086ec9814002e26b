"""Every command of the documentation is one: the real parsers take it, and the space and settings it names exist."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis.__main__
from lwq_tune.carbon.countries import find_country
from lwq_tune.cli.main import make_parser, without_port
from lwq_tune.cli.train import trial_config
from lwq_tune.sweep.space.search_space import builtin_spaces, load_space
from tests.conftest import REPOSITORY
from tests.docs.pages import DOCS, PAGES, blocks, inline_code, name_of, named_files, text_of

STARTS = ("python -m ", "python examples", "lwq-tune ", "lwq-analysis ", "make ", "pip install ", "sbatch ")


def commands(script: str) -> Iterator[list[str]]:
    """Return the words of each simple command of a shell script.

    >>> list(commands("a 'b c' \\\\\\n  -d  # no\\ne; f | g"))
    [['a', 'b c', '-d'], ['e'], ['f'], ['g']]
    """
    for line in script.replace("\\\n", " ").splitlines():
        for inner in re.findall(r"\$\(([^()]+)\)", line):
            yield from commands(inner)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set("();<>|&"):
                yield from filter(None, [words])
                words = []
            else:
                words.append(word)
        yield from filter(None, [words])


def ours(words: list[str]) -> list[str]:
    """Return the part of a command that is ours, as ``python -m PACKAGE …``, a ``make`` target, …; empty for others."""
    if words[:2] == ["sbatch", "docs/running/slurm.sh"]:  # the script hands on what follows its name
        return ["python", "-m", "lwq_tune", *words[2:]]
    if words[:3] == ["ray", "job", "submit"]:
        return ours(words[words.index("--") + 1 :])
    names = {"lwq-tune": "lwq_tune", "lwq-analysis": "analysis"}
    if words[0] in names:
        return ["python", "-m", names[words[0]], *words[1:]]
    if words[0].endswith("/python"):
        words = ["python", *words[1:]]
    if words[:4] == ["python", "-m", "pip", "install"]:
        return words[2:]
    return words if " ".join(words).startswith(STARTS) else []


def found() -> list[tuple[str, list[str]]]:
    commands_found = []
    for page in PAGES:
        text = text_of(page)
        scripts = blocks(text, "shell", "console", "bash")
        # Spans of code that are whole commands; `python -m lwq_tune` alone names the program.
        scripts += [code for code in inline_code(text) if code.startswith(STARTS) and len(code.split()) > 3]
        scripts += [code for code in inline_code(text) if code.startswith("make ")]
        commands_found += [
            (name_of(page), words) for script in scripts for each in commands(script) if (words := ours(each))
        ]
    return commands_found


COMMANDS = found()
LWQ_TUNE = [(page, words[3:]) for page, words in COMMANDS if words[:3] == ["python", "-m", "lwq_tune"]]
ANALYSIS = [(page, words[3:]) for page, words in COMMANDS if words[:3] == ["python", "-m", "analysis"]]
BENCHMARKS = [(page, words[2:]) for page, words in COMMANDS if len(words) > 2 and words[2].startswith("benchmarks.")]


def shown(command: object) -> str:
    return " ".join(command)[:60] if isinstance(command, list) else str(command)


def subcommands(parser: argparse.ArgumentParser) -> set[str]:
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return set(action.choices)


def parse(parser: argparse.ArgumentParser, words: list[str], page: str) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    except SystemExit:
        pytest.fail(f"{page}: {parser.prog} does not take {shlex.join(words)}")


def test_there_are_commands() -> None:
    assert len(LWQ_TUNE) + len(ANALYSIS) > 50


@pytest.mark.parametrize(("page", "words"), LWQ_TUNE, ids=shown)
def test_a_command_of_lwq_tune_is_one(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if files := named_files(text_of(REPOSITORY / page)):  # what its reader has written before
        monkeypatch.chdir(tmp_path)
        for name, content in files.items():
            Path(name).write_text(content, encoding="utf-8")
    parsed = parse(make_parser(), without_port(words), page)
    if parsed.command == "sweep":
        assert load_space(parsed.space, tuple(parsed.set)).trials
        assert all(find_country(text.rpartition("=")[2]) for text in getattr(parsed, "country", ()))
    if parsed.command == "train":
        assert trial_config(parsed, parsed.dataset, None).trial_key
    if parsed.command == "spaces" and parsed.name is not None:
        assert parsed.name in builtin_spaces()


@pytest.mark.parametrize(("page", "words"), ANALYSIS, ids=shown)
def test_a_command_of_analysis_is_one(page: str, words: list[str]) -> None:
    parse(analysis.__main__.make_parser(), words, page)


def test_every_command_stands_in_a_page() -> None:
    assert subcommands(make_parser()) == {words[0] for _, words in LWQ_TUNE}
    assert subcommands(analysis.__main__.make_parser()) == {words[0] for _, words in ANALYSIS}
    table = text_of(DOCS / "getting_started.md")
    for program, parser in (("lwq_tune", make_parser()), ("analysis", analysis.__main__.make_parser())):
        lacking = [name for name in subcommands(parser) if f"| `python -m {program} {name} " not in f"{table} "]
        lacking = [name for name in lacking if f"| `python -m {program} {name}`" not in table]
        assert not lacking, f"the table of all commands lacks {program} {lacking}"


def test_every_space_that_comes_along_stands_in_its_page() -> None:
    page = text_of(DOCS / "search_spaces.md")
    assert [name for name in builtin_spaces() if f"`{name}`" not in page] == []


def test_every_benchmark_stands_in_the_table_of_benchmarks() -> None:
    files = (REPOSITORY / "benchmarks").glob("[!_]*.py")
    assert {words[0] for page, words in BENCHMARKS if page == "benchmarks/README.md"} == {
        f"benchmarks.{file.stem}" for file in files
    }


@pytest.mark.parametrize(("page", "words"), BENCHMARKS, ids=shown)
def test_a_benchmark_and_its_flags_exist(page: str, words: list[str]) -> None:
    source = (REPOSITORY / words[0].replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    flags = [word for word in words if word.startswith("--")]
    assert all(f'"{flag}"' in source for flag in flags), f"{page}: {words}"


def test_the_other_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    made = {words[1] for _, words in COMMANDS if words[0] == "make"}
    scripts = {words[1] for _, words in COMMANDS if words[0] == "python" and words[1] != "-m"}
    asked = {name for _, words in COMMANDS if words[0] == "pip" for name in re.findall(r"\[(.+)\]", words[-1])}
    assert {"sweep", "test", "lint", "docs"} <= made <= targets
    assert scripts
    assert all((REPOSITORY / script).is_file() for script in scripts)
    assert asked
    assert asked <= set(extras)
