"""``python -m analysis table``: the paper's Table 3 in both conventions, and the paper's figures beside it."""

from __future__ import annotations

import argparse

from analysis.commands.options import add_run_arguments, load, say, tell
from analysis.paper.table3 import (
    BESIDE,
    FIGURES,
    OVER_EPOCHS,
    OVER_SEEDS,
    caption,
    compare_with_paper,
    format_comparison,
    paper_notes,
    table_over_epochs,
    table_over_seeds,
)
from analysis.runs.configurations import check_comparable
from analysis.runs.load import read_epochs
from analysis.runs.seeds import lacking_epochs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)


def run(parsed: argparse.Namespace) -> int:
    """Write both forms of Table 3 and the comparison, print them, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    loaded = load(parsed)
    done = loaded.done
    check_comparable(done)
    epochs = read_epochs(done, FIGURES)
    comparison = compare_with_paper(done, epochs)
    tables = (
        (OVER_EPOCHS, "table_over_epochs.csv", table_over_epochs(done, epochs)),
        (OVER_SEEDS, "table_over_seeds.csv", table_over_seeds(done)),
    )
    against = loaded.out / "table_against_paper.csv"
    with loaded.writing() as out:
        for _, name, frame in tables:
            frame.to_csv(out / name, index=False)
        against.unlink(missing_ok=True)  # of an earlier call, on other trials
        if not comparison.empty:
            comparison.to_csv(against, index=False)
    say(f"warning: {line}" for line in lacking_epochs(done, epochs))
    for title, _, frame in tables:
        tell([title, "none" if frame.empty else frame.to_string(index=False), ""])
    if not comparison.empty:
        tell([BESIDE, format_comparison(comparison).to_string(index=False), ""])
    tell([*paper_notes(done, comparison), caption(done)])
    return 0
