from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import networks
from benchmarks.common import version_of
from lwq_tune.quantization.layers import QuantConv2d
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from tests.conftest import run_python


@pytest.mark.slow
def test_the_benchmark_measures_and_writes_what_it_promises(tmp_path: Path) -> None:
    file = tmp_path / "step.json"
    result = run_python(
        "-m", "benchmarks.train_step", "--engine", "eager", "--batch-size", "8", "--rounds", "3", "--json", str(file),
        cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    figures = json.loads(file.read_text())
    times = figures["median_ms"]
    assert all(time_ms > 0 for time_ms in times.values())
    assert figures["quantized_over_full_precision"] == pytest.approx(times["quantized"] / times["full_precision"])
    assert figures["speedup_over_plain"] == pytest.approx(times["plain"] / times["quantized"])
    assert 0 < figures["share_of_matmul_rate"] < 2
    assert 0 < figures["input_share"] < 0.5
    assert figures["machine"]["torch"] == torch.__version__
    if version_of("brevitas") is None:
        assert figures["speedup_over_brevitas"] is None
        assert "Brevitas, it could not be imported" in result.stdout
        assert "not measured" in next(line for line in result.stdout.splitlines() if "speedup_over_brevitas" in line)


def test_the_network_of_brevitas_has_its_quantizers_where_ours_are() -> None:
    pytest.importorskip("brevitas.nn")
    theirs = networks.brevitas((2, 3, 4), collects_statistics=False)
    ours = networks.ours((2, 3, 4))
    n_act = sum(type(module).__name__ == "QuantIdentity" for module in theirs.modules())
    n_weights = sum(type(module).__name__ == "QuantConv2d" for module in theirs.modules())
    assert n_weights == sum(isinstance(module, QuantConv2d) for module in ours.modules()) > 0
    assert n_act + n_weights == sum(isinstance(module, LSQQuantizer) for module in ours.modules())
    assert theirs(torch.randn(4, 3, 32, 32)).shape == (4, 10)


def test_the_plain_network_computes_what_ours_computes() -> None:
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours = networks.ours((2, 3, 4)).eval()
    ours(images)  # sets the ranges, which the plain twin takes over
    plain = networks.plain((2, 3, 4)).eval()
    for name, module in ours.named_modules():
        if hasattr(module, "scale"):
            with torch.no_grad():
                plain.get_submodule(name).scale.copy_(module.scale)  # type: ignore[union-attr, operator]
    outputs = [model(images) for model in (ours, plain)]
    # v * (1 / s) and v / s differ in the last bit, so a value on the edge of two levels may fall to either side.
    assert torch.allclose(*outputs, atol=0.05)
    assert float(outputs[0].detach().std()) > 0.1
