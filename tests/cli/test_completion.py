"""Completion scripts, run by the shells themselves where these are installed."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from analysis.__main__ import completion
from analysis.__main__ import main as analyse
from lwq_tune.cli.completion import SHELLS, completion_script, known_words, run
from lwq_tune.cli.main import make_parser
from lwq_tune.config.trial import TrialConfig
from lwq_tune.sweep.space.search_space import builtin_spaces
from tests.conftest import run_python

COMMANDS = {"sweep", "resume", "status", "spaces", "train", "export"}


def script_of(shell: str, parser: argparse.ArgumentParser | None = None, prog: str = "lwq-tune") -> str:
    return completion_script(parser or make_parser(), prog, shell, known_words())


def complete_in_bash(folder: Path, *words: str, script: str = "") -> set[str]:
    """Return what bash offers for the last of some words, by way of the function that the script registers."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed here")
    (folder / "script").write_text(script or script_of("bash"))
    line = f"""
        source ./script
        registered=($(complete -p {words[0]}))
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        "${{registered[-2]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(
        ["bash", "--norc", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr.replace("bash: line 1: compopt: not currently executing completion function\n", "") == ""
    (folder / "script").unlink()
    return set(filter(None, result.stdout.splitlines()))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with two run folders in ``results``, one of them with a space in its name, and other things."""
    for name in ("night", "a földér"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "manifest.json").write_text("{}")
    (tmp_path / "results" / "no_run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_commands_are_completed(runs: Path) -> None:
    assert complete_in_bash(runs, "lwq-tune", "") >= COMMANDS
    assert complete_in_bash(runs, "lwq-tune", "res") == {"resume"}


def test_flags_of_the_command_are_completed(runs: Path) -> None:
    assert complete_in_bash(runs, "lwq-tune", "sweep", "--dr") == {"--dry-run"}
    assert complete_in_bash(runs, "lwq-tune", "train", "--dr") == set()


def test_spaces_are_completed(runs: Path) -> None:
    assert complete_in_bash(runs, "lwq-tune", "sweep", "--space", "") == set(builtin_spaces())
    assert complete_in_bash(runs, "lwq-tune", "sweep", "--space", "named") == {"named_schedules"}
    assert complete_in_bash(runs, "lwq-tune", "spaces", "named") == {"named_schedules"}


@pytest.mark.parametrize("words", [["resume"], ["status", "--json"], ["train", "--init-run"]], ids=" ".join)
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", {"results", "elsewhere"}),
        ("res", {"results"}),
        ("results/", {"results/night", "results/a földér", "results/no_run"}),
    ],
)
def test_where_a_run_is_asked_for_folders_are_completed(
    runs: Path, words: list[str], typed: str, offered: set[str]
) -> None:
    assert complete_in_bash(runs, "lwq-tune", *words, typed) == offered


def test_where_a_file_is_asked_for_files_are_completed(runs: Path) -> None:
    assert complete_in_bash(runs, "lwq-tune", "export", "results/night", "--out", "n") == {"notes.txt"}


def test_values_that_a_trial_may_have_are_completed(runs: Path) -> None:
    assert complete_in_bash(runs, "lwq-tune", "train", "--quantizer", "") == {"lsq", "pact", "dorefa", "minmax"}
    assert complete_in_bash(runs, "lwq-tune", "train", "--device", "c") == {"cpu", "cuda"}
    assert "resnet20" in complete_in_bash(runs, "lwq-tune", "train", "--model", "res")


def test_every_value_that_is_offered_for_a_setting_is_one() -> None:
    words = known_words()
    offered = [(name, value) for name in TrialConfig.model_fields.keys() & words.keys() for value in words[name]]
    assert len(offered) > 20
    for name, value in offered:
        start = {"init_from": "full_precision"} if (name, value) == ("mode", "ptq") else {}
        more = {"lr_milestones": (1,)} if value == "step" else {}
        setting = {name: int(value) if value.isdigit() else value}
        if name == "stem":
            more = {"model": "torchvision:resnet18"}
        n_units = {"block": 6, "layer": 14}.get(value, 3)
        TrialConfig(bit_widths=(2,) * n_units, **{**start, **more, **setting})


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed here")
def test_fish_completes_commands_spaces_and_folders(runs: Path) -> None:
    (runs / "script").write_text(script_of("fish"))

    def offered(line: str) -> set[str]:
        command = ["fish", "--no-config", "-c", f"source ./script; complete -C {shlex.quote(line)}"]
        result = subprocess.run(command, cwd=runs, capture_output=True, text=True, timeout=60, check=True)
        return {found.split("\t")[0] for found in result.stdout.splitlines()}

    assert offered("lwq-tune ") >= COMMANDS
    assert offered("lwq-tune sweep --space na") == {"named_schedules"}
    assert offered("lwq-tune resume res") == {"results/"}


def test_another_program_gets_a_script_of_its_own(runs: Path) -> None:
    parser = argparse.ArgumentParser(prog="python -m other")
    parser.add_argument("run_dirs", nargs="+", metavar="RUN_DIR")
    script = completion_script(parser, "lwq-other", "bash", {})
    assert complete_in_bash(runs, "lwq-other", "results/night", "results/n", script=script) == {
        "results/night",
        "results/no_run",
    }


ANALYSIS_COMMANDS = {"pareto", "table", "audit", "completion"}


def test_the_analysis_completes_commands_flags_folders_and_files(runs: Path) -> None:
    def complete(*words: str) -> set[str]:
        return complete_in_bash(runs, "lwq-analysis", *words, script=completion("bash"))

    assert complete("") >= ANALYSIS_COMMANDS
    assert complete("pareto", "--mixed-s") == {"--mixed-sources"}
    assert complete("table", "--mix") == set()
    assert complete("pareto", "results/n") == {"results/night", "results/no_run"}
    assert complete("table", "results/night", "results/n") == {"results/night", "results/no_run"}
    assert complete("audit", "results/night", "--json", "n") == {"notes.txt"}
    assert complete("pareto", "results/night", "--out", "e") == {"elsewhere"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_analysis_prints_a_script_that_the_shell_can_parse(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert analyse(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("lwq-analysis", "mixed-sources", *ANALYSIS_COMMANDS))
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_an_unknown_shell_is_refused() -> None:
    with pytest.raises(ValueError, match="bash, zsh, fish, got 'tcsh'"):
        completion_script(argparse.ArgumentParser(), "x", "tcsh", {})


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_a_script_that_the_shell_can_parse(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(Namespace(shell=shell)) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("lwq-tune", "named_schedules", *COMMANDS))
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_the_command_line_answers_without_loading_completion(tmp_path: Path) -> None:
    code = (
        "import sys, json; from lwq_tune.cli.main import make_parser; make_parser('').format_help()\n"
        "print(json.dumps([name for name in ('shtab', 'pydantic', 'yaml') if name in sys.modules]))"
    )
    assert json.loads(run_python("-c", code, cwd=tmp_path).stdout) == []
