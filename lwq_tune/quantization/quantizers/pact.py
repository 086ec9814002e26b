"""PACT: activations clipped at a learned level (Choi et al. 2018). Its weights are those of DoReFa-Net.

y = clip(x, 0, alpha),  y_q = round(y (2^k - 1) / alpha) * alpha / (2^k - 1)                         (eqs. 1, 2)
d y_q / d x = 1 on [0, alpha), 0 outside;   d y_q / d alpha = 1 at x >= alpha, 0 below                 (eq. 3)

An L2 penalty keeps alpha small: as weight decay, with the coefficient of the weights, unless the trial says
another. alpha starts at the clipping level of least squared error on the first batches. The usual constants
(8 or 10) leave most activations at level 0 when the bits are few, until the decay has brought alpha down, which
takes more epochs than a short trial has.

Activations that can be negative are clipped to [-alpha, alpha] instead, on a grid symmetric around 0; the gradient of
alpha is then -1 at and below -alpha. The paper has none of these.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lwq_tune.quantization.fake_quantize import Bound, Rule, fake_quantize
from lwq_tune.quantization.quantizers.base import MIN_SCALE, Grid, Quantizer
from lwq_tune.quantization.quantizers.least_squares import least_squares_scale

PACT_RULE = Rule("half_open", "saturated")


class PACTQuantizer(Quantizer):
    """Activations clipped at a learned level.

    Args:
        bit_width: Bits.
        finds_sign: Whether they may be negative, which calibration finds.

    Attributes:
        alpha: Learned clipping level, shape (). Its magnitude counts, so it cannot turn negative in effect.
    """

    name = "PACT"

    def __init__(self, bit_width: int, *, finds_sign: bool = False) -> None:
        super().__init__(bit_width, 0, 2**bit_width - 1, finds_sign=finds_sign)
        self.clips_at_zero = not finds_sign
        self.alpha = nn.Parameter(torch.ones(()))

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` clipped and on the grid."""
        low, high = self.bounds()
        return fake_quantize(values, self._scale(high), low, high, 1.0, PACT_RULE)

    def fixed_grid(self) -> Grid:
        """Return the grid in evaluation."""
        scale = self._scale(self.high).detach()
        return Grid(self.bit_width, scale, torch.full_like(scale, -self.low))

    def _scale(self, high: Bound) -> Tensor:
        return self.alpha.abs().clamp_min(MIN_SCALE) / high

    def _set_range(self, values: Tensor, weight: float) -> None:
        self.alpha.lerp_(self.high * least_squares_scale(values, self.low, self.high), weight)
