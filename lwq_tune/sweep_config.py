"""`SweepConfig`, the machine side of a sweep, which is never hashed."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, model_validator

from lwq_tune.config import STRICT


class SweepConfig(BaseModel):
    """How and where a sweep runs; nothing in it changes what a trial computes.

    Attributes:
        results_dir: Folder that holds the run folders.
        run: Name of the run folder.
        data_dir: Folder of downloaded data sets.
        cpus_per_trial: CPUs a trial reserves and its number of threads; all of the host by default.
        gpus_per_trial: GPUs a trial reserves; one where the host has one, by default.
        init_run: Run folder whose trained trials others of this sweep may start from.
        country: ISO 3166-1 alpha-3 code whose yearly mean carbon intensity is used.
        carbon_intensity_g_per_kwh: Carbon intensity given by the user instead.
    """

    model_config = STRICT

    results_dir: Path
    run: str = Field(pattern=r"^[^/\\.][^/\\]*$", max_length=120)
    data_dir: Path
    max_concurrent: int = Field(default=1, ge=1)
    cpus_per_trial: float | None = Field(default=None, gt=0)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    init_run: Path | None = None
    country: str | None = None
    carbon_intensity_g_per_kwh: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check(self) -> SweepConfig:
        if self.max_concurrent != 1:
            raise ValueError(
                "max_concurrent must be 1: the energy meter sees the whole host, so each of several trials "
                f"on it would be charged for the others, got {self.max_concurrent}; leave the flag out"
            )
        if self.country is not None and self.carbon_intensity_g_per_kwh is not None:
            raise ValueError(
                f"give a country or a carbon intensity, not both, got {self.country} and "
                f"{self.carbon_intensity_g_per_kwh} g/kWh"
            )
        return self

    @property
    def run_dir(self) -> Path:
        """Folder of this run."""
        return self.results_dir / self.run
