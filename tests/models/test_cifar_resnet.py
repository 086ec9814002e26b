from __future__ import annotations

import pytest
import torch

from lwq_tune.models.cifar_resnet import BasicBlock, CifarResNet


def test_the_default_network_has_the_shapes_of_the_papers_table_2() -> None:
    model = CifarResNet()
    seen: dict[str, torch.Size] = {}
    for name in ("bn1", "layer1", "layer2", "layer3", "fc"):
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, n=name: seen.__setitem__(n, out.shape[1:])  # type: ignore[misc]
        )
    model(torch.zeros(2, 3, 32, 32))
    assert seen == {
        "bn1": (16, 32, 32),
        "layer1": (16, 32, 32),
        "layer2": (32, 16, 16),
        "layer3": (64, 8, 8),
        "fc": (10,),
    }


def test_resnet20_has_the_parameters_of_option_b_shortcuts() -> None:
    # He et al. 2016: 0.27 M. By hand: 269,824 stage weights, 432 stem, 650 classifier, and batch norm:
    # 2 * (16 + 6*16 + 7*32 + 7*64) = 1568.
    model = CifarResNet((3, 3, 3))
    assert sum(p.numel() for p in model.parameters()) == 269_824 + 432 + 650 + 1568


def test_the_default_network_is_resnet14() -> None:
    assert [len(stage) for stage in CifarResNet().stages()] == [2, 2, 2]


@pytest.mark.parametrize("n_stages", [1, 2, 4])
def test_any_number_of_stages_gives_logits(n_stages: int) -> None:
    model = CifarResNet((1,) * n_stages, width=0.25, num_classes=7)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert len(model.stages()) == n_stages


@pytest.mark.parametrize("width", [0.25, 0.5])
def test_gradients_in_channels_last_are_those_of_double_precision(width: float) -> None:
    """Narrow networks, too: strided 1x1 convolutions of 4 channels crash in oneDNN on AVX2."""
    images, labels = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(8)

    def gradients(dtype: torch.dtype, memory_format: torch.memory_format) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = CifarResNet((1, 1, 1), width).to(dtype, memory_format=memory_format)  # type: ignore[call-overload]
        loss = torch.nn.functional.cross_entropy(model(images.to(dtype, memory_format=memory_format)), labels)
        loss.backward()
        return [parameter.grad for parameter in model.parameters()]

    exact = gradients(torch.float64, torch.contiguous_format)
    for one, other in zip(exact, gradients(torch.float32, torch.channels_last), strict=True):
        assert torch.allclose(one.float(), other, rtol=1e-3, atol=1e-5 + 1e-3 * float(one.abs().max()))


def test_a_shortcut_is_a_strided_convolution() -> None:
    block = BasicBlock(8, 16, 2)
    x = torch.randn(2, 8, 8, 8)
    strided = torch.nn.functional.conv2d(x, block.shortcut[0].weight, stride=2)
    seen: list[torch.Tensor] = []
    block.shortcut[0].register_forward_hook(lambda _m, _i, out: seen.append(out))  # type: ignore[misc]
    block(x)
    assert torch.allclose(seen[0], strided, atol=1e-6)


def test_every_stage_output_is_non_negative() -> None:
    model = CifarResNet((1, 1, 1), width=0.5)
    minima = []
    for stage in model.stages():
        stage.register_forward_hook(lambda _m, _i, out: minima.append(out.min().item()))
    model(torch.randn(2, 3, 32, 32))
    assert len(minima) == 3
    assert min(minima) >= 0


def test_convolutions_start_with_the_spread_of_he_et_al_2015_for_the_fan_out() -> None:
    torch.manual_seed(0)
    model = CifarResNet()
    for name, fan_out in (("layer3.1.conv2", 64 * 9), ("layer2.0.conv1", 32 * 9), ("layer3.0.shortcut.0", 64)):
        weight = model.get_submodule(name).weight
        assert float(weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)  # type: ignore[operator]


def test_a_block_is_two_convolutions_and_the_sum_with_its_input() -> None:
    torch.manual_seed(0)
    for c_in, c_out, stride in ((4, 4, 1), (4, 8, 2), (4, 8, 1), (4, 4, 2)):
        block = BasicBlock(c_in, c_out, stride).eval()
        x = torch.rand(2, c_in, 8, 8)
        normalize = (1 + 1e-5) ** -0.5  # what batch norm does before it has seen anything
        conv = torch.nn.functional.conv2d
        inner = (conv(x, block.conv1.weight, stride=stride, padding=1) * normalize).relu()
        kept = x
        if (c_in, 1) != (c_out, stride):
            kept = conv(x, block.shortcut[0].weight, stride=stride) * normalize  # type: ignore[index]
        expected = (conv(inner, block.conv2.weight, padding=1) * normalize + kept).relu()
        assert torch.allclose(block(x), expected, atol=1e-5)
