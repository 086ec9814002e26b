"""``python -m analysis report``: one HTML file that shows what the runs found."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.commands.options import (
    add_hardware_argument,
    add_inference_arguments,
    chosen_hardware,
    chosen_inference,
    load,
    say,
    tell,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where it goes (default for one run: RUN_DIR/analysis/report.html)"
    )
    parser.add_argument(
        "--mixed-sources", action="store_true", help="show energies that were found in different ways together"
    )
    add_inference_arguments(parser.add_argument_group("measured inference"))
    add_hardware_argument(parser, "model inference for this hardware (default: 45 nm)")


def run(parsed: argparse.Namespace) -> int:
    """Write the report, print where it is, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed or compared, or the file not be written.
    """
    from analysis.report.evidence import gather
    from analysis.report.page import build_page, write_page

    hardware = chosen_hardware(parsed)
    loaded = load(parsed)
    file = parsed.out or loaded.out / "report.html"
    others = loaded.left_out()
    evidence = gather(
        loaded.runs, loaded.done, parsed.run_dirs, others, mixed=parsed.mixed_sources, hardware=hardware,
        chosen_inference=chosen_inference(parsed),
    )  # fmt: skip
    page = build_page(evidence)
    write_page(page, file)
    say([*others, *(f"warning: {line}" for line in evidence.warnings if line not in others)])
    tell([file])
    return 0
