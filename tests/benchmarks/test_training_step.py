from __future__ import annotations

import pytest
import torch

from benchmarks.support import peer_networks
from benchmarks.training_step import _print, ratios
from lwq_tune.quantization.layers import QuantConv2d
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer


def test_ratios_follow_from_the_median_times() -> None:
    times = {"quantized": 0.2, "full_precision": 0.16, "plain": 0.5, "input": 0.05, "matrix_product": 0.1}
    figures = ratios(times, batch_size=10, matrix_flop=10**12, macs=26_657_408)
    assert figures["quantized_over_full_precision"] == pytest.approx(1.25)
    assert figures["speedup_over_plain"] == pytest.approx(2.5)
    assert figures["speedup_over_brevitas"] is None
    assert figures["input_share"] == pytest.approx(0.2)
    assert figures["images_per_s"] == pytest.approx(50)
    assert figures["matmul_gflop_per_s"] == pytest.approx(10_000)
    # resnet14: a stem, then three stages of two blocks. Each stage does as many operations per convolution as the
    # first, 16 x 16 x 9 at 32 x 32, but for its first convolution at half the channels, and its shortcut.
    full = 16 * 16 * 9 * 32 * 32
    shortcuts = 16 * 32 * 16 * 16 + 32 * 64 * 8 * 8
    macs = 3 * 16 * 9 * 32 * 32 + 4 * full + 2 * (3 * full + full // 2) + shortcuts + 64 * 10
    assert figures["share_of_matmul_rate"] == pytest.approx(2 * 3 * macs * 10 / 0.2 / 1e13)
    assert figures["median_ms"]["input"] == pytest.approx(50)


def test_what_was_not_measured_is_printed_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"quantized": 0.2, "full_precision": 0.16, "plain": 0.5, "input": 0.05, "matrix_product": 0.1}
    settings = {"network": "resnet14", "bit_widths": [2], "quantizer": "lsq", "batch_size": 10, "precision": "fp32"}
    host = {"n_threads": 1, "gpu_model": None, "cpu_model": "Some CPU", "torch": torch.__version__}
    _print({**ratios(times, 10, 10**12, 26_657_408), "settings": {**settings, "engine": "eager"}, "machine": host})
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[0] == "speedup_over_brevitas"]
    assert line.endswith("not measured")


def test_the_network_of_brevitas_has_its_quantizers_where_ours_are() -> None:
    pytest.importorskip("brevitas.nn")
    theirs = peer_networks.brevitas((2, 3, 4), collects_statistics=False)
    ours = peer_networks.ours((2, 3, 4))
    n_act = sum(type(module).__name__ == "QuantIdentity" for module in theirs.modules())
    n_weights = sum(type(module).__name__ == "QuantConv2d" for module in theirs.modules())
    assert n_weights == sum(isinstance(module, QuantConv2d) for module in ours.modules()) > 0
    assert n_act + n_weights == sum(isinstance(module, LSQQuantizer) for module in ours.modules())
    assert theirs(torch.randn(4, 3, 32, 32)).shape == (4, 10)


def test_the_plain_network_computes_what_ours_computes() -> None:
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours = peer_networks.ours((2, 3, 4)).eval()
    ours(images)  # sets the ranges, which the plain twin takes over
    plain = peer_networks.plain((2, 3, 4)).eval()
    for name, module in ours.named_modules():
        if hasattr(module, "scale"):
            with torch.no_grad():
                plain.get_submodule(name).scale.copy_(module.scale)  # type: ignore[union-attr, operator]
    outputs = [model(images) for model in (ours, plain)]
    # v * (1 / s) and v / s differ in the last bit, so a value on the edge of two levels may fall to either side.
    assert torch.allclose(*outputs, atol=0.05)
    assert float(outputs[0].detach().std()) > 0.1
