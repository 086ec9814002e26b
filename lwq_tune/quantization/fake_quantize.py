"""Fake quantization of a tensor, with the gradients that the papers define. Every quantizer rests on these.

Two forms of the same arithmetic: eager code takes integer bounds as Python numbers, for which PyTorch has fast
kernels; compiled code takes them as tensors, so that one compiled graph serves all bit-widths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Bound = float | Tensor
# Which scaled values v/s let the gradient of the input through:
#   open       low <  v/s <  high    LSQ
#   half_open  low <= v/s <  high    PACT
#   closed     low <= v/s <= high    DoReFa, whose clip is closed
Edges = Literal["open", "half_open", "closed"]
# The gradient of the scale: LSQ's (with the rounding residual inside the range), PACT's (saturated values only), none.
ScaleGradient = Literal["residual", "saturated", "none"]
_PARTIAL_SUM = 1024
_MAX_LEVEL_IN_BF16 = 15


@dataclass(frozen=True)
class Rule:
    """What distinguishes one quantizer's gradients from another's."""

    edges: Edges
    scale_gradient: ScaleGradient


def _in_memory_order(tensor: Tensor, like: Tensor) -> Tensor:
    """Return ``tensor`` as a vector in the memory order of ``like``, without a copy where they agree."""
    if like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).reshape(-1)
    return tensor.reshape(-1)


def _inner_product(first: Tensor, second: Tensor, like: Tensor) -> Tensor:
    """Return the sum of products as a float32 scalar.

    A bfloat16 sum would keep three digits; partial sums of 1024 products, added in float32, keep more.
    """
    a, b = _in_memory_order(first, like), _in_memory_order(second, like)
    if a.dtype == torch.float32:
        return torch.dot(a, b)
    if a.numel() % _PARTIAL_SUM:
        return (a * b).sum(dtype=torch.float32)
    partial = a.view(-1, 1, _PARTIAL_SUM) @ b.view(-1, _PARTIAL_SUM, 1)
    return partial.sum(dtype=torch.float32)


def _neighbour(value: float, towards: float) -> float:
    """Return the next float32 after ``value``."""
    return float(torch.nextafter(torch.tensor(value), torch.tensor(towards)))


def _let_through(gradient: Tensor, scaled: Tensor, low: Bound, high: Bound, edges: Edges) -> Tensor:
    """Return ``gradient`` where ``scaled`` is inside the range, 0 elsewhere."""
    if isinstance(low, Tensor) or isinstance(high, Tensor) or scaled.dtype != gradient.dtype:
        above = scaled > low if edges == "open" else scaled >= low
        below = scaled <= high if edges == "closed" else scaled < high
        return torch.where(above & below, gradient, 0)
    # One kernel instead of masks, open at both ends; a closed end is the open one a float further. For
    # 64x16x32x32 activations 1.2 instead of 2.8 ms (2 cores of an AMD EPYC VM, torch 2.15).
    lower = low if edges == "open" else _neighbour(low, -math.inf)
    upper = _neighbour(high, math.inf) if edges == "closed" else high
    through: Tensor = torch.ops.aten.hardtanh_backward(gradient, scaled, lower, upper)
    return through


def _clamp(values: Tensor, low: Bound, high: Bound, *, in_place: bool = False) -> Tensor:
    clamp = torch.clamp_ if in_place else torch.clamp
    return clamp(values, low, high)  # type: ignore[arg-type]  # torch takes two numbers or two tensors


def _scaled(values: Tensor, inverse: Tensor, high: Bound) -> Tensor:
    """Return v / s, a new tensor, in a precision that tells the levels apart.

    bfloat16 has 8 significant bits: enough to round to 16 levels, not to more. On CUDA a bfloat16 product would round
    the scale itself. (Compiled code computes in float32 anyway.)
    """
    is_coarse = values.dtype != torch.float32 and (
        isinstance(high, Tensor) or high > _MAX_LEVEL_IN_BF16 or values.device.type != "cpu"
    )
    return (values.float() if is_coarse else values) * inverse


class _FakeQuantize(torch.autograd.Function):
    """round(clip(v / s, low, high)) * s, with the gradients of a `Rule`.

    Kept for the backward pass are the values and in float32 the result, which the layers around keep anyway: a
    quantizer adds no activation to the memory of a step. v / s is computed again.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scale: Tensor, inverse: Tensor, low: Bound, high: Bound, factor: Bound, rule: Rule
    ) -> Tensor:
        result = _clamp(_scaled(values, inverse, high), low, high, in_place=True)
        result = result.round_().mul_(scale).to(values.dtype)
        ctx.rule = rule
        ctx.numbers = tuple(None if isinstance(bound, Tensor) else bound for bound in (low, high, factor))
        tensors = [bound for bound in (low, high, factor) if isinstance(bound, Tensor)]
        if not isinstance(low, Tensor) and values.dtype == torch.float32:
            tensors.append(result)
        ctx.save_for_backward(values, inverse, *tensors)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        rule: Rule = ctx.rule
        values, inverse, *tensors = ctx.saved_tensors
        low, high, factor = (tensors.pop(0) if number is None else number for number in ctx.numbers)
        scaled = _scaled(values, inverse, high)
        through = _let_through(gradient, scaled, low, high, rule.edges)
        if rule.scale_gradient == "none":
            return through, *(None,) * 6
        result = tensors[0] if tensors else None
        scale_gradient = _scale_gradient(gradient, through, values, scaled, inverse, (low, high), rule, result)
        return through, scale_gradient.mul_(factor), *(None,) * 5


def _scale_gradient(
    gradient: Tensor,
    through: Tensor,
    values: Tensor,
    scaled: Tensor,
    inverse: Tensor,
    bounds: tuple[Bound, Bound],
    rule: Rule,
    result: Tensor | None,
) -> Tensor:
    """Return the sum of gradient times level, less what the rule takes off inside the range.

    Args:
        gradient: Of the quantized values.
        through: The part of it inside the range.
        values: What was quantized.
        scaled: Values over scale; overwritten.
        inverse: 1 / scale.
        bounds: Smallest and largest level.
        rule: ``residual`` takes off v / s inside, ``saturated`` the level.
        result: The quantized values where they are float32: times ``inverse``, they are the levels. Rounded to
            bfloat16 they are not, whereas the levels themselves are exact in bfloat16 up to 256.
    """
    is_residual = rule.scale_gradient == "residual"
    if inverse.dim() or isinstance(bounds[0], Tensor):
        levels = _clamp(scaled, *bounds).round_()
        terms = gradient * levels - through * (scaled if is_residual else levels)
        dims = tuple(d for d in range(scaled.dim()) if not inverse.dim() or inverse.shape[d] == 1)
        return terms.sum(dims, keepdim=bool(inverse.dim()), dtype=torch.float32)
    if result is not None:
        inside = values if is_residual else result
        difference = _inner_product(result, gradient, values) - _inner_product(inside, through, values)
        return difference.mul_(inverse)
    levels = _clamp(scaled, *bounds, in_place=True).round_().to(gradient.dtype)
    if is_residual:
        taken_off = _inner_product(values, through, values).mul_(inverse)
    else:
        taken_off = _inner_product(levels, through, values)
    return _inner_product(levels, gradient, values) - taken_off


def fake_quantize(
    values: Tensor,
    scale: Tensor,
    low: Bound,
    high: Bound,
    factor: Bound,
    rule: Rule,
    inverse: Tensor | None = None,
) -> Tensor:
    """Return ``values`` rounded to multiples of ``scale`` between ``low * scale`` and ``high * scale``.

    Args:
        values: Any shape.
        scale: Strictly positive; shape () or one entry per slice that has its own, 1 elsewhere.
        low: Smallest integer level.
        high: Largest integer level; a tensor where ``low`` is one.
        factor: On the gradient of ``scale``.
        rule: Its gradients.
        inverse: 1 / scale, where that is the exact number of the two.

    >>> lsq = Rule("open", "residual")
    >>> fake_quantize(torch.tensor([-1.0, 0.2, 0.3, 9.0]), torch.tensor(0.5), 0, 3, 1.0, lsq)
    tensor([0.0000, 0.0000, 0.5000, 1.5000])
    """
    quantized: Tensor = _FakeQuantize.apply(
        values, scale, scale.detach().reciprocal() if inverse is None else inverse, low, high, factor, rule
    )
    return quantized


class _FakeQuantizeAffine(torch.autograd.Function):
    """(clip(round(v / s) + z, low, high) - z) * s; the gradient passes where the rounded level is in range."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, zero_point: Tensor, low: Bound, high: Bound) -> Tensor:
        # In float32 also for bfloat16 values: torch's own operator, the oracle, has no other arithmetic.
        levels = values.float().mul(scale.reciprocal()).round_().add_(zero_point)
        if isinstance(low, Tensor):
            ctx.save_for_backward(levels, low, high)
            ctx.bounds = None
        else:
            ctx.save_for_backward(levels)
            ctx.bounds = (low, high)
        return _clamp(levels, low, high).sub_(zero_point).mul_(scale).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        if ctx.bounds is None:
            levels, low, high = ctx.saved_tensors
        else:
            ((levels,), (low, high)) = ctx.saved_tensors, ctx.bounds
        through = _let_through(gradient, levels.to(gradient.dtype), low, high, "closed")
        return through, None, None, None, None


def fake_quantize_affine(values: Tensor, scale: Tensor, zero_point: Tensor, low: Bound, high: Bound) -> Tensor:
    """Return ``values`` on an affine grid, bit for bit as ``torch.fake_quantize_per_tensor_affine``.

    Args:
        values: Any shape.
        scale: Strictly positive; shape () or per slice, as in `fake_quantize`.
        zero_point: Level of the value 0, an integer as a float; the shape of ``scale``.
        low: Smallest level.
        high: Largest level.

    >>> fake_quantize_affine(torch.tensor([-1.0, 0.2, 9.0]), torch.tensor(0.5), torch.tensor(1.0), 0, 3)
    tensor([-0.5000,  0.0000,  1.0000])
    """
    quantized: Tensor = _FakeQuantizeAffine.apply(values, scale, zero_point, low, high)
    return quantized
