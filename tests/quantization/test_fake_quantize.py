"""Every quantizer against its slow twin and against torch. What all of them share is in `tests/contracts`."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lwq_tune.errors import ConfigError
from lwq_tune.quantization.fake_quantize import Rule, fake_quantize, fake_quantize_affine
from lwq_tune.quantization.quantizers.base import Quantizer
from lwq_tune.quantization.quantizers.dorefa import DoReFaActQuantizer, DoReFaWeightQuantizer
from lwq_tune.quantization.quantizers.least_squares import least_squares_scale
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.quantizers.minmax import MinMaxActQuantizer, MinMaxWeightQuantizer, affine_grid
from lwq_tune.quantization.quantizers.pact import PACTQuantizer
from tests.support import quantizer_twins as twins

BITS = st.integers(2, 8)
# Multiples of 1/64 and powers of two are exact in float32: ties and edges mean the same to both twins.
VALUES = st.lists(st.integers(-4096, 4096).map(lambda n: n / 64), min_size=1, max_size=40)
MAKERS: dict[str, Callable[[int], Quantizer]] = {
    "lsq weights": lambda bits: LSQQuantizer(bits, signed=True),
    "lsq activations": lambda bits: LSQQuantizer(bits, signed=False),
    "lsq weights per channel": lambda bits: LSQQuantizer(bits, signed=True, n_channels=3, n_dims=2),
    "pact": PACTQuantizer,
    "dorefa weights": DoReFaWeightQuantizer,
    "dorefa weights per channel": lambda bits: DoReFaWeightQuantizer(bits, per_channel=True),
    "dorefa activations": DoReFaActQuantizer,
    "minmax weights": MinMaxWeightQuantizer,
    "minmax weights per channel": lambda bits: MinMaxWeightQuantizer(bits, per_channel=True),
    "minmax activations": MinMaxActQuantizer,
}
NAMES = list(MAKERS)
POWERS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])


def gradients(out: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Return the gradients of a weighted sum of ``out`` whose weights are `upstream`."""
    return list(torch.autograd.grad(out, inputs, upstream(out)))


def upstream(like: Tensor) -> Tensor:
    return (0.5 + 0.25 * torch.arange(like.numel())).view(like.shape)


def rows(values: list[float]) -> Tensor:
    """Return the values as three rows, filled up with the first."""
    return torch.tensor(values + [values[0]] * (-len(values) % 3)).view(3, -1)


@given(VALUES, POWERS, BITS, st.booleans())
def test_lsq_agrees_with_its_twin(values: list[float], scale: float, bits: int, signed: bool) -> None:
    quantizer = LSQQuantizer(bits, signed=signed)
    quantizer.initialize(torch.ones(1))
    with torch.no_grad():
        quantizer.scale.fill_(scale)
    v = torch.tensor(values).view(1, -1).requires_grad_()
    out = quantizer(v)
    dv, ds = gradients(out, v, quantizer.scale)
    q_n, q_p = (2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    expected = [twins.lsq(value, scale, q_n, q_p) for value in values]
    assert out.flatten().tolist() == [forward for forward, _, _ in expected]
    u = upstream(v).flatten().tolist()
    assert dv.flatten().tolist() == [w * slope for w, (_, slope, _) in zip(u, expected, strict=True)]
    g = 1 / math.sqrt(len(values) * q_p)
    total = g * sum(w * slope for w, (_, _, slope) in zip(u, expected, strict=True))
    assert ds.item() == pytest.approx(total, rel=1e-4, abs=1e-3)


@given(VALUES, BITS)
def test_lsq_per_channel_is_lsq_on_each_channel(values: list[float], bits: int) -> None:
    weight = rows(values).requires_grad_()
    quantizer = LSQQuantizer(bits, signed=True, n_channels=3, n_dims=2)
    out = quantizer(weight)
    dw, ds = gradients(out, weight, quantizer.scale)
    for channel in range(3):
        alone = LSQQuantizer(bits, signed=True)
        row = weight.detach()[channel : channel + 1].requires_grad_()
        row_out = alone(row)
        assert torch.equal(row_out, out[channel : channel + 1])
        row_dw, row_ds = torch.autograd.grad(row_out, (row, alone.scale), upstream(out)[channel : channel + 1])
        assert torch.equal(row_dw, dw[channel : channel + 1])
        assert row_ds.item() == pytest.approx(ds[channel].item(), rel=1e-4, abs=1e-3)


@given(VALUES, POWERS, BITS)
def test_pact_agrees_with_its_twin(values: list[float], step: float, bits: int) -> None:
    alpha = step * (2**bits - 1)  # its step is a power of two
    quantizer = PACTQuantizer(bits)
    quantizer.initialize(torch.ones(1))
    with torch.no_grad():
        quantizer.alpha.fill_(alpha)
    x = torch.tensor([*values, 0.0, alpha]).view(1, -1).requires_grad_()  # both edges among them
    out = quantizer(x)
    dx, dalpha = gradients(out, x, quantizer.alpha)
    expected = [twins.pact(value, alpha, bits) for value in x.flatten().tolist()]
    assert out.flatten().tolist() == pytest.approx([forward for forward, _, _ in expected])
    u = upstream(x).flatten().tolist()
    assert dx.flatten().tolist() == [w * slope for w, (_, slope, _) in zip(u, expected, strict=True)]
    total = sum(w * slope for w, (_, _, slope) in zip(u, expected, strict=True))
    assert dalpha.item() == pytest.approx(total, rel=1e-4, abs=1e-3)


@given(VALUES, BITS)
def test_dorefa_activations_agree_with_their_twin(values: list[float], bits: int) -> None:
    x = torch.tensor([*(v / 32 for v in values), 0.0, 1.0]).requires_grad_()
    out = DoReFaActQuantizer(bits)(x)
    (dx,) = gradients(out, x)
    expected = [twins.dorefa_act(value, bits) for value in x.tolist()]
    assert out.tolist() == pytest.approx([forward for forward, _ in expected], abs=1e-6)
    u = upstream(x).tolist()
    assert dx.tolist() == [w * slope for w, (_, slope) in zip(u, expected, strict=True)]


def is_near_a_tie(level: float) -> bool:
    """Return whether float32 may round ``level`` to either of two integers."""
    return abs(abs(level - math.floor(level)) - 0.5) < 1e-4


@given(VALUES.filter(any), st.integers(1, 8))
def test_dorefa_weights_agree_with_their_twin(values: list[float], bits: int) -> None:
    weights = [v / 16 for v in values]
    w = torch.tensor(weights).requires_grad_()
    out = DoReFaWeightQuantizer(bits)(w)
    (dw,) = gradients(out, w)
    forward, slopes = twins.dorefa_weights(weights, bits)
    n_steps = 2**bits - 1
    largest = max(abs(math.tanh(weight)) for weight in weights)
    for got, expected, weight in zip(out.tolist(), forward, weights, strict=True):
        # tanh rounds differently in float32: at a tie either neighbour is right
        level = n_steps * (math.tanh(weight) / (2 * largest) + 0.5)
        is_tie = bits > 1 and is_near_a_tie(level)
        assert got == pytest.approx(expected, abs=1e-5) or (
            is_tie and abs(got - expected) == pytest.approx(2 / n_steps, abs=1e-5)
        )
    u = upstream(w).tolist()
    assert dw.tolist() == pytest.approx([g * slope for g, slope in zip(u, slopes, strict=True)], rel=1e-3, abs=1e-5)


def test_dorefa_weights_round_to_the_hand_computed_grid() -> None:
    # tanh(w)/max: -1, 0, 0.5, 1 -> r = 0, 0.5, 0.75, 1 -> 3r = 0, 1.5, 2.25, 3 -> 0, 2, 2, 3 -> -1, 1/3, 1/3, 1
    w = torch.atanh(torch.tensor([-0.8, 0.0, 0.4, 0.8]))
    assert DoReFaWeightQuantizer(2)(w).tolist() == pytest.approx([-1, 1 / 3, 1 / 3, 1])


@given(VALUES.filter(lambda values: max(values) != min(values) or values[0] != 0), BITS)
def test_minmax_weights_agree_with_their_twin(values: list[float], bits: int) -> None:
    w = torch.tensor(values).requires_grad_()
    out = MinMaxWeightQuantizer(bits)(w)
    (dw,) = gradients(out, w)
    scale, zero_point = twins.affine_grid(min(values), max(values), bits)
    expected = [twins.minmax(value, scale, zero_point, bits) for value in values]
    for got, (value, _), weight in zip(out.tolist(), expected, values, strict=True):
        is_tie = is_near_a_tie(weight / scale) or is_near_a_tie(min(*values, 0.0) / scale)
        assert got == pytest.approx(value, abs=1e-4) or (is_tie and abs(got - value) == pytest.approx(scale, rel=1e-3))
    inside = [min(values) < value < max(values) for value in values]
    u = upstream(w).tolist()
    for got, weight, is_inside in zip(dw.tolist(), u, inside, strict=True):
        assert got == weight or not is_inside


@given(VALUES, st.floats(0.01, 4.0), BITS, st.integers(0, 255))
def test_minmax_is_torchs_own_fake_quantization_bit_for_bit(
    values: list[float], scale: float, bits: int, zero_point: int
) -> None:
    zero_point = min(zero_point, 2**bits - 1)
    x = torch.tensor(values).mul(0.37).requires_grad_()
    s = torch.tensor(scale)
    out = fake_quantize_affine(x, s, torch.tensor(float(zero_point)), 0, 2**bits - 1)
    oracle = torch.fake_quantize_per_tensor_affine(x, s.item(), zero_point, 0, 2**bits - 1)
    assert torch.equal(out, oracle)
    assert torch.equal(*(gradients(each, x)[0] for each in (out, oracle)))


@given(VALUES, BITS)
def test_minmax_per_channel_is_torchs_own_bit_for_bit(values: list[float], bits: int) -> None:
    weight = rows(values).mul(0.37).requires_grad_()
    quantizer = MinMaxWeightQuantizer(bits, per_channel=True)
    out = quantizer(weight)
    scale, zero_point = quantizer.affine(weight)
    oracle = torch.fake_quantize_per_channel_affine(
        weight, scale.flatten(), zero_point.flatten().to(torch.int32), 0, 0, 2**bits - 1
    )
    assert torch.equal(out, oracle)
    assert torch.equal(*(gradients(each, weight)[0] for each in (out, oracle)))


@given(VALUES, st.floats(0.05, 4.0), BITS, st.booleans())
def test_lsq_is_torchs_learnable_fake_quantization_where_that_is_defined(
    values: list[float], scale: float, bits: int, signed: bool
) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    x = torch.tensor(values).mul(0.37)
    ratio = x / torch.tensor(scale)
    x = x[((ratio - low).abs() > 1) & ((ratio - high).abs() > 1)]  # torch rounds before it asks what is in range
    if not len(x):
        return
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    s, t = torch.tensor([scale], requires_grad=True), torch.tensor([scale], requires_grad=True)
    out = fake_quantize(ours, s.squeeze(), low, high, 0.125, Rule("open", "residual"))
    oracle = torch._fake_quantize_learnable_per_tensor_affine(theirs, t, torch.zeros(1), low, high, 0.125)
    assert torch.equal(out, oracle)
    (dx, ds), (dx_oracle, ds_oracle) = gradients(out, ours, s), gradients(oracle, theirs, t)
    assert torch.equal(dx, dx_oracle)
    assert ds.item() == pytest.approx(ds_oracle.item(), rel=1e-3, abs=1e-2)


@given(VALUES.filter(any), BITS)
def test_a_full_scale_grid_spans_the_extremes_and_has_a_level_for_zero(values: list[float], bits: int) -> None:
    scale, zero_point = affine_grid(torch.tensor(min(values)), torch.tensor(max(values)), 2**bits - 1)
    expected = twins.affine_grid(min(values), max(values), bits)
    assert scale.item() == pytest.approx(expected[0], rel=1e-6)
    assert abs(zero_point.item() - expected[1]) <= 1  # a tie may fall either way in float32
    assert zero_point.item() == round(zero_point.item())


def test_minmax_activations_follow_a_moving_average() -> None:
    quantizer = MinMaxActQuantizer(8)
    quantizer(torch.tensor([-1.0, 3.0]))
    assert (quantizer.smallest.item(), quantizer.largest.item()) == (-1.0, 3.0)
    quantizer(torch.tensor([-2.0, 13.0]))
    assert quantizer.smallest.item() == pytest.approx(0.9 * -1 + 0.1 * -2)
    assert quantizer.largest.item() == pytest.approx(0.9 * 3 + 0.1 * 13)
    quantizer.eval()(torch.tensor([99.0]))
    assert quantizer.largest.item() == pytest.approx(4.0)


COARSE_FRACTIONS = [2 ** (-k / 4) for k in range(25)]


@settings(max_examples=30)
@given(st.lists(st.floats(0, 10), min_size=4, max_size=60).filter(lambda v: max(v) > 0.1), st.integers(2, 4))
def test_pact_starts_where_the_squared_error_is_least(values: list[float], bits: int) -> None:
    pact = PACTQuantizer(bits)
    pact.initialize(torch.tensor(values))
    candidates = [max(values) * fraction for fraction in COARSE_FRACTIONS]
    best = min(twins.quantization_error(values, 0, 2**bits - 1, candidate) for candidate in candidates)
    error = twins.quantization_error(values, 0, 2**bits - 1, pact.alpha.item())
    assert error <= best * (1 + 1e-3) + 1e-6


@settings(max_examples=30)
@given(
    st.lists(st.floats(-10, 10), min_size=6, max_size=60).filter(lambda v: max(map(abs, v)) > 0.1), st.integers(2, 4)
)
def test_a_least_squares_scale_is_no_worse_than_any_coarse_candidate(
    values: list[float],
    bits: int,
) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    channels = rows(values)
    scales = least_squares_scale(channels, low, high, per_channel=True)
    assert scales.shape == (3, 1)
    for channel, scale in zip(channels, scales.flatten().tolist(), strict=True):
        listed = channel.tolist()
        spanning = max(max(listed) / high, min(listed) / low)
        levels = [spanning * fraction * high for fraction in COARSE_FRACTIONS]
        errors = [twins.quantization_error(listed, low, high, level) for level in levels]
        assert twins.quantization_error(listed, low, high, scale * high) <= min(errors) * (1 + 1e-3) + 1e-6
        assert least_squares_scale(channel, low, high).item() == pytest.approx(scale)


@pytest.mark.parametrize("low_high", [(0, 3), (0, 15), (0, 255), (-2, 1), (-8, 7)])
def test_a_least_squares_scale_of_values_with_a_long_tail_lies_near_the_best(
    low_high: tuple[int, int],
) -> None:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(20_000, generator=generator)
    values = normal * torch.rand(20_000, generator=generator).pow(-0.3)
    values = values if low_high[0] else values.relu()
    found = least_squares_scale(values, *low_high).item()
    scales = found * torch.linspace(0.5, 2, 301)
    errors = [((values / s).clamp(*low_high).round() * s - values).square().mean().item() for s in scales]
    assert found == pytest.approx(scales[min(range(301), key=errors.__getitem__)].item(), rel=0.02)


@pytest.mark.parametrize(("bits", "steps_per_std"), [(2, 1.0), (4, 0.35)])
def test_few_bits_start_far_from_least_squared_error_by_the_papers_formula(bits: int, steps_per_std: float) -> None:
    weights = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    paper, least = (LSQQuantizer(bits, signed=True, least_squares=choice) for choice in (False, True))
    for quantizer in (paper, least):
        quantizer.initialize(weights)
    # mean|w| of a normal distribution is sqrt(2 / pi) of its standard deviation.
    assert paper.scale.item() == pytest.approx(2 * math.sqrt(2 / math.pi) / math.sqrt(2 ** (bits - 1) - 1), rel=0.01)
    assert least.scale.item() == pytest.approx(steps_per_std, rel=0.12)
    errors = [float((quantizer(weights) - weights).detach().square().mean()) for quantizer in (paper, least)]
    assert errors[1] < 0.75 * errors[0]


@pytest.mark.parametrize("edges", ["open", "half_open", "closed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fast_and_the_compiled_form_let_the_same_values_through(edges: str, dtype: torch.dtype) -> None:
    scaled = torch.tensor([-1.0, -0.0, 0.0, 0.5, 1.0, 6.9, 7.0, 7.5, 9.0], dtype=dtype)
    rule = Rule(edges, "residual")  # type: ignore[arg-type]
    results = []
    for low, high in ((0, 7), (torch.tensor(0.0), torch.tensor(7.0))):
        v, s = scaled.clone().requires_grad_(), torch.tensor(1.0, requires_grad=True)
        out = fake_quantize(v, s, low, high, torch.tensor(1.0) if isinstance(low, Tensor) else 1.0, rule)
        results.append([out.detach(), *gradients(out.float(), v, s)])
    for fast, compiled in zip(*results, strict=True):
        assert torch.allclose(fast, compiled, rtol=1e-2)
    passed = {"open": [3, 4, 5], "half_open": [1, 2, 3, 4, 5], "closed": [1, 2, 3, 4, 5, 6]}[edges]
    assert results[0][1].nonzero().flatten().tolist() == passed


@pytest.mark.parametrize("n_values", [4096, 4095], ids=["in partial sums", "in one sum"])
@pytest.mark.parametrize("bits", [2, 4, 5, 8])
@pytest.mark.parametrize("rule", [Rule("open", "residual"), Rule("half_open", "saturated")], ids=["lsq", "pact"])
def test_the_scale_gradient_in_bfloat16_is_that_of_the_twin_in_double_precision(
    bits: int, rule: Rule, n_values: int
) -> None:
    generator = torch.Generator().manual_seed(bits)
    high = 2**bits - 1
    scale = torch.tensor(1.01 / high)
    values = torch.rand(20_000, generator=generator).mul(1.3).bfloat16()
    level = values.double() / scale.double()
    margin = level.clamp(max=high) / 200 if bits < 5 else 1e-3  # of bfloat16 products, of float32 ones
    is_clear = (((level + 0.5) - (level + 0.5).round()).abs() > margin) & ((level - high).abs() > margin)
    v = values[is_clear][:n_values].requires_grad_()
    u = torch.randn(n_values, generator=generator).bfloat16()
    s = scale.clone().requires_grad_()
    (got,) = torch.autograd.grad(fake_quantize(v, s, 0, high, 1.0, rule), s, u)
    if rule.edges == "open":
        slopes = [twins.lsq(x, scale.item(), 0, high)[2] for x in v.tolist()]
    else:  # the level alpha is high steps
        slopes = [high * twins.pact(x, high * scale.item(), bits)[2] for x in v.tolist()]
    terms = [w * slope for w, slope in zip(u.tolist(), slopes, strict=True)]
    # So far may a sum of rounded products be off; a wrong level or residual is further off.
    assert got.item() == pytest.approx(math.fsum(terms), abs=1e-4 * math.fsum(abs(w) * high for w in u.tolist()))


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_bfloat16_values_fall_to_the_levels_of_their_float32_copies(bits: int) -> None:
    values = torch.rand(5000, generator=torch.Generator().manual_seed(bits)).bfloat16()
    scale = torch.tensor(1.01 / (2**bits - 1))
    exact = fake_quantize(values.float(), scale, 0, 2**bits - 1, 1.0, Rule("open", "residual")).bfloat16()
    rounded = fake_quantize(values, scale, 0, 2**bits - 1, 1.0, Rule("open", "residual"))
    share = float((exact != rounded).float().mean())
    assert share == 0 if bits > 4 else share < 0.03  # a bfloat16 product next to a tie falls to either side


def test_up_to_level_15_bfloat16_values_are_scaled_as_they_are_and_beyond_in_float32() -> None:
    # 1 / scale is 9.484375: in bfloat16, whose steps are 1/16 there, the product is 9.5, which rounds to the even 10.
    inverse = torch.tensor(9.5 - 1 / 64)
    one = torch.ones(1, dtype=torch.bfloat16)
    levels = [
        fake_quantize(one, torch.tensor(1.0), 0, high, 1.0, Rule("open", "none"), inverse).item()
        for high in (14, 15, 16, 17)
    ]
    assert levels == [10, 10, 9, 9]


@pytest.mark.parametrize("name", NAMES)
def test_the_form_for_the_compiler_has_the_values_and_gradients_of_the_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, u = (torch.randn(3, 50, generator=generator) for _ in range(2))
    quantizer = MAKERS[name](3)
    quantizer(x)
    quantizer.eval()
    results = []
    for is_compiling in (False, True):
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda is_compiling=is_compiling: is_compiling)
        values = x.clone().requires_grad_()
        out = quantizer(values)
        results.append([out.detach(), *torch.autograd.grad(out, [values, *quantizer.parameters()], u)])
    for eager, compiled in zip(*results, strict=True):
        assert torch.allclose(eager, compiled, rtol=1e-4, atol=1e-6)


def test_a_least_squares_scale_is_a_64th_of_the_spanning_one_or_somewhat_less_at_least() -> None:
    # Levels 0 and 1, and ones with a single 100: the best scale is near 1, the least that is tried is
    # 100 / 64 in coarse steps, and seven steps of 2^(1/32) below that.
    values = torch.ones(40_000)
    values[0] = 100.0
    assert least_squares_scale(values, 0, 1).item() == pytest.approx(100 * 2 ** (-6 - 7 / 32), rel=1e-5)


def test_a_least_squares_scale_of_many_values_takes_an_odd_share_of_them() -> None:
    for n_values, expected in ((99_999, 1.0), (100_000, 1 / 3)):  # all: levels 1 and 3; each third: ones alone
        values = torch.full((n_values,), 3.0)
        values[::3] = 1.0
        assert least_squares_scale(values, 0, 3).item() == pytest.approx(expected)


def test_negative_values_count_as_0_where_the_least_level_is_0() -> None:
    assert least_squares_scale(torch.tensor([-8.0, 0.0, 1.0, 2.0, 3.0]), 0, 3).item() == 1.0
    assert least_squares_scale(torch.zeros(4), 0, 3).item() == pytest.approx(1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_quantizer_has_levels_for_2_to_8_bits_and_refuses_others(name: str) -> None:
    lowest = 1 if name.startswith("dorefa w") else 2
    for bits in (lowest, 8):
        assert MAKERS[name](bits).high - MAKERS[name](bits).low == 2**bits - 1
    for bits in (lowest - 1, 9):
        with pytest.raises(ConfigError, match=rf"must be in \[{lowest}, 8\], got {bits}"):
            MAKERS[name](bits)


def test_a_quantizer_describes_its_grid() -> None:
    assert LSQQuantizer(3, signed=True).extra_repr() == "bit_width=3, levels=[-4, 3]"
    assert MinMaxWeightQuantizer(2, per_channel=True).extra_repr() == "bit_width=2, levels=[0, 3], per channel"


@pytest.mark.parametrize(
    ("name", "is_signed"),
    [("lsq weights", True), ("lsq activations", False), ("pact", False), ("dorefa weights", True)],
)
def test_a_grid_is_signed_where_it_has_values_below_0(name: str, is_signed: bool) -> None:
    quantizer = MAKERS[name](2)
    x = torch.tensor([[-1.0, 1.0]])
    quantizer(x)
    grid = quantizer.encode(x).grid if "weights" in name else quantizer.fixed_grid()
    assert grid.is_signed == is_signed


@pytest.mark.parametrize("name", ["lsq activations", "pact", "dorefa activations", "minmax activations"])
@pytest.mark.parametrize("bits", [2, 5])
def test_the_fixed_grid_of_an_activation_holds_every_value_that_comes_out(name: str, bits: int) -> None:
    quantizer = MAKERS[name](bits)
    quantizer(torch.linspace(0, 2, 400).view(4, 100))
    grid, x = quantizer.eval().fixed_grid(), torch.linspace(0, 50, 4000)
    assert grid.bit_width == bits
    expected = (torch.arange(2**bits) - grid.zero_point) * grid.scale
    assert quantizer(x).unique().tolist() == pytest.approx(expected.tolist())


def test_a_compiler_is_not_let_near_a_quantizer_without_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer = LSQQuantizer(2, signed=False)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with pytest.raises(RuntimeError, match="calibrate"):
        quantizer(torch.ones(2, 2))
