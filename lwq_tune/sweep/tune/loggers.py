"""TensorBoard, MLflow and Weights & Biases in addition to our own tables, each through Ray's callback for it.

They do not affect the sweep: the tables are written without them, and a logger that fails is dropped. No data is sent
unless the user asks for it: MLflow writes a database in the run folder, W&B runs offline.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ConfigError

if TYPE_CHECKING:
    from lwq_tune.sweep.tune.logger_adapter import TrialLogger

RUN_STORE = "run-folder"
DEFAULT_PROJECT = "lwq-tune"
# Set before Ray starts, so that its processes have them too; a value that the user has set is kept.
ENVIRONMENT = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # otherwise it logs every table that it creates
}
# Ray waits for W&B at the end of a sweep; its own limit is half an hour.
UPLOAD_TIMEOUT_S = 120
_RAY_PREFIX = "ray/tune/"
MAX_TAG_LENGTH = 64  # of W&B
_TAGS = ("run", "schedule", "family", "bit_widths", "quantizer", "dataset", "model", "seed")


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


def make_loggers(choice: LoggerChoice, run_dir: Path, run: str) -> list[TrialLogger]:
    """Return the callbacks of a sweep, for all its runs of Tune; nothing is opened before Tune sets them up.

    Args:
        choice: Which ones.
        run_dir: The run folder, absolute.
        run: Its name: MLflow's experiment, W&B's group.
    """
    from lwq_tune.sweep.tune.logger_adapter import TrialLogger

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    loggers = []
    if choice.tensorboard:
        folder = run_dir / "tensorboard"
        loggers.append(TrialLogger("--tensorboard", _make_tensorboard, run, folder_of=lambda key: str(folder / key)))
    if choice.mlflow is not None:
        uri = f"sqlite:///{run_dir / 'mlflow.db'}" if choice.mlflow == RUN_STORE else choice.mlflow
        loggers.append(TrialLogger("--mlflow", lambda: _make_mlflow(uri, run), run, _tag_mlflow))
    if choice.wandb is not None:
        project = choice.wandb
        loggers.append(TrialLogger("--wandb", lambda: _make_wandb(project, run_dir, run), run, _tag_wandb))
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


def _make_tensorboard() -> Any:
    from ray.tune.logger.tensorboardx import TBXLoggerCallback
    from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

    class Writer(SummaryWriter):  # type: ignore[misc]
        """Names scalars as our tables do; Ray puts ``ray/tune/`` before them."""

        def add_scalar(self, tag: str, *arguments: Any, **named: Any) -> None:
            super().add_scalar(tag.removeprefix(_RAY_PREFIX), *arguments, **named)

    class TensorBoard(TBXLoggerCallback):
        """Ray's callback with the names of our tables."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self._summary_writer_cls = Writer

        def _try_log_hparams(self, trial: Any, result: dict[str, Any]) -> None:
            super()._try_log_hparams(trial, {name.removeprefix(_RAY_PREFIX): value for name, value in result.items()})

    return TensorBoard()


def _make_mlflow(uri: str, run: str) -> Any:
    from mlflow import MlflowClient  # type: ignore[import-not-found, unused-ignore]
    from mlflow.entities import Metric  # type: ignore[import-not-found, unused-ignore]
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    class MLflow(MLflowLoggerCallback):
        """Ray's callback, with an epoch in one batch: one by one, its 34 numbers took 0.3 s of CPU time, not 0.02."""

        def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
            epoch, now_ms = result["training_iteration"], time.time_ns() // 1_000_000
            values = {name: value for name, value in result.items() if name != "training_iteration"}
            metrics = [Metric(name, float(value), now_ms, epoch) for name, value in values.items()]
            MlflowClient(tracking_uri=uri).log_batch(self._trial_runs[trial], metrics)

    return MLflow(tracking_uri=uri, experiment_name=run)


def _tag_mlflow(callback: Any, config: Mapping[str, Any]) -> None:
    callback.tags = {name: str(config[name]) for name in _TAGS}


def _make_wandb(project: str, run_dir: Path, run: str) -> Any:
    from ray.air.integrations.wandb import WandbLoggerCallback

    return WandbLoggerCallback(
        project=project,
        group=run,
        dir=str(run_dir),
        mode=os.environ["WANDB_MODE"],
        upload_timeout=UPLOAD_TIMEOUT_S,
    )


def _tag_wandb(callback: Any, config: Mapping[str, Any]) -> None:
    callback.kwargs["tags"] = [f"{name}:{config[name]}"[:MAX_TAG_LENGTH] for name in _TAGS]
