"""The command line: flags to calls to exit codes. A command's module is imported once the command is known."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from lwq_tune import __version__
from lwq_tune.cli import exit_codes
from lwq_tune.errors import UserInputError
from lwq_tune.host.threads import let_idle_threads_sleep
from lwq_tune.output_streams import lost_output, make_output_optional

# Each has a module of its name with `add_arguments(parser)` and `run(arguments)`, which returns the exit code; with
# `trains(arguments)` where what it prints is not all that it gives.
COMMANDS = {
    "sweep": "train every trial of a search space",
    "resume": "finish the unfinished trials of a run",
    "status": "how far a run is, also while it runs",
    "spaces": "list the search spaces that come along, or print one",
    "train": "train one trial, without Ray",
    "completion": "print the completion script of a shell",
    "export": "write the network of a trial into a file, ONNX or NumPy",
    "deploy": "measure what trained networks cost in a runtime: time, energy, accuracy",
}


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Args:
        command: The command whose arguments are known, all by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m lwq_tune",
        description="Sweeps over layer-wise quantization: accuracy against energy and emissions.",
        epilog="Then: python -m analysis pareto RUN_DIR. Exit codes: 0 all trials done, or ended by a rule or a "
        "budget, 1 some trial failed, 2 bad input, 130 interrupted (resume goes on).",
    )
    parser.add_argument("--version", action="version", version=f"lwq_tune {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        own = commands.add_parser(name, help=purpose)
        if command in (None, name):
            _module(name).add_arguments(own)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"lwq_tune.cli.{command}")


def without_port(arguments: Sequence[str]) -> list[str]:
    """Return a command line where the RUN_DIR of ``resume`` is not taken for the port of ``--dashboard`` before it.

    A port is digits. Where something else follows, the flag is put last, where argparse gives it no value.

    >>> without_port(["resume", "--dashboard", "results/night"])
    ['resume', 'results/night', '--dashboard']
    """
    given = list(arguments)
    if given[:1] != ["resume"] or "--dashboard" not in given:
        return given
    place = given.index("--dashboard")
    following = given[place + 1 : place + 2]
    if not following or following[0].isdecimal() or following[0].startswith("-"):
        return given
    return [*given[:place], *given[place + 1 :], "--dashboard"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    make_output_optional()
    given = without_port(sys.argv[1:] if arguments is None else arguments)
    # Without a command, as in --help, the parser needs the arguments of none.
    parsed = make_parser(given[0] if given else "").parse_args(given)
    let_idle_threads_sleep()
    code = _run(parsed)
    lost = lost_output()
    if lost is None:
        return code
    trains = getattr(_module(parsed.command), "trains", None)
    if trains is not None and trains(
        parsed
    ):  # what it has trained is done, and costs more to do again than a lost line
        print(f"warning: {lost}", file=sys.stderr)
        return code
    print(f"error: {lost}", file=sys.stderr)
    return code or exit_codes.BAD_INPUT


def _run(parsed: argparse.Namespace) -> int:
    try:
        code: int = _module(parsed.command).run(parsed)
    except UserInputError as error:
        print(f"error: {error}", file=sys.stderr)
        return exit_codes.BAD_INPUT
    except OSError as error:
        print(f"error: a file or folder could not be used: {error}", file=sys.stderr)
        return exit_codes.BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return exit_codes.INTERRUPTED
    return code
