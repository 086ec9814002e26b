"""Streams that break: real pipes, full disks and closed descriptors, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_python
from tests.support.synthetic_runs import write_run

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

LOST = "stdout must take what is printed, some of it is lost: [Errno 28] No space left on device"
SHORT_COMMANDS = [
    "lwq_tune spaces",
    "lwq_tune spaces named_schedules",
    "lwq_tune completion bash",
    "lwq_tune sweep --space named_schedules --dry-run",
    "lwq_tune --help",
    "analysis completion zsh",
]


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``python`` is this interpreter; a pipeline fails where any of it does."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "python": sys.executable, **environment}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('python', '$python')}"],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def script(body: str) -> list[str]:
    """Return the arguments that run a program whose output is optional."""
    return ["-c", f"import os, subprocess, sys\nfrom lwq_tune.output_streams import *\nmake_output_optional()\n{body}"]


@pytest.mark.parametrize("command", SHORT_COMMANDS)
def test_a_reader_that_takes_one_line_ends_a_command_without_a_word(command: str, tmp_path: Path) -> None:
    whole = run_python("-m", *command.split(), cwd=tmp_path)
    result = shell(f"python -m {command} | head -1", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == whole.stdout.splitlines(keepends=True)[0]


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "python -u"])
def test_a_reader_that_was_never_there_is_no_error(unbuffered: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "lwq_tune", "spaces"],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["lwq_tune spaces", "analysis completion zsh"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "python -u"])
def test_a_full_disk_under_stdout_is_one_message_and_exit_code_2(command: str, unbuffered: str, tmp_path: Path) -> None:
    result = shell(f"python -m {command} >/dev/full", tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {LOST}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/null 2>/dev/full"])
def test_the_exit_code_is_the_same_without_streams(streams: str, tmp_path: Path) -> None:
    assert shell(f"python -m lwq_tune spaces {streams}", tmp_path).returncode == 0
    refused = shell(f"python -m lwq_tune spaces nope {streams}", tmp_path)
    assert refused.returncode == 2
    assert refused.stdout == "", "what is meant for stderr is not given to stdout"


def test_a_file_never_takes_the_place_of_a_stream_that_was_closed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from lwq_tune.output_streams import make_output_optional\nimport os, sys\nmake_output_optional()\n"
        "with open('rows', 'w') as file:\n    print('row', file=file)\n    file.flush()\n"
        "    print('words', file=sys.stderr)\n    os.system('echo words of a process >&2')\n"
    )
    assert shell(f"python {program} 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "rows").read_text() == "row\n"


def test_after_the_reader_has_gone_a_process_goes_on_and_those_it_starts_write_to_nowhere(tmp_path: Path) -> None:
    program = (
        "for number in range(100_000):\n    print(number)\n    print(number, file=sys.stderr)\n"
        "link = os.readlink('/proc/self/fd/1')\n"
        "child = subprocess.run([sys.executable, '-c', 'print(1, flush=True)'])\n"
        "open('end', 'w').write(f'{link} {child.returncode} {lost_output()}')"
    )
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, *script(program)],
        stdout=writing,
        stderr=writing,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    os.close(writing)
    assert os.read(reading, 1) == b"0"
    os.close(reading)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "end").read_text() == "/dev/null 0 None"


def test_a_full_disk_may_have_room_again_so_later_lines_are_tried(tmp_path: Path) -> None:
    program = (
        "full = os.open('/dev/full', os.O_WRONLY)\nroom = os.open('log', os.O_WRONLY | os.O_CREAT)\n"
        "os.dup2(full, 2)\nprint('lost', file=sys.stderr)\nos.dup2(room, 2)\nprint('kept', file=sys.stderr)"
    )
    result = run_python(*script(program), cwd=tmp_path)
    assert result.returncode == 0
    assert (tmp_path / "log").read_text() == "kept\n"


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "python -u"])
def test_a_slow_reader_of_a_non_blocking_pipe_gets_every_line(unbuffered: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # as another program may that shares the pipe
    process = subprocess.Popen(
        [sys.executable, *script("for number in range(20_000):\n    print(number)")],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    time.sleep(0.3)  # the pipe holds 64 KiB of 109
    with os.fdopen(reading) as lines:
        assert [int(line) for line in lines] == list(range(20_000))
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize("streams", ["2>&1 | true", ">/dev/full"])
@pytest.mark.slow
def test_training_goes_on_whatever_becomes_of_its_streams(streams: str, tmp_path: Path) -> None:
    flags = "--bits 2,3,4 --width 0.25 --epochs 2 --batch-size 256 --no-energy --json"
    diverges = shell(f"python -m lwq_tune train {flags} --lr 1e30 {streams}", tmp_path)
    assert diverges.returncode == 1, "it went on to where it diverged"
    result = shell(f"python -m lwq_tune train {flags} {streams}", tmp_path)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    if streams == ">/dev/full":
        assert result.stderr.splitlines()[-1].startswith(f"warning: {LOST}")


@pytest.mark.slow
def test_the_files_of_an_analysis_are_the_same_whether_its_lines_are_read_or_not(tmp_path: Path) -> None:
    read, unread = (write_run(tmp_path / name / "run") for name in ("read", "unread"))
    whole = shell(f"python -m analysis pareto {read}", tmp_path)
    assert whole.returncode == 0, whole.stderr
    result = shell(f"python -m analysis pareto {unread} 2>&1 | head -1", tmp_path)
    assert result.returncode == 0
    assert result.stdout == whole.stdout.splitlines(keepends=True)[0]
    files = {path.name: path.read_bytes() for path in (read / "analysis").iterdir()}
    assert {"pareto.csv", "pareto.png", "pareto.svg", "pareto.pdf"} <= set(files)
    assert {path.name for path in (unread / "analysis").iterdir()} == set(files)
    assert (unread / "analysis" / "pareto.csv").read_bytes() == files["pareto.csv"]
