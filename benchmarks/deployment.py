"""Is a deployed network the trained one, and is it faster? Agreement on real test images, ratios of times, A/A tests.

For each network, a few steps of training on real images, then its ONNX file in OpenVINO: the class of each test image
against torch, which layers ran with integers, time per image against the full-precision network in the same runtime
(windows of both in turn); with ``--benchmark-app``, the same ratio by the benchmark tool of OpenVINO. ``--pairs`` is
an A/A test: one network measured twice, five windows each in turn, and how often a t test at 5 % calls them different.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

from benchmarks.support.machine import machine, version_of, write_json
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.batches import Normalizer
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.images import Dataset
from lwq_tune.data.loading import load_dataset
from lwq_tune.deployment.equality import simulated_logits
from lwq_tune.deployment.measurement import batches_of, cycle, measure_window, warm_up
from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import executed_layers, float_fallbacks, to_onnx
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.energy.meter import NullMeter
from lwq_tune.host.hardware import instruction_sets
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.training.model import build_model

BATCH_SIZES = (1, 64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deployment", description=__doc__)
    parser.add_argument("--dataset", default="digits", help="data set or folder (default: digits)")
    parser.add_argument("--models", nargs="+", default=["resnet14"], metavar="MODEL")
    parser.add_argument("--widths", nargs="+", type=float, default=[1.0], metavar="F")
    parser.add_argument("--bits", nargs="+", type=int, default=[2, 4, 8], metavar="N")
    parser.add_argument("--quantizer", default="lsq")
    parser.add_argument("--steps", type=int, default=60, help="training steps of each network")
    parser.add_argument("--images", type=int, default=10_000, help="test images")
    parser.add_argument("--duration", type=float, default=3.0, metavar="S", help="length of a window")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=0, help="pairs of the A/A test")
    parser.add_argument("--benchmark-app", action="store_true", help="ratios by OpenVINO's own tool too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(2)
    dataset = load_dataset(describe_dataset(parsed.dataset).dataset, Path("data"))
    about = {**machine(torch.device("cpu")), "openvino": version_of("openvino"), "instructions": instruction_sets()}
    print(json.dumps(about))
    rows = []
    for model in parsed.models:
        for width in parsed.widths:
            full = Measured(dataset, model, width, 32, parsed)
            for bits in parsed.bits:
                quantized = Measured(dataset, model, width, bits, parsed)
                rows.append(quantized.compare(full, parsed))
                print(json.dumps(rows[-1]), flush=True)
    figures: dict[str, Any] = {"about": about, "rows": rows}
    if parsed.pairs:
        figures["aa"] = aa_test(full, parsed.pairs, parsed.duration)
        print(json.dumps(figures["aa"]))
    write_json(parsed.json, figures)
    return 0


class Measured:
    """A network, trained for a few steps, its file, and how that agrees with it."""

    def __init__(self, dataset: Dataset, model: str, width: float, bits: int, parsed: argparse.Namespace) -> None:
        self.name = f"{model} x{width:g} {bits} bits"
        self.bits = bits
        config = TrialConfig(
            model=model, width=width, bit_widths=(bits,) * 3, quantizer=parsed.quantizer, dataset="cifar10"
        )
        network = _trained(config, dataset, parsed.steps)
        written = to_onnx(describe_network(network))
        self.content = written.serialized()
        normalize = Normalizer(dataset.mean, dataset.std, torch.device("cpu"))
        images = normalize(dataset.test.images[: parsed.images])
        self.labels = dataset.test.labels[: parsed.images].numpy()
        self.simulated = simulated_logits(network, images).argmax(1)
        self.images = images.numpy()
        self.loaded = make_runtime("openvino").load(self.content, n_threads=1)
        ran = executed_layers(written.layers, self.loaded.describe())
        self.n_integer = sum(one.is_integer for one in ran.values())
        self.n_expected = sum(one.is_integer for one in written.layers)
        self.fallbacks = float_fallbacks(written.layers, ran)

    def compare(self, full: Measured, parsed: argparse.Namespace) -> dict[str, Any]:
        """Return agreement, and times against full precision."""
        classes = np.concatenate([self.loaded.run(part).argmax(1) for part in np.array_split(self.images, 50)])
        row: dict[str, Any] = {
            "network": self.name,
            "n_images": len(classes),
            "same_class": float(np.mean(classes == self.simulated)),
            "accuracy_difference": float(np.mean(classes == self.labels) - np.mean(self.simulated == self.labels)),
            "integer_layers": f"{self.n_integer}/{self.n_expected}",
            "float_fallbacks": self.fallbacks,
        }
        for batch_size in BATCH_SIZES:
            runs = {one.name: one.turn(batch_size) for one in (self, full)}
            times = windows(runs, parsed.duration, parsed.repetitions)
            row[f"ratio_b{batch_size}"] = statistics.median(times[self.name]) / statistics.median(times[full.name])
            row[f"spread_b{batch_size}"] = max(_spread(values) for values in times.values())
            if parsed.benchmark_app:
                ours, theirs = (benchmark_app(one.content, batch_size, parsed.duration) for one in (self, full))
                row[f"app_ratio_b{batch_size}"] = theirs / ours  # images per second
        return row

    def turn(self, batch_size: int) -> Callable[[], int]:
        """Return what runs the next batch."""
        loaded = make_runtime("openvino").load(self.content, n_threads=1, batch_size=batch_size)
        return cycle(loaded, batches_of(self.images[:1024], batch_size))


def _trained(config: TrialConfig, dataset: Dataset, n_steps: int) -> nn.Module:
    torch.manual_seed(0)
    normalize = Normalizer(dataset.mean, dataset.std, torch.device("cpu"))
    model = build_model(config, dataset.image_format)
    order = torch.randperm(len(dataset.train.labels), generator=torch.Generator().manual_seed(0))
    part = dataset.train.take(order[: 64 * (n_steps + 8)])
    calibrate(model, [normalize(part.images[-512:])], batch_statistics=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.02, 0.9)
    model.train()
    for step in range(n_steps):
        images, labels = part.images[64 * step : 64 * (step + 1)], part.labels[64 * step : 64 * (step + 1)]
        optimizer.zero_grad()
        functional.cross_entropy(model(normalize(images)), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval()


def windows(runs: dict[str, Callable[[], int]], duration_s: float, n_repetitions: int) -> dict[str, list[float]]:
    """Return seconds per image of each network in windows that take turns, after a warm-up."""
    for run in runs.values():
        warm_up(run, 10.0, 0.3)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(n_repetitions):
        for name, run in runs.items():
            window = measure_window(run, duration_s, NullMeter())
            times[name].append(window.time_s / window.n_images)
    return times


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / statistics.median(values)


def aa_test(network: Measured, n_pairs: int, duration_s: float) -> dict[str, Any]:
    """Return how often five windows of a network differ from five others of the same by a t test at 5 %.

    Each window has a network of its own that is compiled anew, as each repetition of ``deploy`` has: where one lies in
    memory decides a percent of its speed, which windows of one compiled network do not show.
    """
    n_different = 0
    for _ in range(n_pairs):
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(10):
            run = network.turn(1)
            warm_up(run, 0.1, 0.1)
            window = measure_window(run, duration_s, NullMeter())
            times[turn % 2].append(window.time_s / window.n_images)
        n_different += bool(stats.ttest_ind(*times).pvalue < 0.05)
    return {"pairs": n_pairs, "called_different": n_different, "window_s": duration_s}


def benchmark_app(content: bytes, batch_size: int, duration_s: float) -> float:
    """Return the images per second that OpenVINO's benchmark tool measures with one synchronous stream."""
    program = shutil.which("benchmark_app", path=f"{Path(sys.executable).parent}") or shutil.which("benchmark_app")
    if program is None:
        raise SystemExit("benchmark_app comes with openvino: pip install openvino")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        file.write_bytes(content)
        command = [program, "-m", str(file), "-b", str(batch_size), "-api", "sync", "-hint", "none", "-nthreads", "1"]
        command += ["-nstreams", "1", "-infer_precision", "f32", "-t", str(max(1, round(duration_s)))]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Throughput:\s+([0-9.]+) FPS", printed)
    if found is None:
        raise SystemExit(f"benchmark_app printed no throughput:\n{printed[-2000:]}")
    return float(found[1])


if __name__ == "__main__":
    raise SystemExit(main())
