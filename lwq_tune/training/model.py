"""Builds the network of a trial and its optimizer, and loads the weights of another trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.description import check_units
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.sources import make_network
from lwq_tune.models.spec import source_digest
from lwq_tune.quantization.calibrate import quantizers
from lwq_tune.quantization.prepare import first_last_bit_width, prepare_qat, used_bit_widths
from lwq_tune.quantization.prepare_graph import prepare_network, used_unit_bits
from lwq_tune.quantization.scheme import Scheme
from lwq_tune.training.sgd import SGD


def build_model(config: TrialConfig, images: ImageFormat, initial: dict[str, Tensor] | None = None) -> nn.Module:
    """Return the quantized network of a trial.

    Args:
        config: The trial.
        images: The form of its images and the number of classes.
        initial: State of the trained network to start from; without it, initialised from the global generator, or from
            the weights that the trial names.

    Raises:
        ConfigError: The bits in the built model differ from those asked for, ``initial`` is of another network, or the
            network cannot be built.
    """
    spec = config.network
    if config.source_digest is not None and source_digest(spec.model) != config.source_digest:
        raise ConfigError(
            f"a trial trains the network that it names, the code of {spec.model} is not what it was when the sweep "
            "began; put it back"
        )
    model = make_network(spec if initial is None else replace(spec, weights=None), images)
    if initial is not None:
        load_float_state(model, initial)
    scheme = Scheme(
        config.quantizer,
        config.weight_scales == "per_channel",
        config.first_last_bit_width,
        config.starts_at_least_squares,
    )
    if isinstance(model, CifarResNet) and spec.is_converted_by_stage:
        prepare_qat(model, config.bit_widths, config.act_bit_widths, scheme)
        first_last = FULL_PRECISION_BITS if config.is_full_precision else config.first_last_bit_width
        check_used_bits(model, config.bit_widths, config.act_bit_widths, first_last)
        return model
    units = check_units(model, spec)
    model = prepare_network(model, units, config.bit_widths, config.act_bit_widths, scheme)
    used = used_unit_bits(model, units)
    if used != config.bit_widths:
        raise ConfigError(
            f"a trial trains the bits it was asked for: weights {config.bit_widths}; the built model uses {used}"
        )
    return model


def load_float_state(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights and batch norm from the state of a trained network, quantized or not, without its ranges.

    A quantized network is prepared from the float weights that stand behind its quantized ones. A traced one holds only
    what its forward pass uses; the rest keeps its values.

    Raises:
        ConfigError: It is the state of another network.
    """
    wanted = model.state_dict()
    found = {name: value for name, value in state.items() if name in wanted}
    wrong = [name for name in found if found[name].shape != wanted[name].shape]
    if isinstance(model, CifarResNet) or not found:
        wrong += [name for name in wanted if name not in found]
    if wrong:
        raise ConfigError(
            f"a trial starts from a network of its own shape, {len(wrong)} of {len(wanted)} tensors do not fit, "
            f"the first is {wrong[0]}"
        )
    model.load_state_dict(found, strict=False)


def check_used_bits(
    model: CifarResNet, bit_widths: tuple[int, ...], act_bit_widths: tuple[int, ...], first_last: int
) -> None:
    """Refuse a model whose bits are not those asked for.

    Raises:
        ConfigError: They differ.
    """
    asked = (bit_widths, act_bit_widths)
    used = used_bit_widths(model)
    if used != asked:
        raise ConfigError(
            f"a trial trains the bits it was asked for: weights {asked[0]}, activations {asked[1]}; "
            f"the built model uses {used[0]} and {used[1]}"
        )
    used_first_last = first_last_bit_width(model)
    if used_first_last != first_last:
        raise ConfigError(
            f"stem and classifier were asked for {first_last} bits, the built model uses {used_first_last}"
        )


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ConfigError: ``cuda`` without a usable GPU.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"training on {device} needs a GPU that torch can use, got none; train on cpu")


def make_optimizer(
    model: nn.Module, *, lr: float, momentum: float, weight_decay: float, scale_weight_decay: float
) -> SGD:
    """Return SGD with momentum, as one fused kernel per step.

    Args:
        model: Its parameters are optimized.
        lr: Learning rate of the first step.
        momentum: Momentum of all parameters.
        weight_decay: Of weights, batch norm and biases.
        scale_weight_decay: Of learned steps and clipping levels.
    """
    learned = [parameter for quantizer in quantizers(model) for parameter in quantizer.learned_parameters()]
    learned_ids = {id(parameter) for parameter in learned}
    others = [parameter for parameter in model.parameters() if id(parameter) not in learned_ids]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": weight_decay}]
    if learned:
        groups.append({"params": learned, "weight_decay": scale_weight_decay})
    return SGD(groups, lr=lr, momentum=momentum)


def scale_weight_decay(config: TrialConfig) -> float:
    """Return the weight decay of learned ranges: PACT's penalty has the coefficient of the weights, LSQ has none."""
    if config.scale_weight_decay is not None:
        return config.scale_weight_decay
    return config.weight_decay if config.quantizer == "pact" else 0.0
