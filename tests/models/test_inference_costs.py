from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import mac_energy_pj, model_costs
from lwq_tune.models.layer_shapes import MODEL_BLOCKS, layer_shapes, stage_channels

NETWORK = layer_shapes((2, 2, 2), 1.0, ImageFormat())

# By hand, (2,2,2) network, 10 classes. Weights: stem 3*16*9 = 432; stage 1: 4 * 16*16*9 = 9216;
# stage 2: 16*32*9 + 3 * 32*32*9 + 16*32 = 4608 + 27648 + 512 = 32768;
# stage 3: 32*64*9 + 3 * 64*64*9 + 32*64 = 18432 + 110592 + 2048 = 131072; classifier 640.
WEIGHTS = {None: 432 + 640, 1: 9216, 2: 32768, 3: 131072}
# MACs: weights times output pixels, 32x32, 16x16, 8x8; the stem has 32x32, the classifier 1.
MACS = {"stem": 432 * 1024, 1: 9216 * 1024, 2: 32768 * 256, 3: 131072 * 64, "fc": 640}


def test_the_default_network_has_the_weights_and_macs_counted_by_hand() -> None:
    for stage, n_weights in WEIGHTS.items():
        assert sum(shape.n_weights for shape in NETWORK if shape.unit == stage) == n_weights
    costs = model_costs(NETWORK, (32, 32, 32), (32, 32, 32))
    assert costs.macs == sum(MACS.values()) == 26_657_408
    assert costs.weight_bits == 174_128 * 32
    assert costs.bitops == 26_657_408 * 1024
    assert costs.weight_mib == pytest.approx(174_128 * 4 / 2**20)


def test_an_ascending_schedule_costs_what_the_hand_says() -> None:
    costs = model_costs(NETWORK, (2, 3, 4), (2, 3, 4))
    stage_bits = 9216 * 2 + 32768 * 3 + 131072 * 4
    assert costs.mean_weight_bits == pytest.approx(stage_bits / 173_056)
    assert costs.mean_weight_bits == pytest.approx(3.704, abs=5e-4)
    assert costs.weight_bits == stage_bits + 1072 * 32
    assert costs.stage_bitops == MACS[1] * 4 + MACS[2] * 9 + MACS[3] * 16
    assert costs.bitops == costs.stage_bitops + (MACS["stem"] + MACS["fc"]) * 1024


@pytest.mark.parametrize("name", MODEL_BLOCKS)
def test_a_named_network_has_as_many_layers_as_its_name_says(name: str) -> None:
    # He et al. 2016, section 4.2: three stages of n blocks of two layers each, stem and classifier are 6 n + 2.
    first, *others = MODEL_BLOCKS[name]
    assert others == [first, first]
    assert name == f"resnet{6 * first + 2}"


def test_stem_and_classifier_cost_their_own_bits() -> None:
    costs = model_costs(NETWORK, (2, 3, 4), (4, 3, 2), first_last_bit_width=8)
    stage_bits = 9216 * 2 + 32768 * 3 + 131072 * 4
    assert costs.weight_bits == stage_bits + 1072 * 8
    assert costs.mean_weight_bits == stage_bits / 173_056
    assert costs.stage_bitops == MACS[1] * 8 + MACS[2] * 9 + MACS[3] * 8
    assert costs.bitops == costs.stage_bitops + (MACS["stem"] + MACS["fc"]) * 64
    # Multiply 0.0029948 b^2 + 0.0010417 b and add 0.003125 x 32, with b the geometric mean of both operands' bits.
    by_bits = {8: (MACS["stem"] + MACS["fc"], 8.0), 1: (MACS[1] + MACS[3], 8**0.5), 2: (MACS[2], 3.0)}
    energy_pj = sum(macs * (0.0029948 * b * b + 0.0010417 * b + 0.1) for macs, b in by_bits.values())
    assert costs.modelled_inference_energy_uj == pytest.approx(energy_pj / 1e6)


@pytest.mark.parametrize("bits", [(32, 2), (2, 32), (32, 32)])
def test_an_operation_with_one_operand_in_full_precision_is_one_of_float32(bits: tuple[int, int]) -> None:
    assert mac_energy_pj(*bits) == pytest.approx(3.7 + 0.9)


def test_a_narrow_network_has_one_channel_at_least() -> None:
    assert stage_channels(3, 0.01) == (1, 2, 4)
    assert stage_channels(1, 0.1) == (2,)  # 1.6 is rounded


def test_resnet20_has_the_published_stage_weights() -> None:
    # 65.9 KiB at 2 bits and 1054 KiB in float32; 161 M and 384 M BitOps for 2-2-2 and 2-3-4 in the stages.
    shapes = layer_shapes((3, 3, 3), 1.0, ImageFormat())
    staged = sum(shape.n_weights for shape in shapes if shape.unit)
    assert staged * 2 / 8 / 1024 == pytest.approx(65.9, abs=0.05)
    assert model_costs(shapes, (2, 2, 2), (2, 2, 2)).stage_bitops == pytest.approx(161e6, rel=5e-3)
    assert model_costs(shapes, (2, 3, 4), (2, 3, 4)).stage_bitops == pytest.approx(384e6, rel=5e-3)


def test_modelled_energy_reproduces_the_published_figures() -> None:
    # 40.8 M MACs: 188 uJ in float32, 12.2 at 8/8 and 4.6 at 2/2 bits, were all layers quantized.
    shapes = [shape for shape in layer_shapes((3, 3, 3), 1.0, ImageFormat()) if shape.unit]
    scale = 40.8e6 / sum(shape.macs for shape in shapes)
    for bits, published_uj in ((32, 188), (8, 12.2), (4, 6.1), (2, 4.6)):
        costs = model_costs(shapes, (bits,) * 3, (bits,) * 3)
        assert costs.modelled_inference_energy_uj * scale == pytest.approx(published_uj, rel=0.02)


@pytest.mark.parametrize(
    ("blocks", "width", "num_classes"),
    [((2, 2, 2), 1.0, 10), ((3, 3, 3), 0.5, 100), ((1, 2), 0.25, 4), ((1,) * 4, 1.3, 7)],
)
def test_shapes_agree_with_the_built_model(blocks: tuple[int, ...], width: float, num_classes: int) -> None:
    model = CifarResNet(blocks, width, num_classes)
    built = {
        name: module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    shapes = layer_shapes(blocks, width, ImageFormat(num_classes=num_classes))
    assert {shape.name: shape.n_weights for shape in shapes} == built
    assert all(type(shape.macs) is int for shape in shapes), "exact, as counts of bit operations are"


@given(st.lists(st.integers(2, 8), min_size=3, max_size=3), st.integers(0, 2))
def test_one_bit_more_costs_more(bits: list[int], stage: int) -> None:
    more = [bit + (index == stage) for index, bit in enumerate(bits)]
    before, after = model_costs(NETWORK, bits, bits), model_costs(NETWORK, more, more)
    assert before.weight_bits < after.weight_bits
    assert before.mean_weight_bits < after.mean_weight_bits
    assert before.bitops < after.bitops
    assert before.modelled_inference_energy_uj < after.modelled_inference_energy_uj
