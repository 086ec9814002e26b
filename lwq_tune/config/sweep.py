"""`SweepConfig`: where and how a sweep runs; it does not enter a trial's key."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, field_validator

from lwq_tune.config.settings import setting
from lwq_tune.config.trial import STRICT
from lwq_tune.errors import ConfigError

MAX_PUE = 10.0
AUTO, LOCAL = "auto", "local"
_EACH = "repeatable, HOST=… for one host"
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


class SweepConfig(BaseModel):
    """How and where a sweep runs; nothing in it changes what a trial computes.

    What each setting means is said where it is declared.
    """

    model_config = STRICT

    results_dir: Path = setting(..., "folder that run folders go into", flag="--results", metavar="DIR")
    run: str = setting(
        ...,
        "name of the run folder (default: space and time)",
        metavar="NAME",
        pattern=r"^[^/\\.][^/\\]*$",
        max_length=120,
    )
    data_dir: Path = setting(..., "folder of downloaded data sets", metavar="DIR")
    address: str | None = setting(
        None, "Ray cluster to join: HOST:PORT, or auto (default: a Ray of its own, here)", metavar="ADDR"
    )
    storage: str | None = setting(
        None, "folder or object store for checkpoints and a copy of the results: s3://…, gs://…", metavar="URI"
    )
    max_concurrent: int | None = setting(None, "trials at a time (default: as many as fit)", metavar="N", ge=1)
    cpus_per_trial: float | None = setting(
        None, "CPUs that a trial reserves, and its threads (default: equal parts of the host)", metavar="F", gt=0
    )
    gpus_per_trial: float | None = setting(
        None, "GPUs that a trial reserves (default: 1 where there is one)", metavar="F", ge=0
    )
    exclusive: bool = setting(
        False, "one trial at a time with the whole host, in random order within each seed: for confirmation runs"
    )
    init_run: Path | None = setting(
        None, "run whose trained networks trials may start from, instead of new ones", metavar="RUN_DIR"
    )
    country: tuple[str, ...] = setting(
        (),
        f"its yearly mean carbon intensity is used: ISO 3166-1 code or English name; {_EACH}",
        metavar="COUNTRY",
        strict=False,
    )
    carbon_intensity: tuple[str, ...] = setting(
        (), f"carbon intensity in g/kWh, 1 to 10,000; {_EACH}", metavar="G_PER_KWH", strict=False
    )
    intensity_file: tuple[str, ...] = setting(
        (), f"carbon intensities over time, columns time and g_per_kwh; {_EACH}", metavar="FILE", strict=False
    )
    pue: float = setting(1.0, "power usage effectiveness that multiplies all energies", metavar="F", allow_inf_nan=True)
    carbon_budget: str | None = setting(
        None, "end the sweep once all its sessions have used this: 0.5kg, 300g, 2kWh or 500Wh", metavar="AMOUNT"
    )
    epoch_limit: float | None = setting(
        None, "seconds that an epoch, or the setup of a trial, may take before its process is ended", metavar="S", gt=0
    )
    tensorboard: bool = setting(False, "write TensorBoard event files into the run folder")
    mlflow: str | None = setting(
        None, "log to MLflow (without a value: a database in the run folder)", metavar="URI", without_value="run-folder"
    )
    wandb: str | None = setting(
        None, "log to Weights & Biases, offline unless WANDB_MODE is set", metavar="PROJECT", without_value="lwq-tune"
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str | None) -> str | None:
        return None if address is None else parse_address(address)

    @field_validator("pue")
    @classmethod
    def _check_pue(cls, pue: float) -> float:
        return check_pue(pue)

    @property
    def run_dir(self) -> Path:
        """Folder of this run."""
        return self.results_dir / self.run


def check_pue(pue: float) -> float:
    """Return a power usage effectiveness after checking its range.

    Raises:
        ConfigError: It is not in [1, 10].
    """
    if not 1 <= pue <= MAX_PUE:
        raise ConfigError(
            f"the power usage effectiveness --pue must be in [1, {MAX_PUE:g}], 1 for a host alone, got {pue:g}"
        )
    return pue


def parse_address(text: str) -> str | None:
    """Return the address of a Ray cluster, ``host:port`` or ``auto``; None for ``local``, a Ray of the sweep's own.

    Raises:
        ConfigError: It is no such address.

    >>> parse_address("10.0.0.1:6379"), parse_address("local")
    ('10.0.0.1:6379', None)
    """
    if text in (AUTO, LOCAL):
        return text if text == AUTO else None
    found = _HOST_PORT.fullmatch(text)
    if found is not None and 0 < int(found[2]) < 65536:
        return text
    is_client = text.startswith("ray://")
    way_out = "; Ray's client is not served: start the sweep on a host of the cluster, or with `ray job submit`"
    raise ConfigError(
        f"a Ray cluster is named by HOST:PORT or {AUTO}, or is {LOCAL}, got {text!r}{way_out if is_client else ''}"
    )
