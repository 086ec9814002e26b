# ruff: noqa: T201 - the labels are the output
"""Run an exported network from its file alone, in NumPy: a reader of the format to start from.

``python examples/run_export.py NET.npz IMAGES.npy`` prints the label of each image, uint8, shape (n, 3, 32, 32). The
format is described in `lwq_tune/deployment/archive.py`, the steps in `lwq_tune/deployment/forward_steps.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Operation = Callable[..., Array]


def read_network(file: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the description and the arrays of an exported network, its weights unpacked."""
    with np.load(file) as archive:
        arrays = dict(archive)
    description = json.loads(arrays.pop("description").tobytes())
    for name, about in description["weights"].items():
        n_levels, bit_width = int(np.prod(about["shape"])), about["bit_width"]
        bits = np.unpackbits(arrays[f"{name}.packed"], count=n_levels * bit_width, bitorder="little")
        levels = np.packbits(bits.reshape(-1, bit_width), axis=1, bitorder="little").reshape(about["shape"])
        arrays[name] = (levels - arrays[f"{name}.zero_point"]) * arrays[f"{name}.scale"]
    return description, arrays


def quantize(x: Array, *, bit_width: int, scale: Array, zero_point: Array) -> Array:
    """Return the nearest values of a grid; their levels are what an integer runtime would compute with."""
    levels = np.clip(np.rint(x / scale) + zero_point, 0, 2**bit_width - 1)
    return (levels - zero_point) * scale


def conv(x: Array, *, weight: Array, stride: list[int], padding: list[int]) -> Array:
    """Return the cross-correlation of images with a weight, shape (c_out, c_in, k, k)."""
    padded = np.pad(x, [(0, 0), (0, 0), *((n, n) for n in padding)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1]]  # (n, c_in, rows, columns, k, k)
    return np.tensordot(windows, weight, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


def batch_norm(x: Array, *, mean: Array, variance: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Return images with each channel shifted and scaled."""
    factor = weight / np.sqrt(variance + eps)
    return x * factor[:, None, None] + (bias - mean * factor)[:, None, None]


OPERATIONS: dict[str, Operation] = {
    "quantize": quantize,
    "conv": conv,
    "batch_norm": batch_norm,
    "relu": lambda x: np.maximum(x, 0),
    "add": np.add,
    "subsample": lambda x, *, stride: x[:, :, :: stride[0], :: stride[1]],
    "average_pool": lambda x: x.mean(axis=(2, 3), keepdims=True),
    "flatten": lambda x: x.reshape(len(x), -1),
    "linear": lambda x, *, weight, bias: x @ weight.T + bias,
}


def operands(step: dict[str, Any], description: dict[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a step needs beside its inputs."""
    if step["op"] == "quantize":
        name = step["grid"]
        bit_width = description["activations"][name]["bit_width"]
        return {"bit_width": bit_width, "scale": arrays[f"{name}.scale"], "zero_point": arrays[f"{name}.zero_point"]}
    if step["op"] == "batch_norm":
        parts = {"mean": "running_mean", "variance": "running_var", "weight": "weight", "bias": "bias"}
        return {"eps": step["eps"]} | {part: arrays[f"{step['name']}.{name}"] for part, name in parts.items()}
    return {
        part: arrays[value] if part in ("weight", "bias") else value
        for part, value in step.items()
        if part in ("weight", "bias", "stride", "padding")
    }


def normalize(pixels: Array, data: dict[str, Any]) -> Array:
    """Return float images of pixels from 0 to 255, shape (n, 3, h, w)."""
    mean, std = (np.array(data[name], dtype=np.float32)[:, None, None] for name in ("mean", "std"))
    return (pixels.astype(np.float32) / 255 - mean) / std


def forward(
    description: dict[str, Any],
    arrays: Mapping[str, Array],
    images: Array,
    operations: Mapping[str, Operation] = OPERATIONS,
) -> Array:
    """Return the logits, shape (n, classes), of normalised images, shape (n, 3, 32, 32)."""
    values, output = {"images": images}, "images"
    for step in description["steps"]:
        inputs, output = (values[name] for name in step["inputs"]), step["output"]
        values[output] = operations[step["op"]](*inputs, **operands(step, description, arrays))
    return values[output]


def main() -> None:
    """Print a label a line."""
    parser = argparse.ArgumentParser(description="Classify images with an exported network.")
    parser.add_argument("network", type=Path, metavar="NET.npz")
    parser.add_argument("images", type=Path, metavar="IMAGES.npy", help="uint8, shape (n, 3, 32, 32)")
    arguments = parser.parse_args()
    description, arrays = read_network(arguments.network)
    data = description["data"]
    if not data or data["mean"] is None:
        parser.error(f"mean and std of the training images must be in the file, {arguments.network} lacks them")
    logits = forward(description, arrays, normalize(np.load(arguments.images), data))
    labels = data["class_names"] or data["classes"]
    print(*(labels[output] for output in logits.argmax(axis=1)), sep="\n")


if __name__ == "__main__":
    main()
