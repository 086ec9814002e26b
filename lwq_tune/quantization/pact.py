"""PACT: activations clipped at a learned level (Choi et al. 2018). Its weights are those of DoReFa-Net.

y = clip(x, 0, alpha),  y_q = round(y (2^k - 1) / alpha) * alpha / (2^k - 1)                         (eqs. 1, 2)
d y_q / d x = 1 on [0, alpha), 0 outside;   d y_q / d alpha = 1 at x >= alpha, 0 below                 (eq. 3)

An L2 penalty keeps alpha small: as weight decay, with the coefficient of the weights, unless the trial says
another. alpha starts at the clipping level of least squared error on the first batches. The usual constants
(8 or 10) leave most activations at level 0 when the bits are few, until the decay has brought alpha down, which
takes more epochs than a short trial has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lwq_tune.quantization.fake_quantize import Rule, fake_quantize
from lwq_tune.quantization.quantizer import MIN_SCALE, Quantizer

PACT_RULE = Rule("half_open", "saturated")
_N_CANDIDATES = 40
_MAX_SAMPLE = 1_000_000


def least_squares_clip(values: Tensor, high: int) -> Tensor:
    """Return the clipping level, a fraction of the maximum, whose grid of ``high`` steps is nearest to ``values``.

    Args:
        values: Any shape, non-negative; of more than a million values, evenly spaced ones are used.
        high: Largest level.

    >>> least_squares_clip(torch.tensor([0.0, 1.0, 2.0, 3.0]), 3)
    tensor(3.)
    """
    sample = values.flatten()[:: max(1, values.numel() // _MAX_SAMPLE)].relu()
    largest = sample.max()
    fractions = torch.arange(1, _N_CANDIDATES + 1, device=values.device) / _N_CANDIDATES
    errors = []
    for level in fractions * largest:
        step = (level / high).clamp_min(MIN_SCALE)
        errors.append(((sample / step).clamp(0, high).round() * step - sample).square().mean())
    return fractions[torch.stack(errors).argmin()] * largest


class PACTQuantizer(Quantizer):
    """Activations clipped at a learned level.

    Attributes:
        alpha: Learned clipping level, shape ().
    """

    name = "PACT"
    clips_at_zero = True

    def __init__(self, bit_width: int) -> None:
        super().__init__(bit_width, 0, 2**bit_width - 1)
        self.alpha = nn.Parameter(torch.ones(()))

    def quantize(self, values: Tensor) -> Tensor:
        """Return ``values`` clipped and on the grid."""
        low, high = self.bounds()
        scale = self.alpha.abs().clamp_min(MIN_SCALE) / high
        return fake_quantize(values, scale, low, high, 1.0, PACT_RULE)

    def _set_range(self, values: Tensor, weight: float) -> None:
        self.alpha.lerp_(least_squares_clip(values, self.high).clamp_min(MIN_SCALE), weight)
