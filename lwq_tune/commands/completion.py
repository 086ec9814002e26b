"""``python -m lwq_tune completion``: the script that makes a shell complete ``lwq-tune``."""

from __future__ import annotations

from argparse import Namespace
from typing import Literal, get_args, get_origin

from lwq_tune import exit_codes
from lwq_tune.completion import completion_script
from lwq_tune.config import TrialConfig
from lwq_tune.data.catalog import BUILTIN_CLASSES
from lwq_tune.quantization.schedules import NAMED_SCHEDULES
from lwq_tune.shapes import MODEL_BLOCKS
from lwq_tune.sweep.space import builtin_spaces


def run(arguments: Namespace) -> int:
    """Print the script."""
    from lwq_tune.cli import make_parser

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
        "dataset": list(BUILTIN_CLASSES),
        "bits": list(NAMED_SCHEDULES),
    }
