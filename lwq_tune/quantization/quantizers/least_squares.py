"""The scale whose grid lies nearest to some values: where a trained network loses least when it is quantized."""

from __future__ import annotations

import torch
from torch import Tensor

from lwq_tune.quantization.quantizers.base import MIN_SCALE, over_values

# Activations have long tails: at few bits the best scale is often a tenth of the one that spans all values. So the
# search is geometric, first in steps of a fifth, then of a fiftieth around the best.
_COARSE_STEP, _N_COARSE = 2 ** (1 / 4), 25
_FINE_STEP, _N_FINE = 2 ** (1 / 32), 7
_MAX_SAMPLE = 50_000


def least_squares_scale(values: Tensor, low: int, high: int, *, per_channel: bool = False) -> Tensor:
    """Return the scale, a 64th to the whole of the one that just spans the values, of least squared error.

    Args:
        values: Any shape; of more than 50,000 values for one scale, evenly spaced ones are used. Where ``low`` is 0,
            negative values count as 0.
        low: Smallest level, 0 or negative.
        high: Largest level.
        per_channel: One scale for each slice of the first axis.

    Returns:
        Shape () or (c, 1, ...), at least 1e-8, within about a hundredth of the best.

    >>> least_squares_scale(torch.tensor([0.0, 1.0, 2.0, 3.0]), 0, 3)
    tensor(1.)
    """
    spacing = values.numel() // _MAX_SAMPLE | 1  # odd, so as not to take the same columns of all images
    sample = values if per_channel else values.flatten()[::spacing]
    sample = sample if low < 0 else sample.relu()
    dims = over_values(sample, per_channel=per_channel)
    spanning = sample.amax(dims, keepdim=True) / high
    if low < 0:
        spanning = torch.maximum(spanning, sample.amin(dims, keepdim=True) / low)
    best_error, best = torch.full_like(spanning, torch.inf), spanning.clamp_min(MIN_SCALE)
    for step, exponents in ((_COARSE_STEP, range(0, -_N_COARSE, -1)), (_FINE_STEP, range(-_N_FINE, _N_FINE + 1))):
        centre = best
        for exponent in exponents:
            scale = torch.minimum(centre * step**exponent, spanning).clamp_min(MIN_SCALE)
            error = ((sample / scale).clamp(low, high).round() * scale - sample).square().mean(dims, keepdim=True)
            best = torch.where(error < best_error, scale, best)
            best_error = torch.minimum(error, best_error)
    return best if per_channel else best.squeeze()
