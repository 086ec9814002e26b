"""`SweepConfig`, the machine side of a sweep, which is never hashed."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from lwq_tune.config import STRICT

MAX_PUE = 10.0


class SweepConfig(BaseModel):
    """How and where a sweep runs; nothing in it changes what a trial computes.

    Attributes:
        results_dir: Folder that holds the run folders.
        run: Name of the run folder.
        data_dir: Folder of downloaded data sets.
        max_concurrent: Trials at a time; as many as fit by default.
        cpus_per_trial: CPUs a trial reserves and its number of threads; an equal part of the host by default.
        gpus_per_trial: GPUs a trial reserves; one where the host has one, by default.
        exclusive: One trial at a time with the whole host, in random order within each seed, after an idle baseline
            and a warm-up.
        init_run: Run folder whose trained trials others of this sweep may start from.
        country: ISO 3166-1 alpha-3 codes whose yearly mean carbon intensity is used: ``FRA``, or ``HOST=FRA``.
        carbon_intensity: Carbon intensities in g/kWh: ``56``, or ``HOST=56``.
        intensity_file: Files of carbon intensities over time: ``FILE``, or ``HOST=FILE``.
        pue: Power usage effectiveness; all energies are multiplied by it.
    """

    model_config = STRICT

    results_dir: Path
    run: str = Field(pattern=r"^[^/\\.][^/\\]*$", max_length=120)
    data_dir: Path
    max_concurrent: int | None = Field(default=None, ge=1)
    cpus_per_trial: float | None = Field(default=None, gt=0)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    exclusive: bool = False
    init_run: Path | None = None
    country: tuple[str, ...] = Field(default=(), strict=False)
    carbon_intensity: tuple[str, ...] = Field(default=(), strict=False)
    intensity_file: tuple[str, ...] = Field(default=(), strict=False)
    pue: float = Field(default=1.0, ge=1, le=MAX_PUE)

    @property
    def run_dir(self) -> Path:
        """Folder of this run."""
        return self.results_dir / self.run
