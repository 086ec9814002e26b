"""Turn a float network into one that trains with a schedule (Ikram et al. 2025, Algorithm 1).

Per stage of b bits: all convolution weights, what enters the stage, what enters each of its convolutions
and what leaves it are on grids of b bits. Between two stages stands one quantizer, of the fewer bits of the two: its
grid is one of either stage, and a second grid behind the first, with a step of its own, would only merge levels. The
sum that runs along the identity shortcuts inside a stage stays in full precision, and so do stem and classifier
unless the scheme gives them 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import BasicBlock, CifarResNet
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.quantization.layers import DEFAULT_SCHEME, QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.base import bits_of
from lwq_tune.quantization.schedules import check_bit_widths
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
    before, after = (FULL_PRECISION_BITS, *activations), (*activations[1:], FULL_PRECISION_BITS)
    for stage, weight_bit_width, act_bit_width, bits_before, bits_after in zip(
        model.stages(), weights, activations, before, after, strict=False
    ):
        if (weight_bit_width, act_bit_width) != (FULL_PRECISION_BITS, FULL_PRECISION_BITS):
            _prepare_stage(stage, weight_bit_width, act_bit_width, scheme)
        if bits_before == FULL_PRECISION_BITS:  # else the stage before has quantized what enters
            stage[0].input_quantizer = scheme.act_quantizer(act_bit_width)
        if act_bit_width != FULL_PRECISION_BITS:
            stage[-1].output_quantizer = scheme.act_quantizer(min(act_bit_width, bits_after))
        _leave_out_relus(stage)
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


def _leave_out_relus(stage: nn.Sequential) -> None:
    """Make a ReLU the identity where the quantizer behind it clips at 0 itself: the same values and gradients."""
    for block in stage:
        if getattr(getattr(block.conv2, "act_quantizer", None), "clips_at_zero", False):
            block.relu1 = nn.Identity()
        if getattr(block.output_quantizer, "clips_at_zero", False):
            block.relu2 = nn.Identity()


def used_bit_widths(model: CifarResNet) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the weight and the activation bits that each stage of a built model really has.

    Read from the integer ranges of the quantizers in place, not from what was asked.

    Raises:
        ConfigError: A stage mixes bit-widths, quantizes only some of its convolutions, or is not on the grid of the
            fewer bits where it meets another.
    """
    weights, activations = [], []
    for number, stage in enumerate(model.stages(), start=1):
        weight_bits = {
            bits_of(getattr(module, "weight_quantizer", None))
            for module in stage.modules()
            if isinstance(module, nn.Conv2d)
        }
        act_bits = {
            bits_of(getattr(conv, "act_quantizer", None))
            for index, block in enumerate(stage)
            for conv in ([block.conv2] if index == 0 else [block.conv1, block.conv2])
        }
        if len(weight_bits) != 1 or len(act_bits) != 1:
            raise ConfigError(
                f"a stage has one bit-width, got weights {sorted(weight_bits)} and activations "
                f"{sorted(act_bits)} in layer{number}"
            )
        weights.append(weight_bits.pop())
        activations.append(act_bits.pop())
    _check_ends(model.stages(), activations)
    return tuple(weights), tuple(activations)


def _check_ends(stages: list[nn.Sequential], activations: list[int]) -> None:
    before, after = [FULL_PRECISION_BITS, *activations], [*activations[1:], FULL_PRECISION_BITS]
    leaving_before = FULL_PRECISION_BITS
    for number, (stage, bits) in enumerate(zip(stages, activations, strict=True), start=1):
        entering = min(leaving_before, bits_of(getattr(stage[0], "input_quantizer", None)))
        leaving = leaving_before = bits_of(getattr(stage[-1], "output_quantizer", None))
        expected = min(before[number - 1], bits), FULL_PRECISION_BITS
        if bits != FULL_PRECISION_BITS:
            expected = expected[0], min(bits, after[number - 1])
        if (entering, leaving) != expected:
            raise ConfigError(
                f"what enters and leaves a stage has the fewer bits of the two sides, {expected[0]} and {expected[1]}, "
                f"got {entering} and {leaving} in layer{number}"
            )


def first_last_bit_width(model: CifarResNet) -> int:
    """Return the bits that stem and classifier of a built model really have.

    Raises:
        ConfigError: They differ.
    """
    bits = {bits_of(getattr(module, "weight_quantizer", None)) for module in (model.conv1, model.fc)}
    bits.add(bits_of(getattr(model.fc, "act_quantizer", None)))
    if len(bits) != 1:
        raise ConfigError(f"stem and classifier have one bit-width, got {sorted(bits)}")
    return bits.pop()
