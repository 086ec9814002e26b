"""``python -m analysis audit``: re-adds the recorded energies."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.commands.options import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same figures as JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print what an audit of each run found, and return 1 where something does not add up, else 0.

    Raises:
        AnalysisError: A run cannot be read.
    """
    from analysis.audit.findings import audit_run
    from analysis.audit.tables import load_tables
    from analysis.audit.text import count_failed, report, verdict, write_json

    audits = [audit_run(load_tables(run_dir)) for run_dir in parsed.run_dirs]
    if parsed.json is not None:
        write_json(audits, parsed.json)
    tell([*map(report, audits), verdict(audits)])
    return 1 if count_failed(audits)[0] else 0
