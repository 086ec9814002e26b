"""Slow twins of the quantizers: a value at a time, in plain double precision, no autograd, from the formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence


def half_to_even(value: float) -> int:
    return round(value)


def lsq(v: float, s: float, q_n: int, q_p: int) -> tuple[float, float, float]:
    """Esser et al. 2020, eqs. 1, 2, 3, 5: v_hat, d v_hat / d v, d v_hat / d s."""
    ratio = v / s
    if ratio <= -q_n:
        return -q_n * s, 0.0, -q_n
    if ratio >= q_p:
        return q_p * s, 0.0, q_p
    level = half_to_even(ratio)
    return level * s, 1.0, level - ratio


def pact(x: float, alpha: float, k: int) -> tuple[float, float, float]:
    """Choi et al. 2018, eqs. 1 to 3: y_q, d y_q / d x, d y_q / d alpha."""
    n = 2**k - 1
    y = 0.5 * (abs(x) - abs(x - alpha) + alpha)
    y_q = half_to_even(y * n / alpha) * alpha / n
    return y_q, 1.0 if 0 <= x < alpha else 0.0, 1.0 if x >= alpha else 0.0


def q_k(r: float, k: int) -> float:
    """Zhou et al. 2016, eq. 5."""
    n = 2**k - 1
    return half_to_even(n * r) / n


def dorefa_act(x: float, k: int) -> tuple[float, float]:
    """Zhou et al. 2016, eq. 11: value, d / d x."""
    return q_k(min(max(x, 0.0), 1.0), k), 1.0 if 0 <= x <= 1 else 0.0


def dorefa_weights(weights: Sequence[float], k: int) -> tuple[list[float], list[float]]:
    """Zhou et al. 2016, eqs. 7 to 9: values, and for each weight d w_q / d w."""
    if k == 1:
        mean = sum(abs(w) for w in weights) / len(weights)
        return [math.copysign(mean, w) if w else mean for w in weights], [1.0] * len(weights)
    largest = max(abs(math.tanh(w)) for w in weights)
    values = [2 * q_k(math.tanh(w) / (2 * largest) + 0.5, k) - 1 for w in weights]
    # 2 q_k(r) - 1 with d q_k / d r = 1, r = tanh(w) / (2 max) + 1/2
    return values, [(1 - math.tanh(w) ** 2) / largest for w in weights]


def affine_grid(smallest: float, largest: float, bits: int) -> tuple[float, int]:
    """Jacob et al. 2018, section 3: scale and zero point of a grid that spans the extremes and 0."""
    below, above, top = min(smallest, 0.0), max(largest, 0.0), 2**bits - 1
    scale = (above - below) / top
    return scale, min(max(-half_to_even(below / scale), 0), top)


def minmax(x: float, scale: float, zero_point: int, bits: int) -> tuple[float, float]:
    """Value and d / d x, which passes where the unclamped level is in range."""
    level = half_to_even(x / scale) + zero_point
    top = 2**bits - 1
    clamped = min(max(level, 0), top)
    return (clamped - zero_point) * scale, 1.0 if level == clamped else 0.0


def quantization_error(values: Sequence[float], low: int, high: int, clip: float) -> float:
    """Mean squared error of a grid of the levels ``low`` to ``high``, the highest of which is ``clip``."""
    step = clip / high
    if step == 0:
        return sum(v**2 for v in values) / len(values)
    return sum((min(max(half_to_even(v / step), low), high) * step - v) ** 2 for v in values) / len(values)
