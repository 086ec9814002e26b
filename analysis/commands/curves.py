"""``python -m analysis curves``: the paper's Figures 2 and 3."""

from __future__ import annotations

import argparse

from analysis.commands.options import add_run_arguments, add_width_argument, load, say, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "--band",
        choices=("range", "std"),
        default="range",
        help="shade least to greatest over seeds (default), or mean ± standard deviation",
    )
    add_width_argument(parser, 3.5, "default 3.5, one column of two")


def run(parsed: argparse.Namespace) -> int:
    """Draw the curves, print where the files are, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be drawn, or the files not be written.
    """
    from analysis.effects.curves import FIGURES, curves_over_seeds
    from analysis.figures.curves import curve_note, draw_curves
    from analysis.figures.style import save_print_figure
    from analysis.paper.table3 import caption
    from analysis.runs.load import read_epochs
    from analysis.runs.seeds import configuration_labels, lacking_epochs

    loaded = load(parsed)
    epochs = read_epochs(loaded.done, FIGURES)
    frame = curves_over_seeds(loaded.done, epochs, configuration_labels(loaded.done))
    figure = draw_curves(frame, band=parsed.band, width_in=parsed.width_in)
    note = f"{curve_note(frame, parsed.band)} {caption(loaded.done)}"
    with loaded.writing() as out:
        frame.to_csv(out / "curves.csv", index=False)
        files = save_print_figure(figure, out / "curves", note)
    say(f"warning: {line}" for line in lacking_epochs(loaded.done, epochs))
    tell([note, out / "curves.csv", *files])
    return 0
