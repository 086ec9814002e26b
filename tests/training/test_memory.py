from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import run_python

# In a process of its own: in this one, freed memory of other tests may be resident already and serve the block.
SCRIPT = """
import json
import torch
from lwq_tune.training.memory import PeakMemory, keep_freed_memory, release_freed_memory
{prepare}
peak = PeakMemory(torch.device("cpu"))
peak.reset()
readings = [peak.read_mib()]
block = torch.ones(64 * 2**20 // 4)  # 64 MiB
readings.append(peak.read_mib())
del block
release_freed_memory()
peak.reset()
readings.append(peak.read_mib())
print(json.dumps(readings))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the resident high-water mark is reset through /proc")
@pytest.mark.parametrize("prepare", ["", "keep_freed_memory()"])
def test_the_peak_rises_with_an_allocation_and_falls_after_a_reset(prepare: str, tmp_path: Path) -> None:
    result = run_python("-c", SCRIPT.format(prepare=prepare), cwd=tmp_path)
    before, during, after = json.loads(result.stdout)
    assert during - before > 50
    assert during - after > 50
