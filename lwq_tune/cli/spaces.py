"""``python -m lwq_tune spaces``: the search spaces that come along, and the JSON Schema of such files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from lwq_tune.cli import exit_codes
from lwq_tune.sweep.space.search_space import builtin_spaces, describe_space, find_space


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("name", nargs="?", metavar="NAME", help="print this space (default: list all)")
    what.add_argument("--json-schema", action="store_true", help="print the JSON Schema of a space file, for editors")


def run(arguments: Namespace) -> int:
    """List the spaces, or print one, or the schema of all."""
    if arguments.json_schema:
        from lwq_tune.sweep.space.json_schema import schema_text

        print(schema_text(), end="")
        return exit_codes.DONE
    if arguments.name:
        print(find_space(arguments.name).read_text(encoding="utf-8"), end="")
        return exit_codes.DONE
    for name, path in builtin_spaces().items():
        print(f"{name:<18}{describe_space(path)}")
    return exit_codes.DONE
