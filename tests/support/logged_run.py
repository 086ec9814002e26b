"""A small real sweep of Ray Tune with loggers, as a program: its trainable trains nothing and yields known rows.

Run: python -m tests.support.logged_run RUN_DIR [--tensorboard] [--mlflow] [--wandb]
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.sweep.cluster.ray_session import local_ray
from lwq_tune.sweep.loggers.choice import DEFAULT_PROJECT, RUN_STORE, LoggerChoice, check_installed, make_loggers
from lwq_tune.sweep.tune.job import TrialJob
from tests.conftest import small_config

EPOCHS = 3
FAILING_SEED = 7
# Two runs of Tune after each other, as a sweep has where trials start from others.
WAVES = ((0, FAILING_SEED), (1,))


def row_of(seed: int, epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1 / epoch,
        "val_accuracy": (seed + epoch) / 10,
        "energy_kwh": 1e-6 * epoch,
        "gpu_energy_kwh": None,
        "cpu_source": "estimated:test",
        "hostname": "here",
    }


def config_of(seed: int) -> dict[str, Any]:
    return {"job": job_of(small_config(seed=seed, dataset="/data/birds", dataset_digest="ab12"))}


def job_of(trial: TrialConfig) -> TrialJob:
    secret = Path("/secret")
    return TrialJob(trial, secret, secret, n_cpus=1.0, n_gpus=0.0, n_threads=1, intensities={}, session="test")


def main(run_dir: Path, flags: list[str]) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    choice = LoggerChoice(
        tensorboard="--tensorboard" in flags,
        mlflow=RUN_STORE if "--mlflow" in flags else None,
        wandb=DEFAULT_PROJECT if "--wandb" in flags else None,
    )
    check_installed(choice)
    with local_ray(2):
        from ray import tune

        class Trainable(tune.Trainable):
            def setup(self, config: dict[str, Any]) -> None:
                self._seed, self._epoch = config["job"].trial.seed, 0

            def step(self) -> dict[str, Any]:
                self._epoch += 1
                if self._seed == FAILING_SEED and self._epoch == 2:
                    return {"failure": "ValueError: made up", "done": True}
                row = row_of(self._seed, self._epoch)
                return {"rows": [row], "val_accuracy": row["val_accuracy"], "done": self._epoch == EPOCHS}

            def save_checkpoint(self, checkpoint_dir: str) -> None:
                (Path(checkpoint_dir) / "empty").touch()

            def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
                raise NotImplementedError("no trial of this run is continued")

            def reset_config(self, new_config: dict[str, Any]) -> bool:
                self.setup(new_config)
                return True

        from lwq_tune.sweep.tune.logging_callback import LoggingCallback

        callbacks = [
            LoggingCallback(flag, make, "night") for flag, make in make_loggers(choice, run_dir, "night").items()
        ]
        for wave in WAVES:
            tune.Tuner(
                Trainable,
                param_space={"job": tune.grid_search([config_of(seed)["job"] for seed in wave])},
                tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=1),
                run_config=tune.RunConfig(
                    name=f"wave{wave[0]}",
                    storage_path=str(run_dir / "ray"),
                    verbose=0,
                    callbacks=list(callbacks),
                ),
            ).fit()


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
