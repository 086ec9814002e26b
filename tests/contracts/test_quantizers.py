"""What a network relies on of every quantizer. One that `TrialConfig.quantizer` may name is found by itself."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from dataclasses import dataclass
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lwq_tune.config import trial
from lwq_tune.errors import ConfigError
from lwq_tune.quantization import quantizers
from lwq_tune.quantization.quantizers.base import Grid, Quantizer
from lwq_tune.quantization.scheme import Scheme

BITS = st.integers(2, 8)
VALUES = st.lists(st.integers(-4096, 4096).map(lambda n: n / 64), min_size=1, max_size=40)


@dataclass(frozen=True)
class Case:
    """One of the places that a quantizer stands in: weights, weights per channel, or activations."""

    name: str
    place: str

    def make(self, bits: int, values: Tensor) -> Quantizer:
        """Return the quantizer as a network has it, where its weight is ``values``."""
        scheme = Scheme(self.name, per_channel=self.place == "weights per channel")
        made = scheme.act_quantizer(bits) if self.is_act else scheme.weight_quantizer(bits, values)
        assert isinstance(made, Quantizer)
        return made

    @property
    def is_act(self) -> bool:
        return self.place == "activations"

    @property
    def squashes(self) -> bool:
        """Whether weights go through tanh first, so that they move by more than half a step."""
        return self.name in ("pact", "dorefa") and not self.is_act

    @property
    def follows_its_values(self) -> bool:
        """Whether the range is that of each tensor that comes, so that the values that come out have another."""
        return self.name in ("pact", "dorefa", "minmax") and not self.is_act

    def __str__(self) -> str:
        return f"{self.name} {self.place}"


CASES = [
    Case(name, place)
    for name in get_args(trial.Quantizer)
    for place in ("weights", "weights per channel", "activations")
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def rows(values: list[float]) -> Tensor:
    """Return the values as three rows, filled up with the first."""
    return torch.tensor(values + [values[0]] * (-len(values) % 3)).view(3, -1)


def grid_of(case: Case, quantizer: Quantizer, values: Tensor) -> Grid:
    return quantizer.fixed_grid() if case.is_act else quantizer.encode(values).grid


def test_every_quantizer_is_among_those_tested() -> None:
    found = {type(case.make(2, torch.ones(3, 4))) for case in CASES}
    files = pkgutil.iter_modules(quantizers.__path__, f"{quantizers.__name__}.")
    modules = [importlib.import_module(file.name) for file in files]
    classes = {member for module in modules for _, member in inspect.getmembers(module, inspect.isclass)}
    public = {each for each in classes if not each.__name__.startswith("_")}
    assert found == {each for each in public if issubclass(each, Quantizer)} - {Quantizer}


@each_case
@settings(max_examples=40)
@given(values=VALUES, bits=BITS)
def test_at_most_two_to_the_bits_values_come_out_and_they_rise_with_what_goes_in(
    case: Case, values: list[float], bits: int
) -> None:
    x = rows(values)
    quantizer = case.make(bits, x).eval()
    out = quantizer(x).detach()
    channels = zip(x, out, strict=True) if quantizer.per_channel else [(x.flatten(), out.flatten())]
    for before, after in channels:
        assert len(after.unique()) <= 2**bits
        order = before.argsort(stable=True)
        assert bool((after[order].diff() >= 0).all())


@each_case
@settings(max_examples=40)
@given(values=VALUES, bits=BITS)
def test_what_comes_out_lies_on_the_grid_that_an_export_writes(case: Case, values: list[float], bits: int) -> None:
    x = rows(values)
    quantizer = case.make(bits, x).eval()
    out = quantizer(x).detach()
    grid = grid_of(case, quantizer, x)
    assert grid.bit_width == bits
    levels = out.double() / grid.scale.double() + grid.zero_point.double()
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert 0 <= int(levels.round().min()) <= int(levels.round().max()) < 2**bits


@pytest.mark.parametrize("case", [case for case in CASES if not case.follows_its_values], ids=str)
@settings(max_examples=40)
@given(values=VALUES, bits=BITS)
def test_quantizing_twice_is_quantizing_once(case: Case, values: list[float], bits: int) -> None:
    x = rows(values)
    quantizer = case.make(bits, x).eval()
    once = quantizer(x)
    assert torch.allclose(quantizer(once), once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if not case.squashes], ids=str)
@settings(max_examples=40)
@given(values=VALUES, bits=BITS)
def test_inside_the_range_the_error_is_at_most_half_a_step(case: Case, values: list[float], bits: int) -> None:
    x = rows(values)
    quantizer = case.make(bits, x).eval()
    out = quantizer(x)
    grid = grid_of(case, quantizer, x)
    level = x / grid.scale + grid.zero_point
    inside = (level > 0) & (level < quantizer.high - quantizer.low)
    assert bool((((out - x).abs() <= grid.scale * (0.5 + 1e-4)) | ~inside).all())


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_act], ids=str)
def test_the_integers_of_a_weight_stand_for_its_quantized_values(case: Case) -> None:
    weight = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    lowest = case.make(8, weight).min_bit_width
    for bits in {lowest, 2, 3, 8}:
        quantizer = case.make(bits, weight)
        encoded = quantizer.encode(weight)
        assert encoded.levels.dtype == torch.uint8
        assert int(encoded.levels.max()) < 2**bits
        assert torch.allclose(encoded.decode(), quantizer(weight), atol=1e-6)


@each_case
def test_bits_that_it_cannot_do_are_refused_with_its_range(case: Case) -> None:
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    made = case.make(8, weight)
    for bits in (made.min_bit_width - 1, made.max_bit_width + 1):
        with pytest.raises(
            ConfigError, match=rf"must be in \[{made.min_bit_width}, {made.max_bit_width}\], got {bits}"
        ):
            case.make(bits, weight)


@pytest.mark.parametrize("name", get_args(trial.Quantizer))
def test_32_bits_are_no_quantization(name: str) -> None:
    scheme = Scheme(name)
    assert isinstance(scheme.weight_quantizer(32, torch.ones(3, 4)), nn.Identity)
    assert isinstance(scheme.act_quantizer(32), nn.Identity)


@each_case
def test_a_checkpoint_keeps_the_range(case: Case) -> None:
    generator = torch.Generator().manual_seed(0)
    x, other = torch.rand(3, 40, generator=generator), 7 * torch.rand(3, 40, generator=generator)
    quantizer, loaded = case.make(3, x), case.make(3, x)
    quantizer.initialize(other)
    loaded.load_state_dict(quantizer.state_dict())
    assert loaded.is_initialized
    assert torch.equal(quantizer.eval()(x), loaded.eval()(x))


@each_case
def test_gradients_reach_the_values_and_whatever_is_learned(case: Case) -> None:
    x = torch.rand(3, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    quantizer = case.make(3, x.detach())
    quantizer(x).square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).any())
    learned = quantizer.learned_parameters()
    assert set(learned) == set(quantizer.parameters())
    assert all(parameter.grad is not None and bool((parameter.grad != 0).any()) for parameter in learned)


@each_case
def test_a_quantizer_that_says_so_ends_negative_values_at_zero(case: Case) -> None:
    x = torch.linspace(-4, 4, 33).repeat(3, 1)
    quantizer = case.make(4, x)
    quantizer(x)
    below = quantizer.eval()(x)[x < 0]
    assert bool((below == 0).all()) == quantizer.clips_at_zero


@each_case
@pytest.mark.parametrize("value", [0.0, 1e-30, 3.0, -2.0])
def test_constant_tensors_leave_everything_finite(case: Case, value: float) -> None:
    x = torch.full((3, 4), value, requires_grad=True)
    quantizer = case.make(2, x.detach())
    out = quantizer(x)
    out.sum().backward()
    assert bool(torch.isfinite(out).all())
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())
    assert all(bool(torch.isfinite(p.grad).all()) for p in quantizer.parameters() if p.grad is not None)


@each_case
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_not_hidden(case: Case, bad: float) -> None:
    """A NaN must reach the loss, where the trial ends; an infinity is clipped to the grid's end or becomes NaN."""
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    quantizer = case.make(3, x)
    quantizer(x)
    quantizer.eval()
    out = quantizer(torch.tensor([[bad, 0.5, 1.0, 2.0]] * 3))
    if math.isnan(bad):
        assert bool(out.isnan().any())
    else:
        end = quantizer(torch.tensor([[1e6, 0.5, 1.0, 2.0]] * 3)).abs().max()
        assert bool((out.isnan() | (out.abs() <= end)).all())
