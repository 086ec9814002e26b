"""``python -m analysis sensitivity``: what lowering the bits of one unit alone does to accuracy."""

from __future__ import annotations

import argparse

from analysis.commands.options import add_run_arguments, add_width_argument, load, tell
from analysis.effects.sensitivity import measure_sensitivity, shown_effects
from analysis.effects.sentences import sensitivity_sentences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    add_width_argument(parser, 3.5, "default 3.5, one column of two")


def run(parsed: argparse.Namespace) -> int:
    """Draw the effects, print them with the paper's claim, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    from analysis.figures.sensitivity import draw_sensitivity
    from analysis.figures.style import save_print_figure
    from analysis.paper.table3 import caption

    loaded = load(parsed)
    found = measure_sensitivity(loaded.done)
    figure = draw_sensitivity(found, width_in=parsed.width_in)
    sentences = [*sensitivity_sentences(found), caption(loaded.done)]
    over = "schedules" if found.n_configurations else "seeds"
    shown = shown_effects(found)
    shown[["mean", "low", "high"]] *= 100
    with loaded.writing() as out:
        found.effects.to_csv(out / "sensitivity.csv", index=False)
        found.pairs.to_csv(out / "sensitivity_pairs.csv", index=False)
        files = save_print_figure(figure, out / "sensitivity", " ".join(sentences))
    tell(
        [
            f"Change of accuracy in points, mean and 95 % interval over {over}",
            shown.to_string(index=False, na_rep="-", float_format=lambda value: f"{value:.2f}"),
            *sentences,
            out / "sensitivity.csv",
            out / "sensitivity_pairs.csv",
            *files,
        ]
    )
    return 0
