"""`TrialConfig`: what a trial computes; its hash is the trial's key. See also `lwq_tune.config.sweep`."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator

from lwq_tune.config.network import NETWORK_SETTINGS, Arguments, UnitPatterns
from lwq_tune.config.settings import names_where, setting
from lwq_tune.models.description import find_units
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS, MODEL_BLOCKS
from lwq_tune.models.spec import (
    Granularity,
    NetworkSpec,
    digest_of_file,
    is_file,
    network_spec,
    source_digest,
    split_factory,
)
from lwq_tune.quantization.schedules import (
    BIT_WIDTHS,
    Family,
    check_bit_width,
    check_bit_widths,
    family,
    one_bit_more,
    schedule_name,
)

Quantizer = Literal["lsq", "pact", "dorefa", "minmax"]
MAX_BLOCKS = 1000
BitWidth = Annotated[int, BeforeValidator(check_bit_width), WithJsonSchema({"enum": list(BIT_WIDTHS)})]
_SETS_OF_DIGITS = ("digits", "mnist", "svhn")  # mirrored, a 2 is no 2
PTQ_QUANTIZERS = ("lsq", "minmax")
PRETRAIN_KEYS = ("pretrain_epochs", "pretrain_batch_size", "pretrain_lr", "pretrain_weight_decay")
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class TrialConfig(BaseModel):
    """Everything that decides what one trial computes. What each setting means is said where it is declared."""

    model_config = STRICT

    dataset: str = setting(
        "digits",
        "data set: digits, cifar10, cifar100, mnist, fashion_mnist, svhn, stl10 or a folder of images",
        is_shared_with_initial=True,
    )
    dataset_digest: str | None = setting(
        None,
        "digest of the content of a folder; enters the key in place of its path",
        is_shared_with_initial=True,
        flag=None,
    )
    model: str = setting(
        "resnet14",
        "network: resnet14 to resnet56, resnet with blocks, torchvision:NAME, module:factory or file.py:factory",
        is_shared_with_initial=True,
    )
    blocks: tuple[int, ...] = setting(
        (), "basic blocks per residual stage", decides_cost=True, is_shared_with_initial=True, strict=False
    )
    width: float = setting(
        1.0, "multiplier on all channels", unit="1", decides_cost=True, is_shared_with_initial=True, gt=0, le=16
    )
    model_arguments: Arguments = setting(
        "{}",
        "what a network of torchvision or a factory is called with beside the classes, as a mapping",
        decides_cost=True,
        is_shared_with_initial=True,
        is_in_key_at_default=False,
    )
    stem: Literal["own", "cifar"] = setting(
        "own",
        "cifar replaces the stem of such a network by a 3x3 convolution of stride 1 without pooling, for small images",
        decides_cost=True,
        is_shared_with_initial=True,
        is_in_key_at_default=False,
    )
    weights: str | None = setting(
        None,
        "file with a state dict that a network starts from",
        is_shared_with_initial=True,
        metavar="FILE",
        is_in_key_at_default=False,
    )
    weights_digest: str | None = setting(
        None,
        "digest of that file; enters the key in place of its path",
        is_shared_with_initial=True,
        flag=None,
        is_in_key_at_default=False,
    )
    source_digest: str | None = setting(
        None,
        "digest of the code of a factory, with the version of its package; enters the key in place of a path",
        decides_cost=True,
        is_shared_with_initial=True,
        flag=None,
        is_in_key_at_default=False,
    )
    granularity: Granularity = setting(
        "stage",
        "what a unit is, which gets one bit-width: a stage, a block or a layer of the network",
        decides_cost=True,
        is_shared_with_initial=True,
        is_of_quantization=True,
        is_in_key_at_default=False,
    )
    units: UnitPatterns | None = setting(
        None,
        "units by name, each with a pattern of module names or a list of them, in place of granularity",
        decides_cost=True,
        is_shared_with_initial=True,
        is_of_quantization=True,
        is_in_key_at_default=False,
    )
    bit_widths: tuple[BitWidth, ...] = setting(
        ...,
        "weight bits per unit, by default a residual stage, shallow to deep; 32 is full precision",
        unit="bit",
        decides_cost=True,
        is_of_quantization=True,
        flag=None,
        strict=False,
    )
    act_bit_widths: tuple[BitWidth, ...] = setting(
        (),
        "activation bits per unit, at its input and output; by default those of the weights",
        unit="bit",
        decides_cost=True,
        is_of_quantization=True,
        flag=None,
        strict=False,
    )
    quantizer: Quantizer = setting("lsq", "quantizer", decides_cost=True, is_of_quantization=True)
    weight_scales: Literal["per_tensor", "per_channel"] = setting(
        "per_tensor", "one scale per weight tensor, or per output channel", decides_cost=True, is_of_quantization=True
    )
    first_last_bit_width: Literal[8, 32] = setting(
        32, "bits of stem and classifier of a quantized network", unit="bit", decides_cost=True, is_of_quantization=True
    )
    scale_weight_decay: float | None = setting(
        None,
        "weight decay of learned steps and clipping levels; by default that of the weights for pact, none for lsq",
        unit="1",
        is_of_quantization=True,
        ge=0,
    )
    mode: Literal["qat", "ptq"] = setting(
        "qat", "qat trains; ptq calibrates a trained full-precision network and evaluates it", decides_cost=True
    )
    init_from: Literal["scratch", "full_precision", "progressive"] = setting(
        "scratch",
        "what the trial starts from: nothing, the full-precision trial of its seed, or, a bit at a time, the "
        "trial with one bit more in each stage below 4 bits",
        is_of_quantization=True,
    )
    pretrain_epochs: int | None = setting(
        None,
        "epochs of the full-precision trial it starts from, where they differ",
        is_of_quantization=True,
        ge=1,
        lt=2**31,
    )
    pretrain_batch_size: int | None = setting(
        None, "batch size of that trial, where it differs", is_of_quantization=True, ge=2, lt=2**31
    )
    pretrain_lr: float | None = setting(
        None, "learning rate of that trial, where it differs", unit="1", is_of_quantization=True, gt=0
    )
    pretrain_weight_decay: float | None = setting(
        None, "weight decay of that trial, where it differs", unit="1", is_of_quantization=True, ge=0
    )
    calibration_images: int = setting(
        512,
        "training images that set the ranges of the quantizers; by default 512 with ptq, else a batch, 64 to 512",
        decides_cost=True,
        is_of_quantization=True,
        ge=2,
        lt=2**31,
    )
    engine: Literal["auto", "eager", "compiled"] = setting(
        "auto",
        "how steps are to be executed; auto decides by the length of the trial",
        decides_cost=True,
        is_shared_with_initial=True,
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32",
        "arithmetic of convolutions and activations while training",
        decides_cost=True,
        is_shared_with_initial=True,
    )
    epochs: int = setting(8, "epochs asked for", decides_cost=True, ge=1, lt=2**31)
    batch_size: int = setting(128, "images per step", decides_cost=True, ge=2, lt=2**31)
    lr: float = setting(0.1, "initial learning rate", unit="1", gt=0)
    momentum: float = setting(0.9, "momentum of SGD", unit="1", is_shared_with_initial=True, ge=0, lt=1)
    weight_decay: float = setting(1e-4, "weight decay of weights and batch norm", unit="1", ge=0)
    lr_curve: Literal["cosine", "step", "constant"] = setting(
        "cosine", "learning-rate curve", is_shared_with_initial=True
    )
    lr_milestones: tuple[int, ...] = setting(
        (), "epochs after which a step curve falls", unit="epoch", is_shared_with_initial=True, strict=False
    )
    lr_gamma: float = setting(0.1, "factor of a step curve", unit="1", is_shared_with_initial=True, gt=0, le=1)
    augmentation: Literal["crop_flip", "crop", "none"] = setting(
        "crop_flip",
        "augmentation of training images; crop by default for digits, mnist and svhn",
        decides_cost=True,
        is_shared_with_initial=True,
    )
    validation_fraction: float = setting(
        0.1,
        "share of the training images held out",
        unit="1",
        decides_cost=True,
        is_shared_with_initial=True,
        gt=0,
        le=0.5,
    )
    scale_init: Literal["auto", "paper", "least_squares"] = setting(
        "auto",
        "where the steps of lsq start: at the paper's value, at least squared error, or, with auto, at the "
        "latter where the trial starts from a trained network",
        is_of_quantization=True,
    )
    evaluation: Literal["validation_and_test", "validation"] = setting(
        "validation_and_test", "images that the network is evaluated on after each epoch", decides_cost=True
    )
    split_seed: int = setting(
        0,
        "seed of the validation split, the same for all trials of a sweep",
        is_shared_with_initial=True,
        ge=0,
        lt=2**32,
    )
    seed: int = setting(
        0,
        "seed of initialisation, order and augmentation; replicates differ in it alone",
        is_shared_with_initial=True,
        ge=0,
        lt=2**32,
    )

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
        name = str(filled.get("dataset", "digits")).partition("?")[0]  # without a size behind it
        if "augmentation" not in filled and name in _SETS_OF_DIGITS:
            filled["augmentation"] = "crop"
        if filled.get("mode") == "ptq":
            filled.setdefault("init_from", "full_precision")
        elif isinstance(batch_size := filled.get("batch_size", cls.model_fields["batch_size"].default), int):
            filled.setdefault("calibration_images", max(64, min(batch_size, 512)))
        return filled

    @model_validator(mode="after")
    def _check(self) -> TrialConfig:
        """Check the settings that depend on each other."""
        self._check_network()
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

    def _check_network(self) -> None:
        if not self.network.is_builtin:
            if self.blocks or self.width != 1.0:
                raise ValueError(
                    f"blocks and width belong to the built-in networks, got them with model: {self.model}; use "
                    "model_arguments"
                )
            return
        foreign = [name for name in ("model_arguments", "weights") if getattr(self, name) not in ("{}", None)]
        foreign += ["stem"] if self.stem != "own" else []
        if foreign:
            raise ValueError(
                f"{', '.join(foreign)} belong to networks of torchvision or of a factory, got model: {self.model}"
            )
        if not self.blocks or any(not 1 <= n <= MAX_BLOCKS for n in self.blocks) or len(self.blocks) > 6:
            raise ValueError(
                f"blocks must hold 1 to {MAX_BLOCKS} basic blocks for each of 1 to 6 stages, got {list(self.blocks)}"
            )
        if self.model in MODEL_BLOCKS and self.blocks != MODEL_BLOCKS[self.model]:
            raise ValueError(
                f"{self.model} has blocks {list(MODEL_BLOCKS[self.model])}; for {list(self.blocks)} say model: resnet"
            )

    @model_validator(mode="after")
    def _check_bits(self) -> TrialConfig:
        # Units of other networks are known once they are built; a space, and a trial that starts, check them.
        n_units = len(find_units(self.network).names) if self.network.is_builtin else len(self.bit_widths)
        check_bit_widths(self.bit_widths, n_units)
        check_bit_widths(self.act_bit_widths, n_units)
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
    def network(self) -> NetworkSpec:
        """The network and its units."""
        return network_spec({name: getattr(self, name) for name in NETWORK_SETTINGS})

    def network_as_found(self) -> dict[str, Any]:
        """Return settings that name the network by what is there now: full paths, digests of its code and its weights.

        Raises:
            ConfigError: A file or module is not there.
        """
        found: dict[str, Any] = {"source_digest": source_digest(self.model)}
        if is_file(self.model):
            place, factory = split_factory(self.model)
            found["model"] = f"{Path(place).expanduser().absolute()}:{factory}"
        if self.weights is not None:
            path = Path(self.weights).expanduser().absolute()
            found |= {"weights": str(path), "weights_digest": digest_of_file(path, "weights")}
        return found

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
        full = (FULL_PRECISION_BITS,) * len(self.bit_widths)
        given = {name.removeprefix("pretrain_"): getattr(self, name) for name in PRETRAIN_KEYS}
        return TrialConfig(
            **self.model_dump(include=set(_shared_with_initial())),
            **{name: getattr(self, name) if value is None else value for name, value in given.items()},
            bit_widths=full,
        )

    @property
    def trial_key(self) -> str:
        """First 12 hex digits of the SHA-256 of the canonical JSON.

        A folder and a file count by their content, so a copy elsewhere has the same key. A full-precision trial is the
        same whatever the units are.
        """
        values = self.model_dump(mode="json")
        if self.is_full_precision:
            full = [FULL_PRECISION_BITS] * max(1, len(self.blocks))
            values |= {"granularity": "stage", "units": None, "bit_widths": full, "act_bit_widths": full}
        digest, weights_digest = values.pop("source_digest"), values.pop("weights_digest")
        if digest:
            values["model"] = f"sha256:{digest}:{split_factory(self.model)[1]}"
        if weights_digest:
            values["weights"] = f"sha256:{weights_digest}"
        for name in _left_out_at_default():
            if name in values and values[name] == type(self).model_fields[name].default:
                del values[name]
        if values.pop("dataset_digest"):
            values["dataset"] = f"sha256:{self.dataset_digest}"
        if self.network.is_builtin and values["blocks"] == list(MODEL_BLOCKS.get(self.model, ())):
            values["model"] = "resnet"
        if self.is_full_precision:
            values["calibration_images"] = 512  # nothing is calibrated
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@functools.cache
def _left_out_at_default() -> tuple[str, ...]:
    return names_where(TrialConfig, lambda one: not one.is_in_key_at_default)


@functools.cache
def _shared_with_initial() -> tuple[str, ...]:
    return names_where(TrialConfig, lambda one: one.is_shared_with_initial)
