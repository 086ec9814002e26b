"""``python -m lwq_tune sweep``: every trial of a search space, each trained once."""

from __future__ import annotations

import functools
from argparse import ArgumentParser, Namespace

from lwq_tune.cli import exit_codes
from lwq_tune.cli.options import add_dashboard, add_settings, given_settings
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.output_streams import say


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--space", required=True, metavar="NAME|FILE", help="search space (see: spaces)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="replace a setting of the space; repeatable"
    )
    add_settings(parser, SweepConfig)
    add_dashboard(parser)
    parser.add_argument(
        "--estimate",
        nargs="?",
        const="only",
        choices=("only", "first"),
        help="measure steps, say what time, energy and CO2eq the sweep will take, start nothing; first: then sweep",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the trials and their costs, start nothing")


def trains(arguments: Namespace) -> bool:
    """Return whether the command trains, so that what it prints is not all that it gives."""
    return not arguments.dry_run and arguments.estimate != "only"


def run(arguments: Namespace) -> int:
    """Check everything, then train; return the exit code."""
    from lwq_tune.carbon.host_intensities import report_intensities
    from lwq_tune.cli.messages import report_end
    from lwq_tune.estimation.estimate import check_is_local, estimate_prepared
    from lwq_tune.sweep.session import prepare_sweep, start_sweep
    from lwq_tune.sweep.space.trial_list import list_trials

    settings = given_settings(arguments, SweepConfig)
    prepared = prepare_sweep(arguments.space, overrides=arguments.set, dashboard=arguments.dashboard, **settings)
    if arguments.dry_run:
        print(list_trials(prepared.trial_list))
        return exit_codes.DONE
    report_intensities(prepared.intensities, say)
    if arguments.estimate is not None:
        check_is_local(prepared.config)
    if arguments.estimate == "only":
        estimate_prepared(prepared, print)
        return exit_codes.DONE
    estimate = functools.partial(estimate_prepared, tell=say) if arguments.estimate == "first" else None
    return report_end(start_sweep(prepared, estimate))
