"""Runs the tests of a changed module in a forked process, over a copy of the repository.

The process that forks has imported torch, pandas and pytest, which takes seconds, and nothing of this repository. So
each child imports the changed module anew, and none sees another's changes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.mutants import Mutant

HEAVY = ("torch", "pandas", "scipy.stats", "moocore", "pydantic", "matplotlib.figure", "hypothesis")
OURS = ("lwq_tune", "analysis", "benchmarks", "tests")
LEFT_OUT = (".*", "__pycache__")
# Not marked slow, but of seconds: processes that live on, and plots.
LONG_TESTS = (
    "at_least_98_percent_of_the_time_of_short_lived_processes",
    "the_command_lists_families_and_draws_their_fronts",
    "the_command_prints_pairs_terms_and_sentences",
    "a_call_costs_no_more_after_ten_thousand_trials",
)
MAX_BYTES = 8 * 2**30
KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"


@dataclass(frozen=True)
class Outcome:
    """What became of a run of tests.

    Attributes:
        verdict: `KILLED` where a test failed.
        by: The first test that failed.
        time_s: Duration of the run.
    """

    verdict: str
    by: str
    time_s: float


def import_heavy_packages() -> None:
    """Import what tests need of other packages; as `tests.conftest`, with threads that sleep while idle."""
    from lwq_tune.host.threads import let_idle_threads_sleep

    os.environ["OMP_NUM_THREADS"] = "1"
    let_idle_threads_sleep()
    for name in HEAVY:
        importlib.import_module(name)


class Workplace:
    """A copy of the repository in which one file at a time is changed.

    Args:
        repository: What is copied.
        folder: An empty folder.
    """

    def __init__(self, repository: Path, folder: Path) -> None:
        self._tree, self._temporary, self._output = folder / "tree", folder / "temporary", folder / "output.txt"
        shutil.copytree(repository, self._tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self._limits_s: dict[str, float] = {}  # by package

    def stages(self, file: str, tests: tuple[str, ...]) -> list[list[str]]:
        """Return the arguments of pytest, nearest tests first.

        First the doctests of the module, the test file that mirrors it, and what imports it in the given tests; then
        the others of these.

        Args:
            file: Path of the module in the repository.
            tests: Paths of test files and folders there.
        """
        parent, _, name = file.removesuffix(".py").replace("/", ".").rpartition(".")
        imports = (f"{parent}.{name} import", f"from {parent} import {name}")
        nearest, rest = [file], []
        for path in (found for place in tests for found in self._test_files(place)):
            is_near = path.endswith(f"/test_{name}.py") or any(text in self._read(path) for text in imports)
            (nearest if is_near else rest).append(path)
        return [stage for stage in (nearest, rest) if stage]

    def _test_files(self, place: str) -> list[str]:
        path = self._tree / place
        files = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
        return [str(file.relative_to(self._tree)) for file in files]

    def _read(self, path: str) -> str:
        return (self._tree / path).read_text(encoding="utf-8")

    def check_unchanged(self, package: str, tests: tuple[str, ...]) -> None:
        """Run the tests of a package without a change: they must pass, and tell how long those of a mutant may take.

        Raises:
            RuntimeError: A test fails.
        """
        outcome = self._run([package, *tests], 900, writes_bytecode=True)
        if outcome.verdict != SURVIVED:
            output = self._output.read_text(encoding="utf-8")
            raise RuntimeError(f"without a change, tests must pass, got {outcome} for {package}:\n{output}")
        self._limits_s[package] = 20 + 5 * outcome.time_s

    def try_mutant(self, mutant: Mutant, package: str, tests: tuple[str, ...]) -> Outcome:
        """Return what the tests of a package say of a mutant of one of its modules."""
        path = self._tree / mutant.file
        original = path.read_bytes()
        for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
            cached.unlink()
        path.write_text(mutant.source, encoding="utf-8")
        time_s = 0.0
        try:
            for stage in self.stages(mutant.file, tests):
                outcome = self._run(stage, self._limits_s[package])
                time_s += outcome.time_s
                if outcome.verdict != SURVIVED:
                    break
            return Outcome(outcome.verdict, outcome.by, time_s)
        finally:
            path.write_bytes(original)

    def _run(self, arguments: list[str], limit_s: float, *, writes_bytecode: bool = False) -> Outcome:
        begin_s = time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                self._run_tests(arguments, writing, writes_bytecode=writes_bytecode)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writing)
        is_late = False
        try:
            while os.waitpid(child, os.WNOHANG) == (0, 0):
                if not is_late and time.monotonic() - begin_s > limit_s:
                    is_late = True
                    _kill_group(child)
                time.sleep(0.02)
        finally:
            _kill_group(child)  # with what the tests have left running
        with os.fdopen(reading) as pipe:
            said = json.loads(pipe.read() or '{"code": 1, "by": "the process died"}')
        verdict = TIMED_OUT if is_late else SURVIVED if said["code"] in (0, 5) else KILLED
        return Outcome(verdict, said["by"], time.monotonic() - begin_s)

    def _run_tests(self, arguments: list[str], pipe: int, *, writes_bytecode: bool) -> None:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
        output = os.open(self._output, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.chdir(self._tree)
        sys.dont_write_bytecode = not writes_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        sys.path.insert(0, str(self._tree))
        os.environ["PYTHONPATH"] = str(self._tree)
        from hypothesis import Phase, settings

        # The same few examples for all mutants, and none made smaller once a test has failed.
        settings.register_profile(
            "mutation", max_examples=20, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate]
        )
        first = _FirstFailure()
        options = [
            "-x",
            "-q",
            "-k",
            f"not {' and not '.join(LONG_TESTS)}",
            "-m",
            "not slow and not gpu",
            "-o",
            "addopts=--strict-markers --doctest-modules",
        ]
        options += [
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "-p",
            "no:cacheprovider",
            "--basetemp",
            str(self._temporary),
            "--hypothesis-profile",
            "mutation",
        ]
        code = int(pytest.main([*options, *arguments], plugins=[first]))
        os.write(pipe, json.dumps({"code": code, "by": first.name}).encode())
        os._exit(0)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class _FirstFailure:
    """Notes the first test, or module, that fails."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid
