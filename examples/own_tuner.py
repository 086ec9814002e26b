# ruff: noqa: T201 - the table is the output
"""Train a search space with a `tune.Tuner` of your own: your scheduler, your stopper, your callbacks.

``python examples/own_tuner.py RUN_DIR`` trains six small networks with Ray's ASHA scheduler and prints accuracies. A
sweep does more (tables, resumption, trials that start from others). This shows its parts alone: a space gives jobs, and
`Trainable` trains a job, an epoch per step. A row of a result has the columns of ``epochs/KEY.parquet``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from lwq_tune import load_space
from lwq_tune.sweep.tune.job import make_jobs
from lwq_tune.sweep.tune.trainable import Trainable

SMALL = ("model=resnet", "blocks=[1,1,1]", "width=0.25", "epochs=2", "batch_size=128", "seeds=[0]")


def train(run_dir: Path) -> tune.ResultGrid:
    """Train the jobs of a space, two at a time, and return Ray's results."""
    jobs = make_jobs(load_space("named_schedules", SMALL), run_dir, n_cpus=1)
    tuner = tune.Tuner(
        tune.with_resources(Trainable, {"cpu": 1}),
        param_space={"job": tune.grid_search(jobs)},
        tune_config=tune.TuneConfig(
            metric="val_accuracy", mode="max", scheduler=ASHAScheduler(max_t=2, grace_period=1), reuse_actors=True
        ),
        run_config=tune.RunConfig(name="tuner", storage_path=str(run_dir), verbose=0),
    )
    return tuner.fit()


def main() -> None:
    """Print a line a trial."""
    parser = argparse.ArgumentParser(description="Train a search space with a Tuner of your own.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder for logs and checkpoints")
    run_dir = parser.parse_args().run_dir.absolute()
    run_dir.mkdir(parents=True, exist_ok=True)
    ray.init(num_cpus=2, include_dashboard=False)
    for result in train(run_dir):
        (row,) = result.metrics["rows"]
        trial = result.config["job"].trial
        print(f"{trial.schedule}: epoch {row['epoch']}, validation accuracy {row['val_accuracy']:.4f}")
    ray.shutdown()


if __name__ == "__main__":
    main()
