"""``python -m analysis controls``: is it more bits, or bits in the right place?"""

from __future__ import annotations

import argparse

import pandas as pd

from analysis.commands.options import add_run_arguments, load, say, tell
from analysis.controls.controls import METRIC_COLUMNS, run_controls
from analysis.controls.pairs import TOLERANCE
from analysis.controls.tables import TERM_COLUMNS, pairs_table, shown_pairs
from analysis.paper.table3 import caption

TITLE = (
    "{metric}, first less second, paired over shared seeds: Student's t and percentile bootstrap, 95 % each (with few "
    "seeds the bootstrap is too narrow)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "--metric", default="test_accuracy", metavar="COLUMN", help=f"one of {', '.join(METRIC_COLUMNS)}"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="SHARE",
        help="up to which share weight bits, or BitOps, count as equal (default 0.02)",
    )


def run(parsed: argparse.Namespace) -> int:
    """Write pairs and regression, print them and what they support, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, hold no pair of equal cost, or the files cannot be written.
    """
    loaded = load(parsed)
    controls = run_controls(loaded.done, parsed.metric, parsed.tolerance)
    with loaded.writing() as out:
        pairs_table(controls.pairs).to_csv(out / "controls.csv", index=False)
        controls.regression.to_csv(out / "regression.csv", index=False)
    say(f"warning: {line}" for line in controls.warnings)
    tell([TITLE.format(metric=parsed.metric), _shown_pairs(controls.pairs, parsed.metric), ""])
    if not controls.regression.empty:
        tell([f"{parsed.metric}, regression with an intercept per seed; 95 % intervals over configurations"])
        tell([controls.regression[TERM_COLUMNS].to_string(index=False, float_format=lambda value: f"{value:.4g}"), ""])
    tell([*controls.sentences, caption(loaded.done), loaded.out / "controls.csv", loaded.out / "regression.csv"])
    return 0


def _shown_pairs(pairs: pd.DataFrame, metric: str) -> str:
    shown = shown_pairs(pairs, metric)
    for column in ("weight bits %", "BitOps %"):
        shown[column] = [f"{100 * value:+.1f}" for value in shown[column]]
    return shown.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-")
