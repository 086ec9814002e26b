"""What all quantizers share: their integer range, and how their values are written as integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.quantization.fake_quantize import Bound

MIN_SCALE = 1e-8


@dataclass(frozen=True)
class Grid:
    """The values that a quantizer gives in evaluation: ``(level - zero_point) * scale``, in levels from 0.

    Attributes:
        bit_width: Levels are the integers from 0 to 2**bit_width - 1.
        scale: Distance of two values, shape () or (c, 1, ...), float32; clamped as the network clamps it.
        zero_point: Level of the value 0, the shape of ``scale``. An integer, but for DoReFa's weights: their grid
            lies symmetrically around 0, which falls between its two middle levels.
    """

    bit_width: int
    scale: Tensor
    zero_point: Tensor

    @property
    def is_signed(self) -> bool:
        """Whether a value of the grid is below 0."""
        return bool((self.zero_point > 0).any())


@dataclass(frozen=True)
class Encoded:
    """A tensor as integers.

    Attributes:
        levels: uint8, the shape of the tensor.
        grid: What they stand for.
    """

    levels: Tensor
    grid: Grid

    def decode(self) -> Tensor:
        """Return the values."""
        return (self.levels - self.grid.zero_point) * self.grid.scale


class Quantizer(nn.Module):
    """Base of the quantizers.

    Attributes:
        bit_width: Bits.
        per_channel: Whether each slice of the first axis has a scale of its own.
        low: Smallest integer level.
        high: Largest integer level.
        is_calibrating: Whether each call sets the range anew, as the mean over the calls so far.
        clips_at_zero: Whether negative values end at 0, so that a ReLU before it changes nothing.
        finds_sign: Whether it begins with levels from 0 and takes a signed range at the first negative value that it
            is calibrated on. From then on the range is fixed; it is part of the state.
    """

    levels: Tensor
    _initialized: Tensor
    _is_signed: Tensor
    min_bit_width, max_bit_width = 2, 8
    name = "a quantizer"
    clips_at_zero = False

    def __init__(
        self, bit_width: int, low: int, high: int, *, per_channel: bool = False, finds_sign: bool = False
    ) -> None:
        super().__init__()
        if not self.min_bit_width <= bit_width <= self.max_bit_width:
            raise ConfigError(
                f"the bit_width of {self.name} must be in [{self.min_bit_width}, {self.max_bit_width}], got {bit_width}"
            )
        self.bit_width, self.per_channel = bit_width, per_channel
        self.low, self.high = low, high
        self.register_buffer("levels", torch.tensor([float(low), float(high)]), persistent=False)
        self.register_buffer("_initialized", torch.zeros((), dtype=torch.bool))
        self.finds_sign = finds_sign
        if finds_sign:
            self.register_buffer("_is_signed", torch.zeros((), dtype=torch.bool))
        self._is_initialized = False  # the buffer's value on the host: reading it each step would wait for the GPU
        self._n_calibrated = 0
        self.is_calibrating = False

    @property
    def is_initialized(self) -> bool:
        """Whether the range is set, from data or a checkpoint."""
        return self._is_initialized

    def bounds(self) -> tuple[Bound, Bound]:
        """Return the integer range: tensors for compiled code, which then serves all bit-widths, else numbers."""
        if torch.compiler.is_compiling():
            return self.levels[0], self.levels[1]
        return self.low, self.high

    def high_bound(self) -> Bound:
        """Return the largest level in the form that `bounds` has."""
        return self.bounds()[1]

    @torch.no_grad()
    def initialize(self, values: Tensor) -> None:
        """Set the range from ``values``; while calibrating, as the mean of what each call would set."""
        if self.finds_sign and self.low == 0 and bool((values < 0).any()):
            self._is_signed.fill_(True)
            self._take_signed_range()
        self._n_calibrated = self._n_calibrated + 1 if self.is_calibrating else 1
        self._set_range(values.float(), 1 / self._n_calibrated)
        self._initialized.fill_(True)
        self._is_initialized = True

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` on the grid; the first call sets the range where nothing did before.

        Raises:
            RuntimeError: That first call is being compiled.
        """
        if self.is_calibrating or not self._is_initialized:
            if torch.compiler.is_compiling():
                raise RuntimeError("a quantizer needs its range before it is compiled; calibrate the model first")
            self.initialize(values)
        return self.quantize(values)

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` on the grid."""
        raise NotImplementedError

    def encode(self, values: Tensor) -> Encoded:
        """Return the integers that stand for ``values``, a weight, once quantized."""
        raise NotImplementedError

    def fixed_grid(self) -> Grid:
        """Return the grid in evaluation, where the values that come do not change it: of every activation."""
        raise NotImplementedError

    def learned_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the range; the optimizer gives them a weight decay of their own."""
        return list(self.parameters(recurse=False))

    def extra_repr(self) -> str:
        """Describe the grid."""
        channels = ", per channel" if self.per_channel else ""
        return f"bit_width={self.bit_width}, levels=[{self.low}, {self.high}]{channels}"

    def _set_range(self, values: Tensor, weight: float) -> None:
        """Move the range by ``weight``, in (0, 1], from where it is to what ``values`` ask for."""
        raise NotImplementedError

    def _take_signed_range(self) -> None:
        """Use levels on both sides of 0, as many on either; what calibration has found so far does not count."""
        self.low, self.high = -(2 ** (self.bit_width - 1) - 1), 2 ** (self.bit_width - 1) - 1
        self.levels.copy_(torch.tensor([float(self.low), float(self.high)]))
        self._n_calibrated = 0

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._is_initialized = bool(self._initialized)
        if self.finds_sign and bool(self._is_signed) and self.low == 0:
            self._take_signed_range()


def over_values(values: Tensor, *, per_channel: bool) -> tuple[int, ...]:
    """Return the axes that one scale spans: all, or all but the first."""
    return tuple(range(1 if per_channel else 0, values.dim()))


def scale_shape(n_channels: int | None, n_dims: int) -> tuple[int, ...]:
    """Return the shape of a scale: () for a tensor, (c, 1, ...) for one per channel."""
    return () if n_channels is None else (n_channels, *(1,) * (n_dims - 1))


def bits_of(quantizer: nn.Module | None) -> int:
    """Return the bits that the levels of a quantizer need, 32 for none."""
    if not isinstance(quantizer, Quantizer):
        return FULL_PRECISION_BITS
    return (quantizer.high - quantizer.low).bit_length()
