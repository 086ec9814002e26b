"""``python -m lwq_tune resume``: train the unfinished trials of a run folder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from lwq_tune.cli.options import add_dashboard


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it, or STORAGE/RUN")
    parser.add_argument("--results", default="results", metavar="DIR", help="where a run from a storage goes")
    parser.add_argument("--retry-failed", action="store_true", help="train failed trials again")
    parser.add_argument("--address", metavar="ADDR", help="Ray cluster to join, or local (default: as before)")
    parser.add_argument("--carbon-budget", metavar="AMOUNT", help="a new budget for all sessions together")
    parser.add_argument("--space", metavar="NAME|FILE", help="search space to compare with (default: its own)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="settings for --space (default: as before)"
    )
    add_dashboard(parser)
    edited = parser.add_mutually_exclusive_group()
    edited.add_argument("--extend", action="store_true", help="add the trials that an edited space file has more")
    edited.add_argument(
        "--as-recorded", action="store_true", help="keep the recorded space, whatever the file says now"
    )


def trains(arguments: Namespace) -> bool:
    """Return True: what the command prints is not all that it gives."""
    return True


def run(arguments: Namespace) -> int:
    """Train the trials without an end and return the exit code."""
    from lwq_tune.cli.messages import report_end
    from lwq_tune.sweep.resume import resume_sweep

    run = resume_sweep(
        arguments.run_dir,
        results_dir=arguments.results,
        retry_failed=arguments.retry_failed,
        address=arguments.address,
        carbon_budget=arguments.carbon_budget,
        dashboard=arguments.dashboard,
        space=arguments.space,
        overrides=arguments.set,
        extend_space=arguments.extend,
        as_recorded=arguments.as_recorded,
    )
    return report_end(run)
