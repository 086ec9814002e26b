"""``python -m analysis ledgers``: training energy as recorded and inference energy as modelled, side by side."""

from __future__ import annotations

import argparse

from analysis.commands.options import (
    add_hardware_argument,
    add_run_arguments,
    add_width_argument,
    chosen_hardware,
    load,
    say,
    tell,
)
from analysis.energy.inference_axis import uncovered_warnings
from analysis.energy.ledgers import ledger_frame, ledgers_table, shown_table
from analysis.energy.sentences import ledger_sentences
from analysis.runs.comparability import refuse_incomparable
from analysis.runs.load import Objective


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "--mixed-sources", action="store_true", help="compare energies that were found in different ways"
    )
    add_hardware_argument(parser, "model inference for this hardware (default: 45 nm)")
    add_width_argument(parser, 3.5, "default 3.5, one column of two")


def run(parsed: argparse.Namespace) -> int:
    """Write and draw both ledgers, print them, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    from analysis.figures.ledgers import draw_ledgers
    from analysis.figures.style import save_print_figure
    from analysis.paper.table3 import caption

    hardware = chosen_hardware(parsed)
    loaded = load(parsed)
    done = loaded.done
    warnings = refuse_incomparable(done, allow=parsed.mixed_sources, objectives=[Objective("energy_kwh", "minimize")])
    warnings += uncovered_warnings(done, hardware) if hardware is not None else []
    frame = ledger_frame(done, hardware)
    figure = draw_ledgers(frame, width_in=parsed.width_in)
    sentences = [*ledger_sentences(frame), caption(done)]
    with loaded.writing() as out:
        ledgers_table(frame).to_csv(out / "ledgers.csv", index=False)
        files = save_print_figure(figure, out / "ledgers", " ".join(sentences))
    say(f"warning: {line}" for line in warnings)
    tell(
        [
            "Recorded training energy of a trial (mean ± std over seeds) | modelled inference energy per 1,000 images",
            shown_table(frame).to_string(index=False, na_rep="-"),
            *sentences,
            out / "ledgers.csv",
            *files,
        ]
    )
    return 0
