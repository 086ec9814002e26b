"""Time of a training step against full precision, plain operators and Brevitas, and against the machine's limit.

Full precision runs under the settings of our own step. The peers run eagerly, and each twice: in the loop one writes
first (float32, PyTorch's default memory format and optimizer), and in our precision, memory format and optimizer
(``same_precision``). ``plain`` is LSQ from plain operators. Brevitas collects statistics in its first 300 steps, which
makes them dearer: those are what a first look at it shows, and ``brevitas_settled`` is the loop after them.
``input`` draws a batch of 45,000 images, crops, flips and normalises it.

Of another network (``--model``) the quantized step stands beside its own full precision alone.

Run: python -m benchmarks.training_step --json step.json
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.support import peer_networks
from benchmarks.support.machine import interleaved_times_s, machine, medians, write_json
from lwq_tune.data.batches import Normalizer, training_batches
from lwq_tune.data.images import ImageSet
from lwq_tune.models.description import describe_network, find_units
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.sources import make_network
from lwq_tune.models.spec import network_spec
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.quantization.prepare_graph import prepare_network
from lwq_tune.training.engine import PASSES_PER_STEP, Engine, has_fast_bf16
from lwq_tune.training.memory import keep_freed_memory
from lwq_tune.training.model import make_optimizer

BITS = (2, 3, 4)
FULL = (32, 32, 32)
PEERS = ("brevitas", "brevitas_settled", "brevitas_settled_same_precision", "plain", "plain_same_precision")
N_IMAGES = 45_000
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}


def main() -> None:
    """Measure, print, write."""
    arguments = _parse()
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    figures = measure(arguments, device)
    _print(figures)
    write_json(arguments.json, figures)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=__doc__)
    parser.add_argument("--engine", choices=("eager", "compiled"), default="compiled", help="of our own networks")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="auto: bf16 where the machine has it"
    )
    parser.add_argument("--model", default="resnet14", help="as in a search space; 3x32x32 images, ten classes")
    parser.add_argument("--stem", choices=("own", "cifar"), default="own")
    parser.add_argument("--bit-width", type=int, default=4, help="of all units of a network other than resnet14")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15, help="steps of each variant; the median counts")
    parser.add_argument("--threads", type=int, help="default: what torch takes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Return all figures: medians in milliseconds, ratios, settings."""
    precision = arguments.precision
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "fp32"
    settings = (precision, arguments.batch_size, device)
    quantized, full, macs = _networks(arguments)
    variants: dict[str, Callable[[], object]] = {
        "quantized": make_step(quantized, arguments.engine, *settings),
        "full_precision": make_step(full, arguments.engine, *settings),
    }
    if arguments.model == "resnet14":
        variants |= {
            "plain": make_first_loop(peer_networks.plain(BITS), arguments.batch_size, device),
            "plain_same_precision": make_step(peer_networks.plain(BITS), "eager", *settings),
        }
        try:
            variants |= _brevitas_steps(settings)
        except ImportError as error:
            print(f"no comparison with Brevitas, it could not be imported ({error}); pip install brevitas")
    variants["input"] = make_input(arguments.batch_size, device)
    variants["matrix_product"], matrix_flop = _matrix_product(precision, device)
    synchronize = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    interleaved_times_s(variants, 3, synchronize)
    times = medians(interleaved_times_s(variants, arguments.rounds, synchronize))
    return {
        **ratios(times, arguments.batch_size, matrix_flop, macs),
        "settings": _settings(arguments, precision),
        "machine": machine(device),
    }


def _networks(arguments: argparse.Namespace) -> tuple[nn.Module, nn.Module, int]:
    """Return the quantized network and the one in full precision, and their multiply-accumulates."""
    spec = network_spec({"model": arguments.model, "stem": arguments.stem})
    macs = describe_network(spec, ImageFormat()).macs
    if arguments.model == "resnet14":
        return peer_networks.ours(BITS), peer_networks.ours(FULL), macs
    units = find_units(spec)
    torch.manual_seed(0)
    networks = [make_network(spec, ImageFormat()) for _ in range(2)]
    bits = (arguments.bit_width,) * len(units.names)
    return prepare_network(networks[0], units, bits), networks[1], macs


def ratios(times: Mapping[str, float], batch_size: int, matrix_flop: int, macs: int) -> dict[str, Any]:
    """Return what follows from the median times of the variants, in seconds; None for peers that were not measured.

    Args:
        times: Of the steps, of the input, and of a matrix product.
        batch_size: Images of a step.
        matrix_flop: Operations of the matrix product.
        macs: Multiply-accumulates of the network for one image.
    """
    step_flop = 2 * PASSES_PER_STEP * macs * batch_size
    rate = matrix_flop / times["matrix_product"]
    return {
        "quantized_over_full_precision": times["quantized"] / times["full_precision"],
        **{f"speedup_over_{name}": times[name] / times["quantized"] if name in times else None for name in PEERS},
        "input_share": times["input"] / (times["input"] + times["quantized"]),
        "share_of_matmul_rate": step_flop / times["quantized"] / rate,
        "images_per_s": batch_size / times["quantized"],
        "matmul_gflop_per_s": rate / 1e9,
        "median_ms": {name: 1e3 * time_s for name, time_s in times.items()},
    }


def make_step(
    model: nn.Module, engine_kind: str, precision: str, batch_size: int, device: torch.device
) -> Callable[[], object]:
    """Return a training step as a trial does it: forward, loss, backward, fused SGD, channels last."""
    images, labels = _batch(batch_size, device)
    images = images.to(memory_format=torch.channels_last)
    model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    engine = Engine(engine_kind, precision, device)
    with engine.autocast():
        calibrate(model, [images], batch_statistics=True)
    engine.compile(model, images, labels)
    if engine.kind != engine_kind:
        raise SystemExit("nothing to measure: the training step could not be compiled here; try --engine eager")
    optimizer = make_optimizer(model, lr=1e-3, momentum=0.9, weight_decay=1e-4, scale_weight_decay=0.0)

    def step() -> None:
        optimizer.zero_grad()
        loss, _ = engine.step(model, images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _settings(arguments: argparse.Namespace, precision: str) -> dict[str, Any]:
    """Return what was measured."""
    return {
        "engine": arguments.engine,
        "precision": precision,
        "device": arguments.device,
        "batch_size": arguments.batch_size,
        "rounds": arguments.rounds,
        "network": arguments.model,
        "bit_widths": list(BITS) if arguments.model == "resnet14" else [arguments.bit_width],
        "quantizer": "lsq",
    }


def _brevitas_steps(settings: tuple[str, int, torch.device]) -> dict[str, Callable[[], object]]:
    """Return the steps of Brevitas, which imports it."""
    _, batch_size, device = settings
    return {
        "brevitas": make_first_loop(peer_networks.brevitas(BITS, collects_statistics=True), batch_size, device),
        "brevitas_settled": make_first_loop(
            peer_networks.brevitas(BITS, collects_statistics=False), batch_size, device
        ),
        "brevitas_settled_same_precision": make_step(
            peer_networks.brevitas(BITS, collects_statistics=False), "eager", *settings
        ),
    }


def make_first_loop(model: nn.Module, batch_size: int, device: torch.device) -> Callable[[], object]:
    """Return a training step as one writes it first."""
    images, labels = _batch(batch_size, device)
    model = model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def make_input(batch_size: int, device: torch.device) -> Callable[[], object]:
    """Return what comes before a training step on CIFAR-10."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N_IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    data = ImageSet(images.to(device), torch.zeros(N_IMAGES, dtype=torch.int64, device=device))
    normalize = Normalizer(torch.full((3,), 0.5), torch.full((3,), 0.25), device)
    epochs = itertools.chain.from_iterable(
        training_batches(data, batch_size, "crop_flip", generator) for _ in itertools.count()
    )
    return lambda: normalize(next(epochs)[0])


def _batch(batch_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, 32, 32, generator=generator)
    return images.to(device), torch.randint(0, 10, (batch_size,), generator=generator).to(device)


def _matrix_product(precision: str, device: torch.device) -> tuple[Callable[[], object], int]:
    """Return a large matrix product in the precision of the step, and its operations."""
    size = MATRIX_SIZE[device.type]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    factor = torch.randn(size, size, device=device).to(dtype)
    return lambda: factor @ factor, 2 * size**3


def _print(figures: dict[str, Any]) -> None:
    settings, host = figures["settings"], figures["machine"]
    print(
        f"{settings['network']} {settings['bit_widths']} {settings['quantizer']}, batch {settings['batch_size']}, "
        f"{settings['precision']}, ours {settings['engine']}, {host['n_threads']} threads, "
        f"{host['gpu_model'] or host['cpu_model']}, torch {host['torch']}"
    )
    for name, time_ms in figures["median_ms"].items():
        print(f"  {name:32} {time_ms:8.1f} ms")
    for name in ("quantized_over_full_precision", *(f"speedup_over_{peer}" for peer in PEERS)):
        value = figures[name]
        print(f"  {name:46} {'not measured' if value is None else format(value, '.2f')}")
    print(f"  {'input_share':46} {figures['input_share']:.3f}")
    share, rate = figures["share_of_matmul_rate"], figures["matmul_gflop_per_s"]
    print(f"  {'share_of_matmul_rate':46} {share:.2f} of {rate:.0f} Gflop/s; {figures['images_per_s']:.0f} images/s")


if __name__ == "__main__":
    main()
