"""``python -m analysis ledgers``: training energy as recorded and inference energy as modelled, side by side."""

from __future__ import annotations

import argparse

import pandas as pd

from analysis.commands.options import add_run_arguments, add_width_argument, load, say, tell
from analysis.energy.ledgers import ledger_frame, ledger_words
from analysis.runs.comparability import refuse_incomparable
from analysis.runs.load import Objective

SHOWN = {
    "label": "schedule",
    "n_seeds": "seeds",
    "ratio": "x full precision",
    "coverage": "coverage",
    "compute_mj": "compute mJ",
    "weight_sram_mj": "weights SRAM mJ",
    "weight_dram_mj": "weights DRAM mJ",
    "activation_sram_mj": "activations mJ",
    "on_chip_mj": "all on chip mJ",
    "dram_mj": "DRAM weights, all mJ",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "--mixed-sources", action="store_true", help="compare energies that were found in different ways"
    )
    add_width_argument(parser, 3.5, "default 3.5, one column of two")


def run(parsed: argparse.Namespace) -> int:
    """Write and draw both ledgers, print them, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    from analysis.figures.ledgers import draw_ledgers
    from analysis.figures.style import save_print_figure
    from analysis.paper.table3 import caption

    loaded = load(parsed)
    done = loaded.done
    warnings = refuse_incomparable(done, allow=parsed.mixed_sources, objectives=[Objective("energy_kwh", "minimize")])
    frame = ledger_frame(done)
    figure = draw_ledgers(frame, width_in=parsed.width_in)
    words = [*ledger_words(frame), caption(done)]
    with loaded.writing() as out:
        frame.to_csv(out / "ledgers.csv", index=False)
        files = save_print_figure(figure, out / "ledgers", " ".join(words))
    say(f"warning: {line}" for line in warnings)
    tell([
        "Recorded training energy of a trial (mean ± std over seeds) | modelled inference energy per 1,000 images",
        shown_table(frame).to_string(index=False, na_rep="-"), *words, out / "ledgers.csv", *files,
    ])  # fmt: skip
    return 0


def shown_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns to print, as text."""
    from analysis.paper.table3 import mean_and_spread

    table = frame[list(SHOWN)].copy()
    table["ratio"] = frame["ratio"].map("{:.2f}".format).where(frame["ratio"].notna(), "-")
    table["coverage"] = frame["coverage"].map("{:.1%}".format).where(frame["coverage"].notna(), "-")
    for column in SHOWN:
        if column.endswith("_mj"):
            table[column] = frame[column].map("{:.2f}".format).where(frame[column].notna(), "-")
    energies = zip(frame["training_energy_kwh"], frame["training_energy_kwh_std"], strict=True)
    table.insert(2, "training kWh", [mean_and_spread(mean, spread, ".3e") for mean, spread in energies])
    return table.rename(columns=SHOWN)
