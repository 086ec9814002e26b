"""Integers of few bits, packed without gaps: what a quantized weight takes on disk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_bits(levels: NDArray[np.uint8], bit_width: int) -> NDArray[np.uint8]:
    """Return unsigned integers packed least significant bit first, the last byte filled with zeros.

    Args:
        levels: Any shape, uint8, each below 2**bit_width.
        bit_width: In [1, 8].

    Raises:
        ValueError: A level needs more bits.

    >>> pack_bits(np.array([1, 2, 3, 0], dtype=np.uint8), 2).tolist()
    [57]
    """
    flat = levels.reshape(-1)
    if flat.size and int(flat.max()) >= 2**bit_width:
        raise ValueError(f"levels must be below {2**bit_width} at {bit_width} bits, got {int(flat.max())}")
    bits = np.unpackbits(flat[:, None], axis=1, count=bit_width, bitorder="little")
    return np.packbits(bits.reshape(-1), bitorder="little")


def unpack_bits(packed: NDArray[np.uint8], bit_width: int, n_levels: int) -> NDArray[np.uint8]:
    """Return the integers that `pack_bits` packed, shape (n_levels,).

    >>> unpack_bits(np.array([57], dtype=np.uint8), 2, 4).tolist()
    [1, 2, 3, 0]
    """
    bits = np.unpackbits(packed, count=n_levels * bit_width, bitorder="little").reshape(n_levels, bit_width)
    return np.packbits(bits, axis=1, bitorder="little").reshape(-1)
