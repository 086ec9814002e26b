"""Turn a float network into one that trains with a schedule (Ikram et al. 2025, Algorithm 1).

Per stage of b bits: all convolution weights, what enters the stage, what enters each of its convolutions
and what leaves it are on grids of b bits. The sum that runs along the identity shortcuts inside a stage stays
in full precision, and so do stem and classifier unless the scheme gives them 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import BasicBlock, CifarResNet
from lwq_tune.quantization.layers import DEFAULT_SCHEME, QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizer import Quantizer
from lwq_tune.quantization.schedules import FULL_PRECISION_BITS, check_bit_widths
from lwq_tune.quantization.scheme import Scheme


def prepare_qat(
    model: CifarResNet,
    bit_widths: Sequence[int],
    act_bit_widths: Sequence[int] | None = None,
    scheme: Scheme = DEFAULT_SCHEME,
) -> CifarResNet:
    """Give each residual stage its bits, in place, and return the model.

    Args:
        model: A float network; its parameters keep names and values.
        bit_widths: Weight bits per stage; 32 leaves the weights of a stage untouched.
        act_bit_widths: Activation bits per stage; the same as ``bit_widths`` by default.
        scheme: The quantizers. Where all stages are in full precision, stem and classifier are so too.

    Raises:
        ConfigError: A bit-width is impossible, or the lengths differ from the number of stages.
    """
    weights = check_bit_widths(bit_widths, model.n_stages)
    activations = check_bit_widths(act_bit_widths or bit_widths, model.n_stages)
    for stage, weight_bit_width, act_bit_width in zip(model.stages(), weights, activations, strict=True):
        if (weight_bit_width, act_bit_width) != (FULL_PRECISION_BITS, FULL_PRECISION_BITS):
            _prepare_stage(stage, weight_bit_width, act_bit_width, scheme)
    if set(weights + activations) != {FULL_PRECISION_BITS} and scheme.first_last_bit_width != FULL_PRECISION_BITS:
        _prepare_first_and_last(model, scheme)
    return model


def _prepare_first_and_last(model: CifarResNet, scheme: Scheme) -> None:
    bit_width, scheme = scheme.first_last_bit_width, scheme.for_first_and_last()
    model.conv1 = QuantConv2d.from_float(
        model.conv1, weight_bit_width=bit_width, act_bit_width=FULL_PRECISION_BITS, scheme=scheme
    )
    model.fc = QuantLinear.from_float(model.fc, weight_bit_width=bit_width, act_bit_width=bit_width, scheme=scheme)


def _prepare_stage(stage: nn.Sequential, weight_bit_width: int, act_bit_width: int, scheme: Scheme) -> None:
    for index, block in enumerate(stage):
        if not isinstance(block, BasicBlock):
            raise ConfigError(f"a stage holds basic blocks, got {type(block).__name__}")
        is_first = index == 0
        if is_first:
            block.input_quantizer = scheme.act_quantizer(act_bit_width)
        if index == len(stage) - 1:
            block.output_quantizer = scheme.act_quantizer(act_bit_width)
        block.conv1 = QuantConv2d.from_float(
            block.conv1,
            weight_bit_width=weight_bit_width,
            act_bit_width=FULL_PRECISION_BITS if is_first else act_bit_width,
            scheme=scheme,
        )
        block.conv2 = QuantConv2d.from_float(
            block.conv2, weight_bit_width=weight_bit_width, act_bit_width=act_bit_width, scheme=scheme
        )
        if isinstance(block.shortcut, nn.Sequential):
            shortcut = block.shortcut[0]
            block.shortcut[0] = QuantConv2d.from_float(
                shortcut,  # type: ignore[arg-type]
                weight_bit_width=weight_bit_width,
                # A shortcut convolution stands in the first block, whose input is on the grid; were it
                # elsewhere, it would need a quantizer of its own.
                act_bit_width=FULL_PRECISION_BITS if is_first else act_bit_width,
                scheme=scheme,
            )


def used_bit_widths(model: CifarResNet) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the weight and the activation bits that each stage of a built model really has.

    Read from the integer ranges of the quantizers in place, not from what was asked.

    Raises:
        ConfigError: A stage mixes bit-widths, or quantizes only some of its convolutions.
    """
    weights, activations = [], []
    for number, stage in enumerate(model.stages(), start=1):
        weight_bits = {
            _bits(getattr(module, "weight_quantizer", None))
            for module in stage.modules()
            if isinstance(module, nn.Conv2d)
        }
        act_bits = {bits for block in stage for bits in _activation_bits(block)}
        act_bits.add(_bits(getattr(stage[-1], "output_quantizer", None)))
        if len(weight_bits) != 1 or len(act_bits) != 1:
            raise ConfigError(
                f"a stage has one bit-width, got weights {sorted(weight_bits)} and activations "
                f"{sorted(act_bits)} in layer{number}"
            )
        weights.append(weight_bits.pop())
        activations.append(act_bits.pop())
    return tuple(weights), tuple(activations)


def first_last_bit_width(model: CifarResNet) -> int:
    """Return the bits that stem and classifier of a built model really have.

    Raises:
        ConfigError: They differ.
    """
    bits = {_bits(getattr(module, "weight_quantizer", None)) for module in (model.conv1, model.fc)}
    bits.add(_bits(getattr(model.fc, "act_quantizer", None)))
    if len(bits) != 1:
        raise ConfigError(f"stem and classifier have one bit-width, got {sorted(bits)}")
    return bits.pop()


def _bits(quantizer: nn.Module | None) -> int:
    """Return the bits that the levels of a quantizer need, 32 for none."""
    if not isinstance(quantizer, Quantizer):
        return FULL_PRECISION_BITS
    return (quantizer.high - quantizer.low).bit_length()


def _activation_bits(block: nn.Module) -> set[int]:
    """Return the bits of what enters each convolution of a block."""
    entering = _bits(getattr(block, "input_quantizer", None))
    bits = set()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            own = _bits(getattr(module, "act_quantizer", None))
            sees_block_input = module is not getattr(block, "conv2", None)
            bits.add(min(own, entering) if sees_block_input else own)
    return bits
