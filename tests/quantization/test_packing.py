from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.quantization.packing import pack_bits, unpack_bits


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=100))
def test_what_is_packed_comes_out_again_in_the_fewest_whole_bytes(bit_width: int, values: list[int]) -> None:
    levels = np.array([value % 2**bit_width for value in values], dtype=np.uint8)
    packed = pack_bits(levels, bit_width)
    assert packed.nbytes == -(-len(levels) * bit_width // 8)
    assert np.array_equal(unpack_bits(packed, bit_width, len(levels)), levels)


def test_three_bit_levels_lie_end_to_end_from_the_lowest_bit() -> None:
    # 5 = 101, 3 = 011, 6 = 110 -> from the lowest bit 101 110 011 -> bytes 0b10011101 (bits 1,0,1,1,1,0,0,1), 0b1
    assert pack_bits(np.array([5, 3, 6], dtype=np.uint8), 3).tolist() == [0b10011101, 0b1]


def test_a_level_that_needs_more_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="below 4 at 2 bits, got 4"):
        pack_bits(np.array([4], dtype=np.uint8), 2)
