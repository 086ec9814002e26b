"""``python -m analysis heatmap``: accuracy and emissions over the bits of three units, or of two of many."""

from __future__ import annotations

import argparse

from analysis.commands.options import add_run_arguments, add_width_argument, load, say, tell
from analysis.runs.comparability import refuse_incomparable
from analysis.runs.load import Objective
from analysis.runs.seeds import evaluated_images

COSTS = {"emissions": "emissions_kg_co2eq", "energy": "energy_kwh"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "--units",
        nargs=2,
        default=(),
        metavar=("A", "B"),
        help="two units by name or number, means over what the others have (default: all of two or three units, of "
        "more the two with the largest effect)",
    )
    parser.add_argument(
        "--panels-by", type=int, choices=(1, 2, 3), help="of three units, the one that has the panels (default 3)"
    )
    parser.add_argument(
        "--cost", choices=(*COSTS, "none"), default="emissions", help="second row of panels (default emissions)"
    )
    parser.add_argument(
        "--mixed-sources", action="store_true", help="draw energies that were found in different ways as one"
    )
    add_width_argument(parser, None, "default 3.5 where cells are legible, else 7 or more")


def run(parsed: argparse.Namespace) -> int:
    """Draw the heat maps, print where the files are, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be drawn, or the files not be written.
    """
    from analysis.effects.heatmap import choose_units, heatmap_frame
    from analysis.figures.heatmap import draw_heatmap, heatmap_note
    from analysis.figures.style import save_print_figure
    from analysis.paper.table3 import caption

    loaded = load(parsed)
    done = loaded.done
    objectives = [Objective(f"{evaluated_images(done)}_accuracy", "maximize")]
    doubts = []
    if parsed.cost != "none" and done[COSTS[parsed.cost]].notna().any():
        cost = Objective(COSTS[parsed.cost], "minimize")
        warnings = refuse_incomparable(done, allow=parsed.mixed_sources, objectives=[cost])
        doubts += [f"warning: {line}" for line in warnings]
        objectives.append(cost)
    elif parsed.cost != "none":
        doubts.append(f"{parsed.cost} were not measured in any trial: only the accuracies are drawn")
    columns = [objective.column for objective in objectives]
    units = choose_units(done, columns, parsed.units, parsed.panels_by)
    frame = heatmap_frame(done, columns, units)
    figure = draw_heatmap(frame, objectives, units, width_in=parsed.width_in)
    note = f"{heatmap_note(frame, objectives, units)} {caption(done)}"
    with loaded.writing() as out:
        frame.to_csv(out / "heatmap.csv", index=False)
        files = save_print_figure(figure, out / "heatmap", note)
    say(doubts)
    tell([note, out / "heatmap.csv", *files])
    return 0
