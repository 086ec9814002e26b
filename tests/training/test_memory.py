from __future__ import annotations

import sys

import pytest
import torch

from lwq_tune.training.memory import PeakMemory


@pytest.mark.skipif(sys.platform != "linux", reason="the resident high-water mark is reset through /proc")
def test_the_peak_rises_with_an_allocation_and_falls_after_a_reset() -> None:
    peak = PeakMemory(torch.device("cpu"))
    peak.reset()
    before = peak.read_mib()
    block = torch.ones(64 * 2**20 // 4)  # 64 MiB
    during = peak.read_mib()
    del block
    assert during - before > 50
