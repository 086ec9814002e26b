"""The real images, where a copy in Hub layout lies beside the checkout; the project never ships one."""

from __future__ import annotations

import pytest
import torch

from lwq_tune.data.loading import load_folder
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY.parent / "shared" / "data" / "cifar10"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no CIFAR-10 in Hub layout at ../shared/data/cifar10"),
]


def test_real_cifar_10_comes_whole_from_a_hub_folder() -> None:
    data = load_folder(str(FOLDER))
    assert data.num_classes == 10
    assert torch.bincount(data.train.labels).tolist() == [5000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    # Published channel statistics of CIFAR-10: mean 0.491 0.482 0.447, std 0.247 0.243 0.262; JPEG moves them a little.
    assert data.mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.003)
    assert data.std.tolist() == pytest.approx([0.247, 0.243, 0.262], abs=0.004)
