"""LSQ: its grid, where its step starts, and the layout of tensors. Its gradients: test_fake_quantize."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.errors import ConfigError
from lwq_tune.quantization.fake_quantize import fake_quantize
from lwq_tune.quantization.quantizers.lsq import LSQ_RULE, LSQQuantizer, int_range
from tests.support import quantizer_twins as twins

BIT_WIDTHS = st.integers(2, 8)
SIGNED = st.booleans()
SCALES = st.floats(0.01, 10.0)
# Multiples of 1/64 are exact in float32, so that ties and edges mean the same to both twins.
VALUES = st.lists(st.integers(-4096, 4096).map(lambda n: n / 64), min_size=1, max_size=40)


@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (2, 8, 1, 1), (7,), (4, 3)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_scale_does_not_depend_on_the_memory_layout(
    shape: tuple[int, ...], memory_format: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(1)
    values, upstream = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    if len(shape) == 4:
        values = values.to(memory_format=memory_format)
    scale = torch.tensor(0.3, requires_grad=True)
    fake_quantize(values, scale, -4, 3, 1.0, LSQ_RULE).backward(upstream)
    expected = sum(
        u * twins.lsq(v, 0.3, 4, 3)[2]
        for v, u in zip(values.flatten().double().tolist(), upstream.flatten().double().tolist(), strict=True)
    )
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def quantize(values: list[float], scale: float, bit_width: int, signed: bool) -> torch.Tensor:
    low, high = int_range(bit_width, signed=signed)
    return fake_quantize(torch.tensor(values), torch.tensor(scale), low, high, 1.0, LSQ_RULE)


@given(VALUES, SCALES, BIT_WIDTHS, SIGNED)
def test_quantizing_twice_changes_nothing(values: list[float], scale: float, bit_width: int, signed: bool) -> None:
    once = quantize(values, scale, bit_width, signed)
    assert torch.equal(quantize(once.tolist(), scale, bit_width, signed), once)


@given(VALUES, SCALES, BIT_WIDTHS, SIGNED)
def test_quantizing_keeps_the_order(values: list[float], scale: float, bit_width: int, signed: bool) -> None:
    out = quantize(sorted(values), scale, bit_width, signed)
    assert bool((out.diff() >= 0).all())


@given(VALUES, SCALES, BIT_WIDTHS, SIGNED)
def test_values_are_on_the_grid_and_within_half_a_step_inside_the_range(
    values: list[float], scale: float, bit_width: int, signed: bool
) -> None:
    low, high = int_range(bit_width, signed=signed)
    out = quantize(values, scale, bit_width, signed)
    levels = out / scale
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert len(out.unique()) <= 2**bit_width
    assert levels.round().min() >= low
    assert levels.round().max() <= high
    inputs = torch.tensor(values)
    inside = (inputs >= low * scale) & (inputs <= high * scale)
    assert bool(((out - inputs).abs()[inside] <= scale * 0.5001).all())


def test_the_scale_starts_from_the_mean_magnitude() -> None:
    quantizer = LSQQuantizer(3, signed=True)
    quantizer.initialize(torch.tensor([1.0, -2.0, 3.0]))
    assert quantizer.scale.item() == pytest.approx(2 * 2.0 / math.sqrt(3))


def test_activations_take_their_scale_from_the_first_batch_only() -> None:
    quantizer = LSQQuantizer(2, signed=False)
    quantizer(torch.full((4, 2), 3.0))
    assert quantizer.scale.item() == pytest.approx(2 * 3.0 / math.sqrt(3))
    quantizer(torch.full((4, 2), 100.0))
    assert quantizer.scale.item() == pytest.approx(2 * 3.0 / math.sqrt(3))


def test_a_loaded_quantizer_is_not_initialised_again() -> None:
    trained, fresh = LSQQuantizer(2, signed=False), LSQQuantizer(2, signed=False)
    trained(torch.full((4, 2), 3.0))
    fresh.load_state_dict(trained.state_dict())
    fresh(torch.full((4, 2), 100.0))
    assert fresh.scale.item() == trained.scale.item()


@pytest.mark.parametrize(("signed", "n_counted"), [(True, 5 * 6), (False, 6)])
def test_the_gradient_scale_counts_weights_of_a_layer_and_features_of_a_sample(signed: bool, n_counted: int) -> None:
    quantizer = LSQQuantizer(3, signed=signed)
    quantizer.initialize(torch.ones(1))
    quantizer(torch.full((5, 6), 1e6)).sum().backward()  # all clipped: each adds Q_P
    assert quantizer.scale.grad is not None
    expected = 5 * 6 * quantizer.high / math.sqrt(n_counted * quantizer.high)
    assert quantizer.scale.grad.item() == pytest.approx(expected)


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-30, 0.0]])
def test_a_tensor_of_zeros_leaves_a_usable_scale(values: list[float]) -> None:
    quantizer = LSQQuantizer(4, signed=False)
    out = quantizer(torch.tensor([values]))
    assert bool(torch.isfinite(out).all())
    assert quantizer.scale.item() > 0


@settings(max_examples=20)
@given(st.floats(-2.0, 2.0).filter(lambda s: s != 0))
def test_a_scale_that_crosses_zero_counts_by_its_magnitude(scale: float) -> None:
    quantizer = LSQQuantizer(3, signed=True)
    quantizer.initialize(torch.ones(1))
    with torch.no_grad():
        quantizer.scale.fill_(scale)
        out = quantizer(torch.tensor([0.3, -1.0, 5.0]))
    expected = quantize([0.3, -1.0, 5.0], max(abs(torch.tensor(scale).item()), 1e-8), 3, True)
    assert torch.equal(out, expected)


@pytest.mark.parametrize("bit_width", [0, 1, 9, 32])
def test_lsq_refuses_bits_it_has_no_levels_for(bit_width: int) -> None:
    with pytest.raises(ConfigError, match=r"\[2, 8\]"):
        LSQQuantizer(bit_width, signed=True)
