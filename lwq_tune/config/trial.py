"""`TrialConfig`: what a trial computes; its hash is the trial's key. See also `lwq_tune.config.sweep`."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS, MODEL_BLOCKS
from lwq_tune.quantization.schedules import (
    Family,
    check_bit_width,
    check_bit_widths,
    family,
    one_bit_more,
    schedule_name,
)

Quantizer = Literal["lsq", "pact", "dorefa", "minmax"]
Augmentation = Literal["crop_flip", "crop", "none"]
LrCurve = Literal["cosine", "step", "constant"]
MAX_BLOCKS = 1000
BitWidth = Annotated[int, BeforeValidator(check_bit_width)]

PTQ_QUANTIZERS = ("lsq", "minmax")
PRETRAIN_KEYS = ("pretrain_epochs", "pretrain_batch_size", "pretrain_lr", "pretrain_weight_decay")
# What a full-precision trial has in common with the quantized trials that start from it; the rest is the default,
# so that it has the same key in every sweep.
SHARED_WITH_INITIAL = frozenset({
    "dataset", "dataset_digest", "model", "blocks", "width", "momentum", "lr_curve", "lr_milestones", "lr_gamma",
    "augmentation", "validation_fraction", "split_seed", "seed", "engine", "precision",
})  # fmt: skip

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
        quantizer: ``lsq``, ``pact``, ``dorefa`` or ``minmax``.
        weight_scales: One scale for a weight tensor, or one for each of its output channels.
        first_last_bit_width: Bits of stem and classifier of a quantized network.
        scale_init: Where the steps of ``lsq`` start: at the ``paper``'s value, at ``least_squares`` error, or, with
            ``auto``, at the latter where the trial starts from a trained network.
        scale_weight_decay: Weight decay of learned steps and clipping levels; by default that of the weights for
            ``pact``, none for ``lsq``.
        mode: ``qat`` trains; ``ptq`` calibrates a trained full-precision network and evaluates it.
        init_from: What the trial starts from: nothing, the full-precision trial of the same seed, or, a bit at a
            time, the trial with one bit more in each stage below 4 bits (2 from 3 from 4 from full precision).
        pretrain_epochs: Epochs of that full-precision trial where they differ; likewise the next three.
        calibration_images: Training images that set the ranges of the quantizers; by default 512 with ``ptq``, else a
            batch, 64 to 512.
        engine: How steps are executed: ``eager``, ``compiled``, or ``auto`` by the length of the trial.
        precision: ``fp32``, or ``bf16`` for convolutions and activations in bfloat16.
        lr_milestones: Epochs after which ``lr_curve: step`` multiplies the learning rate by ``lr_gamma``.
        evaluation: What the network is evaluated on after each epoch; a screen of many trials needs no test images.
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
    quantizer: Quantizer = "lsq"
    weight_scales: Literal["per_tensor", "per_channel"] = "per_tensor"
    first_last_bit_width: Literal[8, 32] = 32
    scale_init: Literal["auto", "paper", "least_squares"] = "auto"
    scale_weight_decay: float | None = Field(default=None, ge=0)
    mode: Literal["qat", "ptq"] = "qat"
    init_from: Literal["scratch", "full_precision", "progressive"] = "scratch"
    pretrain_epochs: int | None = Field(default=None, ge=1, lt=2**31)
    pretrain_batch_size: int | None = Field(default=None, ge=2, lt=2**31)
    pretrain_lr: float | None = Field(default=None, gt=0)
    pretrain_weight_decay: float | None = Field(default=None, ge=0)
    calibration_images: int = Field(default=512, ge=2, lt=2**31)
    engine: Literal["auto", "eager", "compiled"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
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
    evaluation: Literal["validation_and_test", "validation"] = "validation_and_test"
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
        if filled.get("mode") == "ptq":
            filled.setdefault("init_from", "full_precision")
        elif isinstance(batch_size := filled.get("batch_size", cls.model_fields["batch_size"].default), int):
            filled.setdefault("calibration_images", max(64, min(batch_size, 512)))
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
        if 1 in self.bit_widths and self.quantizer != "dorefa":
            raise ValueError(
                f"weights of 1 bit need quantizer: dorefa, {self.quantizer} has 2 to 8 bits, got "
                f"{list(self.bit_widths)}"
            )
        if 1 in self.act_bit_widths:
            raise ValueError(
                f"activations have 2 to 8 bits, or 32, got {list(self.act_bit_widths)}; "
                "give act_bit_widths of their own beside weights of 1 bit"
            )
        return self

    @model_validator(mode="after")
    def _check_scale_init(self) -> TrialConfig:
        if self.scale_init != "auto" and self.quantizer != "lsq":
            raise ValueError(f"scale_init belongs to quantizer: lsq, got {self.scale_init} with {self.quantizer}")
        return self

    @model_validator(mode="after")
    def _check_start(self) -> TrialConfig:
        if self.mode == "ptq" and self.init_from != "full_precision":
            raise ValueError(f"mode: ptq needs init_from: full_precision, got {self.init_from}")
        if self.mode == "ptq" and self.quantizer not in PTQ_QUANTIZERS:
            raise ValueError(
                f"mode: ptq needs a quantizer that keeps the scale of trained weights, {' or '.join(PTQ_QUANTIZERS)}, "
                f"got {self.quantizer}"
            )
        given = [name for name in PRETRAIN_KEYS if getattr(self, name) is not None]
        if self.init_from == "scratch" and given:
            raise ValueError(f"{', '.join(given)} belong to init_from: full_precision or progressive, got scratch")
        if self.pretrain_epochs is not None and any(e >= self.pretrain_epochs for e in self.lr_milestones):
            raise ValueError(
                f"lr_milestones hold for the full-precision trial too, must be below pretrain_epochs, got "
                f"{list(self.lr_milestones)} with {self.pretrain_epochs}"
            )
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
    def is_full_precision(self) -> bool:
        """Whether nothing is quantized."""
        return {*self.bit_widths, *self.act_bit_widths} == {FULL_PRECISION_BITS}

    @property
    def starts_at_least_squares(self) -> bool:
        """Whether the steps of LSQ start at least squared error."""
        return self.scale_init == "least_squares" or (self.scale_init == "auto" and self.init_from != "scratch")

    @property
    def n_rows(self) -> int:
        """Epochs that the trial runs: one where it only calibrates."""
        return 1 if self.mode == "ptq" else self.epochs

    @property
    def initial(self) -> TrialConfig | None:
        """The trial whose network this one starts from, None for a start from scratch."""
        if self.init_from == "scratch":
            return None
        if self.init_from == "progressive":
            bits, act_bits = one_bit_more(self.bit_widths), one_bit_more(self.act_bit_widths)
            if (bits, act_bits) != (self.bit_widths, self.act_bit_widths):
                return self.model_copy(update={"bit_widths": bits, "act_bit_widths": act_bits})
        full = (FULL_PRECISION_BITS,) * len(self.blocks)
        given = {name.removeprefix("pretrain_"): getattr(self, name) for name in PRETRAIN_KEYS}
        return TrialConfig(
            **self.model_dump(include=set(SHARED_WITH_INITIAL)),
            **{name: getattr(self, name) if value is None else value for name, value in given.items()},
            bit_widths=full,
        )

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
        if self.is_full_precision:
            values["calibration_images"] = 512  # nothing is calibrated
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]
