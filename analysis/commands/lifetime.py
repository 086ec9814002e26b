"""``python -m analysis lifetime``: emissions of training and of N inferences on one axis, and where schedules pay."""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd

from analysis.commands.options import (
    add_inference_arguments,
    add_run_arguments,
    add_width_argument,
    chosen_inference,
    load,
    positive,
    say,
    tell,
)
from analysis.runs.load import AnalysisError

LEAST_IMAGES, MOST_IMAGES = 1e3, 1e12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    add_width_argument(parser, 7.2, "default 7.2; 3.5 is one column of two")
    flag = parser.add_argument
    flag("--inferences", type=_numbers, metavar="N,N…", help="numbers of images to give the front for")
    flag("--from", dest="least", type=positive, metavar="N", help="instead: each power of ten from N (default 1e3)")
    flag("--to", dest="most", type=positive, metavar="N", help="to N (default 1e12)")
    add_inference_arguments(parser)
    flag("--share-search", action="store_true",
         help="add to each quantized configuration an equal share of what the rest of the sweep emitted")  # fmt: skip
    flag("--floors", type=_fractions, metavar="A,A…",
         help="accuracies in [0, 1] to find the best schedule above (default: some below full precision)")  # fmt: skip
    flag("--mixed-sources", action="store_true", help="put training emissions on it that were found in different ways")


def run(parsed: argparse.Namespace) -> int:
    """Write and draw the lifetimes, print them, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    from analysis.figures.lifetime import draw_lifetime
    from analysis.figures.style import save_print_figure
    from analysis.lifetime.lifetime import analyse_lifetime
    from analysis.lifetime.load import load_inference
    from analysis.lifetime.sentences import energy_words, lifetime_sentences
    from analysis.lifetime.tables import (
        fronts_table,
        neighbours_table,
        variants_table,
        written_break_evens,
        written_fronts,
    )

    numbers = _asked_numbers(parsed)
    inference = load_inference(parsed.run_dirs)
    loaded = load(parsed)
    found = analyse_lifetime(
        loaded.runs, loaded.done, numbers, inference=inference, mixed_sources=parsed.mixed_sources,
        share_search=parsed.share_search, floors=parsed.floors, **chosen_inference(parsed),
    )  # fmt: skip
    sentences, words = lifetime_sentences(found), energy_words(found.axis)
    figure = draw_lifetime(found, width_in=parsed.width_in)
    with loaded.writing() as out:
        tables = {"lifetime.csv": written_fronts(found), "break_even.csv": written_break_evens(found)}
        for name, table in tables.items():
            table.to_csv(out / name, index=False)
        files = [*(out / name for name in tables), *save_print_figure(figure, out / "lifetime", " ".join(sentences))]
    say(f"note: {line}" for line in found.notes)
    tell([
        f"Training and use of each deployed network ({words}; ± half of the 95 % interval; deployed/trained seeds)",
        variants_table(found).to_string(index=False), "",
        f"Front of accuracy and lifetime emissions ({words})", fronts_table(found).to_string(index=False), "",
        *_neighbours(neighbours_table(found), words), *sentences, *files,
    ])  # fmt: skip
    return 0


def _neighbours(table: pd.DataFrame, words: str) -> list[str]:
    if table.empty:
        return []
    return [f"Break-even of neighbours on the fronts, by accuracy ({words})", table.to_string(index=False), ""]


def _asked_numbers(parsed: argparse.Namespace) -> list[float]:
    """Return the numbers of images to give fronts for, ascending.

    Raises:
        AnalysisError: They are asked for in two ways, or run downwards.
    """
    if parsed.inferences is not None:
        if parsed.least is not None or parsed.most is not None:
            raise AnalysisError("numbers of images are given by --inferences or by --from and --to, got both")
        return sorted(set(parsed.inferences))
    least = LEAST_IMAGES if parsed.least is None else parsed.least
    most = MOST_IMAGES if parsed.most is None else parsed.most
    if least >= most:
        raise AnalysisError(f"--from must be below --to, got {least:g} and {most:g}")
    powers = 10.0 ** np.arange(math.ceil(math.log10(least)), math.floor(math.log10(most)) + 1)
    return sorted({least, *map(float, powers), most})


def _numbers(text: str) -> list[float]:
    return [positive(part) for part in text.split(",")]


def _fractions(text: str) -> list[float]:
    found = _numbers(text)
    if max(found) > 1:
        raise argparse.ArgumentTypeError(f"accuracies are fractions in [0, 1], got {text}")
    return found
