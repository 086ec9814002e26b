"""`SweepConfig`: where and how a sweep runs; it does not enter a trial's key."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from lwq_tune.config.trial import STRICT
from lwq_tune.errors import ConfigError

MAX_PUE = 10.0
AUTO, LOCAL = "auto", "local"
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


class SweepConfig(BaseModel):
    """How and where a sweep runs; nothing in it changes what a trial computes.

    Attributes:
        results_dir: Folder that holds the run folders.
        run: Name of the run folder.
        data_dir: Folder of downloaded data sets.
        address: Ray cluster that the sweep joins, see `parse_address`; without it, a Ray of its own on this host.
        storage: Address of the storage that checkpoints are written to and results are copied to; by default, the
            checkpoints are in the run folder.
        max_concurrent: Trials at a time; as many as fit by default.
        cpus_per_trial: CPUs a trial reserves and its number of threads; an equal part of the host by default.
        gpus_per_trial: GPUs a trial reserves; one where the host has one, by default.
        exclusive: One trial at a time with the whole host, in random order within each seed, after an idle baseline
            and a warm-up.
        init_run: Run folder whose trained trials others of this sweep may start from.
        country: Countries whose yearly mean carbon intensity is used, by ISO 3166-1 code or English name: ``FRA``, or
            ``HOST=FRA``.
        carbon_intensity: Carbon intensities in g/kWh, in [1, 10000]: ``56``, or ``HOST=56``.
        intensity_file: Files of carbon intensities over time: ``FILE``, or ``HOST=FILE``.
        pue: Power usage effectiveness; all energies are multiplied by it.
        carbon_budget: What the sweep may emit or use in all its sessions, such as ``0.5kg`` or ``2kWh``.
        epoch_limit: Seconds that an epoch, or the setup of a trial, may take before its process is ended.
        tensorboard: Whether TensorBoard event files are written into the run folder.
        mlflow: MLflow tracking URI, ``run-folder`` for a database there.
        wandb: Project of Weights & Biases.
    """

    model_config = STRICT

    results_dir: Path
    run: str = Field(pattern=r"^[^/\\.][^/\\]*$", max_length=120)
    data_dir: Path
    address: str | None = None
    storage: str | None = None
    max_concurrent: int | None = Field(default=None, ge=1)
    cpus_per_trial: float | None = Field(default=None, gt=0)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    exclusive: bool = False
    init_run: Path | None = None
    country: tuple[str, ...] = Field(default=(), strict=False)
    carbon_intensity: tuple[str, ...] = Field(default=(), strict=False)
    intensity_file: tuple[str, ...] = Field(default=(), strict=False)
    pue: float = Field(default=1.0, allow_inf_nan=True)
    carbon_budget: str | None = None
    epoch_limit: float | None = Field(default=None, gt=0)
    tensorboard: bool = False
    mlflow: str | None = None
    wandb: str | None = None

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
