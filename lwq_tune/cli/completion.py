"""``python -m lwq_tune completion``: the script that makes a shell complete ``lwq-tune``, through shtab.

What an argument takes is read from its metavar, so that a flag completes as soon as it is declared. No Python runs
while a word is completed.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args, get_origin

import shtab

from lwq_tune.cli import exit_codes
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.models.layer_shapes import MODEL_BLOCKS
from lwq_tune.quantization.schedules import NAMED_SCHEDULES
from lwq_tune.sweep.space.search_space import builtin_spaces

SHELLS = ("bash", "zsh", "fish")
_OF_METAVAR = {"RUN_DIR": shtab.DIRECTORY, "DIR": shtab.DIRECTORY, "FILE": shtab.FILE}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=SHELLS)


def run(arguments: Namespace) -> int:
    """Print the script."""
    from lwq_tune.cli.main import make_parser

    print(completion_script(make_parser(), "lwq-tune", arguments.shell, known_words()), end="")
    return exit_codes.DONE


def known_words() -> dict[str, list[str]]:
    """Return what arguments take, by ``dest``: where a trial's setting has a few values, those."""
    words = {
        name: [str(value) for value in get_args(field.annotation)]
        for name, field in TrialConfig.model_fields.items()
        if get_origin(field.annotation) is Literal
    }
    spaces = list(builtin_spaces())
    return {
        **words,
        "space": spaces,
        "name": spaces,
        "model": list(MODEL_BLOCKS),
        "dataset": list(BUILTIN_SETS),
        "bits": list(NAMED_SCHEDULES),
    }


def completion_script(
    parser: argparse.ArgumentParser, prog: str, shell: str, words: Mapping[str, Sequence[str]]
) -> str:
    """Return the script that makes a shell complete a program's commands, flags and their values.

    Args:
        parser: Of the whole command line; it is changed, and is to be used for nothing else.
        prog: The program as it is typed.
        shell: One of `SHELLS`.
        words: Values by ``dest`` of an argument, of those that take a few and do not declare them as choices.

    Raises:
        ValueError: There is no such shell.
    """
    if shell not in SHELLS:
        raise ValueError(f"shell must be one of {', '.join(SHELLS)}, got {shell!r}")
    parser.prog = prog
    for action in _actions(parser):
        if action.metavar in _OF_METAVAR:
            action.complete = _OF_METAVAR[str(action.metavar)]  # type: ignore[attr-defined]
        elif action.dest in words and action.choices is None:
            action.choices = list(words[action.dest])
    script: str = shtab.complete(parser, shell)
    return script if script.endswith("\n") else f"{script}\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
