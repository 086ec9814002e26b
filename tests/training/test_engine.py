"""How steps are executed must not matter to what they compute, beyond rounding."""

from __future__ import annotations

import platform
import re
import shlex
import statistics
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch

from lwq_tune.config.trial import Quantizer, TrialConfig
from lwq_tune.data.images import Dataset
from lwq_tune.energy.meter import NullMeter
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.quantization.prepare import prepare_qat
from lwq_tune.quantization.scheme import Scheme
from lwq_tune.training import engine as engine_module
from lwq_tune.training.engine import (
    MIN_CPU_MACS_PER_THREAD,
    MIN_GPU_STEPS,
    Workload,
    choose_engine,
    loss_and_correct,
)
from lwq_tune.training.epoch_row import EpochRow
from lwq_tune.training.trial import Trial
from tests.conftest import run_python, small_config

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def rows_of(config: TrialConfig, dataset: Dataset) -> list[EpochRow]:
    return list(Trial(config, dataset, NullMeter()).epochs())


def test_auto_compiles_what_is_long_enough_and_nothing_else() -> None:
    n_images = int(MIN_CPU_MACS_PER_THREAD * torch.get_num_threads() / 3 / 27_000_000)
    assert choose_engine("auto", Workload(n_images - 1000, 128, 27_000_000), CPU) == "eager"
    assert choose_engine("auto", Workload(n_images + 1000, 128, 27_000_000), CPU) == "compiled"
    assert choose_engine("auto", Workload(128 * MIN_GPU_STEPS - 1, 128, 1), GPU) == "eager"
    assert choose_engine("auto", Workload(128 * MIN_GPU_STEPS, 128, 1), GPU) == "compiled"
    assert choose_engine("eager", Workload(10**12, 2, 10**9), CPU) == "eager"
    assert choose_engine("compiled", Workload(1, 2, 1), CPU) == "compiled"


def test_the_demonstration_runs_eagerly_and_the_papers_protocol_compiled() -> None:
    digits = Workload(8 * 1293, 64, 27_000_000)
    paper = Workload(400 * 45_000, 128, 27_000_000)
    assert (choose_engine("auto", digits, CPU), choose_engine("auto", paper, CPU)) == ("eager", "compiled")


def drift(losses: list[float], exact: list[float]) -> float:
    """Return the mean signed deviation: chance cancels out, a bias does not."""
    return statistics.mean(one / other - 1 for one, other in zip(losses, exact, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_bfloat16_follows_float32(tiny_dataset: Dataset, quantizer: str) -> None:
    drifts = []
    for seed in range(3):  # of a single seed, chance alone is 0.03 with one thread
        changes = {"quantizer": quantizer, "epochs": 4, "lr": 0.02, "bit_widths": (4, 4, 4), "seed": seed}
        fp32 = rows_of(small_config(**changes), tiny_dataset)
        bf16 = rows_of(small_config(**changes, precision="bf16"), tiny_dataset)
        for exact, rounded in zip(fp32, bf16, strict=True):
            assert exact.train_loss is not None
            assert rounded.train_loss == pytest.approx(exact.train_loss, rel=0.1)
        assert [row.train_loss for row in fp32] != [row.train_loss for row in bf16]
        drifts.append(drift([row.train_loss or 0 for row in bf16], [row.train_loss or 0 for row in fp32]))
    assert abs(statistics.mean(drifts)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_one_traced_graph_serves_every_triple_and_has_the_gradients_of_eager_steps(quantizer: str) -> None:
    """Traced whole, executed by PyTorch's own kernels: what the compiler sees, without its minutes."""
    from torch._dynamo.testing import CompileCounterWithBackend  # seconds, for every process that collects tests

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    traced = torch.compile(loss_and_correct, fullgraph=True, dynamic=False, backend=counter)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8)
    for bits in ((2, 3, 4), (4, 3, 2), (8, 5, 3)):
        torch.manual_seed(0)
        scheme = Scheme(quantizer, first_last_bit_width=8)
        model = prepare_qat(CifarResNet((1, 1, 1), 0.5), bits, scheme=scheme)
        calibrate(model, [images], batch_statistics=True)
        gradients = []
        for step in (loss_and_correct, traced):
            model.zero_grad()
            loss, _ = step(model, images, labels)
            loss.backward()
            gradients.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
        for eager, compiled in zip(*gradients, strict=True):
            assert torch.allclose(eager, compiled, rtol=1e-2, atol=1e-3 * float(eager.abs().max()) + 1e-6)
    assert counter.frame_count == 1


COMPARE = """
import json, sys, torch
from lwq_tune.energy.meter import NullMeter
from lwq_tune.training.trial import Trial
from tests.conftest import small_config
from lwq_tune.data.images import ImageSet, make_dataset

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
labels = torch.arange(4).repeat_interleave(30)
noise = torch.randint(0, 60, (120, 3, 32, 32), generator=generator)
images = ImageSet((noise + labels.view(-1, 1, 1, 1) * 60).to(torch.uint8), labels)
data = make_dataset(images, images, num_classes=4)

def run(engine, **changes):
    trial = Trial(small_config(engine=engine, epochs=3, lr=0.02, **changes), data, NullMeter())
    rows = list(trial.epochs())
    return [rows[0].engine, rows[0].setup_time_s, [row.train_loss for row in rows]]

def resumed(**changes):
    config = small_config(engine="compiled", epochs=3, lr=0.02, **changes)
    first, second = (Trial(config, data, NullMeter()) for _ in range(2))
    losses = [first.run_epoch().train_loss]
    second.load_state_dict(first.state_dict())
    return losses + [row.train_loss for row in second.epochs()]

results = {}
for quantizer, precision in json.loads(sys.argv[1]):
    for bits in ((2, 3, 4), (4, 3, 2)):
        key = f"{quantizer} {precision} {bits}"
        changes = dict(quantizer=quantizer, bit_widths=bits, precision=precision)
        results[key] = {engine: run(engine, **changes) for engine in ("eager", "compiled")}
        results[key]["graphs"] = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        results[key]["resumed"] = resumed(**changes)
print(json.dumps(results))
"""


@pytest.mark.slow
def test_compiled_steps_follow_eager_ones_and_one_graph_serves_every_triple(tmp_path: Path) -> None:
    import json

    result = run_python("-c", COMPARE, json.dumps([("lsq", "fp32"), ("pact", "bf16")]), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout.splitlines()[-1])
    assert len(results) == 4
    for name, run in results.items():
        assert (run["eager"][0], run["compiled"][0]) == ("eager", "compiled")
        # The same arithmetic in another order: a value on the edge of two levels may fall to either side, and from
        # there on two trainings part slowly.
        assert run["compiled"][2][0] == pytest.approx(run["eager"][2][0], rel=0.01), name
        assert run["compiled"][2] == pytest.approx(run["eager"][2], rel=0.1), name
        assert abs(drift(run["compiled"][2], run["eager"][2])) < 0.03, name
        assert run["resumed"] == run["compiled"][2], name
    graphs = [run["graphs"] for run in results.values()]
    assert graphs[0] == graphs[1], "another triple compiled another graph"
    assert graphs[2] == graphs[3], "another triple compiled another graph"
    assert graphs[1] < graphs[2], "another quantizer and precision have a graph of their own"
    setups = [run["compiled"][1] for run in results.values()]
    assert setups[1] < setups[0] / 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="names a C++ compiler as Unix does")
def test_without_a_compiler_a_trial_runs_eagerly_and_says_so_in_one_line(tmp_path: Path) -> None:
    command = (
        "-m lwq_tune train --bits 2,3,4 --width 0.25 --epochs 1 --batch-size 256 --no-energy --json --engine compiled"
    )
    result = run_python(
        *shlex.split(command),
        cwd=tmp_path,
        CXX="/no/such/compiler",
        TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"),
        PATH="/nowhere",
    )
    assert result.returncode == 0, result.stderr
    assert '"engine": "eager"' in result.stdout
    told = [line for line in result.stderr.splitlines() if "could not be compiled" in line]
    assert len(told) == 1, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(), reason="x86 Linux only")
def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it() -> None:
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0]))
    assert engine_module.has_fast_bf16(torch.device("cpu")) == bool(flags & {"avx512_bf16", "amx_tile"})


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_avx_512_alone_is_no_fast_bfloat16(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(engine_module, "BF16_INSTRUCTIONS", ())
    says_onednn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert engine_module.has_fast_bf16(torch.device("cpu")) == (machine == "aarch64" and says_onednn)
