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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the resident high-water mark is reset through /proc")
@pytest.mark.parametrize("prepare", ["", "keep_freed_memory()"])
def test_the_peak_rises_with_an_allocation_and_falls_after_a_reset(prepare: str, tmp_path: Path) -> None:
    result = run_python("-c", SCRIPT.format(prepare=prepare), cwd=tmp_path)
    before, during, after = json.loads(result.stdout)
    assert during - before > 50
    assert during - after > 50


BOUND_OF_A_CIFAR_TRIAL = """
import itertools, sys, torch
from lwq_tune.data.images import ImageSet, make_dataset
from lwq_tune.config.trial import TrialConfig
from lwq_tune.energy.meter import NullMeter
from lwq_tune.training.trial_data import TrialData
from lwq_tune.training.trial import Trial

def images(n_images):
    return ImageSet(torch.randint(0, 256, (n_images, 3, 32, 32), dtype=torch.uint8), torch.arange(n_images) % 10)

dataset = make_dataset(images(50_000), images(640), 10)
draw = TrialData.training_batches
TrialData.training_batches = lambda *arguments: itertools.islice(draw(*arguments), 4)  # the fifth takes no more
config = TrialConfig(dataset="cifar10", bit_widths=(2, 3, 4), epochs=1, validation_fraction=0.02, engine="eager")
print(Trial(config, dataset, NullMeter()).run_epoch().peak_memory_mib)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the resident high-water mark is reset through /proc")
def test_a_cifar_trial_in_float32_stays_below_one_and_a_half_gib(tmp_path: Path) -> None:
    result = run_python("-c", BOUND_OF_A_CIFAR_TRIAL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    peak_mib = float(result.stdout)
    assert 500 < peak_mib < 1536
