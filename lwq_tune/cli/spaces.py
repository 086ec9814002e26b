"""``python -m lwq_tune spaces``: the search spaces that come with the package."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from lwq_tune.cli import exit_codes
from lwq_tune.sweep.space.search_space import builtin_spaces, describe_space, find_space


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME")


def run(arguments: Namespace) -> int:
    """List the spaces, or print one."""
    if arguments.name:
        print(find_space(arguments.name).read_text(encoding="utf-8"), end="")
        return exit_codes.DONE
    for name, path in builtin_spaces().items():
        print(f"{name:<18}{describe_space(path)}")
    return exit_codes.DONE
