"""Configuration objects: `TrialConfig` is the science and is hashed, `SweepConfig` the machine and is not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lwq_tune.quantization.schedules import (
    Family,
    check_bit_width,
    check_bit_widths,
    family,
    schedule_name,
)
from lwq_tune.shapes import MODEL_BLOCKS

Augmentation = Literal["crop_flip", "crop", "none"]
LrCurve = Literal["cosine", "step", "constant"]
MAX_BLOCKS = 1000
BitWidth = Annotated[int, BeforeValidator(check_bit_width)]

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class TrialConfig(BaseModel):
    """Everything that decides what one trial computes.

    Attributes:
        dataset: ``digits``, ``cifar10``, ``cifar100`` or the folder of a Hub-layout data set.
        dataset_digest: Digest of that folder's content; enters ``trial_key`` in place of the path.
        model: ``resnet14`` to ``resnet56``, or ``resnet`` with ``blocks``.
        blocks: Basic blocks per residual stage.
        width: Multiplier on all channels.
        bit_widths: Bits of weights per stage; 32 leaves the stage untouched.
        act_bit_widths: Bits of input and output activations per stage; the same as ``bit_widths`` by default.
        lr_milestones: Epochs after which ``lr_curve: step`` multiplies the learning rate by ``lr_gamma``.
        seed: Seed of initialisation, order and augmentation; replicates differ in it alone.
        split_seed: Seed of the validation split, the same for all trials of a sweep.
    """

    model_config = STRICT

    dataset: str = "digits"
    dataset_digest: str | None = None
    model: str = "resnet14"
    blocks: tuple[int, ...] = Field(default=(), strict=False)
    width: float = Field(default=1.0, gt=0, le=16)
    bit_widths: tuple[BitWidth, ...] = Field(strict=False)
    act_bit_widths: tuple[BitWidth, ...] = Field(default=(), strict=False)
    quantizer: Literal["lsq"] = "lsq"
    epochs: int = Field(default=8, ge=1, lt=2**31)
    batch_size: int = Field(default=128, ge=2, lt=2**31)
    lr: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    lr_curve: LrCurve = "cosine"
    lr_milestones: tuple[int, ...] = Field(default=(), strict=False)
    lr_gamma: float = Field(default=0.1, gt=0, le=1)
    augmentation: Augmentation = "crop_flip"
    validation_fraction: float = Field(default=0.1, gt=0, le=0.5)
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in what other settings imply."""
        filled = dict(values)
        by_name = MODEL_BLOCKS.get(str(filled.get("model", "resnet14")))
        if by_name and not filled.get("blocks"):
            filled["blocks"] = by_name
        if not filled.get("act_bit_widths"):
            filled["act_bit_widths"] = filled.get("bit_widths", ())
        if "augmentation" not in filled and filled.get("dataset", "digits") == "digits":  # mirrored, a 2 is no 2
            filled["augmentation"] = "crop"
        return filled

    @model_validator(mode="after")
    def _check(self) -> TrialConfig:
        """Check the settings that depend on each other."""
        if self.model not in MODEL_BLOCKS and self.model != "resnet":
            names = ", ".join(MODEL_BLOCKS)
            raise ValueError(f"model must be one of {names}, or resnet with blocks, got {self.model!r}")
        if not self.blocks or any(not 1 <= n <= MAX_BLOCKS for n in self.blocks) or len(self.blocks) > 6:
            raise ValueError(
                f"blocks must hold 1 to {MAX_BLOCKS} basic blocks for each of 1 to 6 stages, got {list(self.blocks)}"
            )
        if self.model in MODEL_BLOCKS and self.blocks != MODEL_BLOCKS[self.model]:
            raise ValueError(
                f"{self.model} has blocks {list(MODEL_BLOCKS[self.model])}; for {list(self.blocks)} say model: resnet"
            )
        if self.lr_milestones and self.lr_curve != "step":
            raise ValueError(f"lr_milestones belong to lr_curve: step, got lr_curve: {self.lr_curve}")
        if self.lr_curve == "step" and not self.lr_milestones:
            raise ValueError("lr_curve: step needs lr_milestones, the epochs after which the rate falls, got none")
        is_rising = list(self.lr_milestones) == sorted(set(self.lr_milestones))
        if not is_rising or any(not 1 <= milestone < self.epochs for milestone in self.lr_milestones):
            raise ValueError(
                f"lr_milestones must rise from 1 to at most {self.epochs - 1}, got {list(self.lr_milestones)}"
            )
        return self

    @model_validator(mode="after")
    def _check_bits(self) -> TrialConfig:
        check_bit_widths(self.bit_widths, len(self.blocks))
        check_bit_widths(self.act_bit_widths, len(self.blocks))
        return self

    @property
    def schedule(self) -> str:
        """Name of the schedule of the weights."""
        return schedule_name(self.bit_widths)

    @property
    def family(self) -> Family:
        """Family of the schedule of the weights."""
        return family(self.bit_widths)

    @property
    def trial_key(self) -> str:
        """First 12 hex digits of the SHA-256 of the canonical JSON.

        A folder counts by its content, so a copy elsewhere has the same key.
        """
        values = self.model_dump(mode="json")
        if values.pop("dataset_digest"):
            values["dataset"] = f"sha256:{self.dataset_digest}"
        if values["blocks"] == list(MODEL_BLOCKS.get(self.model, ())):
            values["model"] = "resnet"
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class SweepConfig(BaseModel):
    """How and where a sweep runs; nothing in it changes what a trial computes.

    Attributes:
        results_dir: Folder that holds the run folders.
        run: Name of the run folder.
        data_dir: Folder of downloaded data sets.
        cpus_per_trial: CPUs a trial reserves and its number of threads; all of the host by default.
        gpus_per_trial: GPUs a trial reserves; one where the host has one, by default.
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
