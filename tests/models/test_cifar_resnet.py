from __future__ import annotations

import pytest
import torch

from lwq_tune.models.cifar_resnet import CifarResNet


def test_the_default_network_has_the_shapes_of_the_papers_table_2() -> None:
    model = CifarResNet()
    seen: dict[str, torch.Size] = {}
    for name in ("bn1", "layer1", "layer2", "layer3", "fc"):
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, n=name: seen.__setitem__(n, out.shape[1:])  # type: ignore[misc]
        )
    model(torch.zeros(2, 3, 32, 32))
    assert seen == {
        "bn1": (16, 32, 32), "layer1": (16, 32, 32), "layer2": (32, 16, 16), "layer3": (64, 8, 8), "fc": (10,),
    }  # fmt: skip


def test_resnet20_has_the_parameters_of_option_b_shortcuts() -> None:
    # He et al. 2016: 0.27 M. By hand: 269,824 stage weights, 432 stem, 650 classifier, and batch norm:
    # 2 * (16 + 6*16 + 7*32 + 7*64) = 1568.
    model = CifarResNet((3, 3, 3))
    assert sum(p.numel() for p in model.parameters()) == 269_824 + 432 + 650 + 1568


@pytest.mark.parametrize("n_stages", [1, 2, 4])
def test_any_number_of_stages_gives_logits(n_stages: int) -> None:
    model = CifarResNet((1,) * n_stages, width=0.25, num_classes=7)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert len(model.stages()) == n_stages


def test_every_stage_output_is_non_negative() -> None:
    model = CifarResNet((1, 1, 1), width=0.5)
    minima = []
    for stage in model.stages():
        stage.register_forward_hook(lambda _m, _i, out: minima.append(out.min().item()))
    model(torch.randn(2, 3, 32, 32))
    assert len(minima) == 3
    assert min(minima) >= 0
