"""``python -m lwq_tune resume``: train the unfinished trials of a run folder."""

from __future__ import annotations

from argparse import Namespace

from lwq_tune.cli.messages import report_end
from lwq_tune.sweep.resume import resume_sweep


def run(arguments: Namespace) -> int:
    """Train the trials without an end and return the exit code."""
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
