"""``python -m lwq_tune sweep``: every trial of a search space, each trained once."""

from __future__ import annotations

import functools
from argparse import Namespace

from lwq_tune.carbon.host_intensities import report_intensities
from lwq_tune.cli import exit_codes
from lwq_tune.cli.messages import report_end
from lwq_tune.estimation.estimate import check_is_local, estimate_prepared
from lwq_tune.output_streams import say
from lwq_tune.sweep.session import prepare_sweep, start_sweep
from lwq_tune.sweep.space.trial_list import list_trials


def run(arguments: Namespace) -> int:
    """Check everything, then train; return the exit code."""
    prepared = prepare_sweep(
        arguments.space,
        overrides=arguments.set,
        dashboard=arguments.dashboard,
        results_dir=arguments.results,
        run=arguments.run,
        data_dir=arguments.data_dir,
        address=arguments.address,
        storage=arguments.storage,
        max_concurrent=arguments.max_concurrent,
        cpus_per_trial=arguments.cpus_per_trial,
        gpus_per_trial=arguments.gpus_per_trial,
        init_run=arguments.init_run,
        exclusive=arguments.exclusive,
        country=tuple(arguments.country),
        carbon_intensity=tuple(arguments.carbon_intensity),
        intensity_file=tuple(arguments.intensity_file),
        pue=arguments.pue,
        carbon_budget=arguments.carbon_budget,
        epoch_limit=arguments.epoch_limit,
        tensorboard=arguments.tensorboard,
        mlflow=arguments.mlflow,
        wandb=arguments.wandb,
    )
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
