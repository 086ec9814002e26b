"""The scale whose grid lies nearest to some values: where a trained network loses least when it is quantized."""

from __future__ import annotations

import torch
from torch import Tensor

from lwq_tune.quantization.quantizer import MIN_SCALE, over_values

_N_CANDIDATES = 40
_MAX_SAMPLE = 250_000


def least_squares_scale(values: Tensor, low: int, high: int, *, per_channel: bool = False) -> Tensor:
    """Return the scale, a fortieth to the whole of the one that just spans the values, of least squared error.

    Args:
        values: Any shape; of more than 250,000 values for one scale, evenly spaced ones are used. Where ``low`` is 0,
            negative values count as 0.
        low: Smallest level, 0 or negative.
        high: Largest level.
        per_channel: One scale for each slice of the first axis.

    Returns:
        Shape () or (c, 1, ...), at least 1e-8.

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
    best_error = torch.full_like(spanning, torch.inf)
    best_scale = spanning.clamp_min(MIN_SCALE)
    for step in range(1, _N_CANDIDATES + 1):
        scale = (spanning * (step / _N_CANDIDATES)).clamp_min(MIN_SCALE)
        error = ((sample / scale).clamp(low, high).round() * scale - sample).square().mean(dims, keepdim=True)
        best_scale = torch.where(error < best_error, scale, best_scale)
        best_error = torch.minimum(error, best_error)
    return best_scale if per_channel else best_scale.squeeze()
