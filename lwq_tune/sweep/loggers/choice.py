"""Which loggers a sweep has in addition to its tables, whether their packages are there, and how they are made.

Loggers do not affect the sweep: the tables are written without them, and a logger that fails is dropped. No data is
sent unless the user asks for it: MLflow writes a database in the run folder, W&B runs offline.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.loggers.mlflow import MlflowLogger
from lwq_tune.sweep.loggers.tensorboard import TensorBoardLogger
from lwq_tune.sweep.loggers.trial_logger import TrialLogger
from lwq_tune.sweep.loggers.wandb import WandbLogger

RUN_STORE = "run-folder"
DEFAULT_PROJECT = "lwq-tune"
# Set before the packages of the loggers are imported; a value that the user has set is kept.
ENVIRONMENT = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # otherwise it logs every table that it creates
}


@dataclass(frozen=True)
class LoggerChoice:
    """Which loggers a sweep has besides its tables.

    Attributes:
        tensorboard: Whether event files are written to ``RUN_DIR/tensorboard``.
        mlflow: MLflow tracking URI; `RUN_STORE` for ``RUN_DIR/mlflow.db``.
        wandb: W&B project; offline, in ``RUN_DIR/wandb``, unless ``WANDB_MODE`` says otherwise.

    Raises:
        ConfigError: The URI holds a password, which would be kept in the manifest.
    """

    tensorboard: bool = False
    mlflow: str | None = None
    wandb: str | None = None

    def __post_init__(self) -> None:
        """Refuse a password, which would be written into the manifest."""
        if self.mlflow is not None and urlsplit(self.mlflow).password is not None:
            raise ConfigError(
                "--mlflow must be a URI without a password, since the manifest keeps it, got one with a password; "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


def choose_loggers(config: SweepConfig) -> LoggerChoice:
    """Return the loggers that a sweep asks for.

    Raises:
        ConfigError: A URI holds a password.
    """
    return LoggerChoice(config.tensorboard, config.mlflow, config.wandb)


def check_installed(choice: LoggerChoice) -> None:
    """Make sure that the packages of the loggers are there; imports none of them.

    Raises:
        ConfigError: Names every logger whose packages are missing.
    """
    missing = []
    if choice.tensorboard:
        missing += _missing("--tensorboard", {"tensorboardX": "tensorboardX"})
    if choice.mlflow is not None:
        database = {"sqlalchemy": "sqlalchemy", "alembic": "alembic"} if choice.mlflow == RUN_STORE else {}
        missing += _missing("--mlflow", {"mlflow": "mlflow-skinny", **database})
    if choice.wandb is not None:
        missing += _missing("--wandb", {"wandb": "wandb"})
    if missing:
        raise ConfigError("\n".join(missing))


def make_loggers(choice: LoggerChoice, run_dir: Path, run: str) -> dict[str, Callable[[], TrialLogger]]:
    """Return, by the flag that asked for it, what makes a logger of one trial; nothing is opened or imported yet.

    Args:
        choice: Which ones.
        run_dir: The run folder, absolute.
        run: Its name: MLflow's experiment, W&B's group.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    loggers: dict[str, Callable[[], TrialLogger]] = {}
    if choice.tensorboard:
        loggers["--tensorboard"] = functools.partial(TensorBoardLogger, run_dir / "tensorboard")
    if (uri := choice.mlflow) is not None:
        uri = f"sqlite:///{run_dir / 'mlflow.db'}" if uri == RUN_STORE else uri
        loggers["--mlflow"] = functools.partial(MlflowLogger, uri, run)
    if choice.wandb is not None:
        loggers["--wandb"] = functools.partial(WandbLogger, choice.wandb, run, run_dir)
    return loggers


def _missing(flag: str, packages: dict[str, str]) -> list[str]:
    """Return a message where modules are missing; ``packages`` maps modules to what pip calls them."""
    absent = [package for module, package in packages.items() if not _is_installed(module)]
    if not absent:
        return []
    return [
        f"{flag} needs packages that are not installed here: {', '.join(absent)}; pip install {' '.join(absent)}, "
        "or pip install 'lwq-tune[loggers]' for all loggers"
    ]


def _is_installed(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None  # a folder without a package, such as W&B writes, has no origin
