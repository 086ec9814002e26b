# ruff: noqa: T201 - the labels are the output
"""Run an exported network from its file alone, in NumPy: a reader of the format to start from.

``python examples/run_export.py NET.npz IMAGES.npy`` prints the label of each image, uint8, shape (n, c, h, w), such as
(n, 3, 32, 32). The format is described in `lwq_tune/deployment/archive.py`, the steps in
`lwq_tune/deployment/forward_steps.py`.
"""

from __future__ import annotations

import argparse
import json
import math
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


def quantize(x: Array, *, highest: int, scale: Array, zero_point: Array) -> Array:
    """Return the nearest values of a grid; their levels are what an integer runtime would compute with."""
    levels = np.clip(np.rint(x / scale) + zero_point, 0, highest)
    return (levels - zero_point) * scale


def windows_of(x: Array, kernel: list[int], stride: list[int], dilation: list[int] | None = None) -> Array:
    """Return the windows of images, shape (n, c, rows, columns, k, k).

    Args:
        x: Images with their padding.
        kernel: Size of a window.
        stride: Distance of two windows.
        dilation: Distance of two values of a window.
    """
    rows, columns = dilation or [1, 1]
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, (rows, columns), strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, extents, axis=(2, 3))
    return windows[:, :, :: stride[0], :: stride[1], ::rows, ::columns]


def conv(
    x: Array,
    *,
    weight: Array,
    stride: list[int],
    padding: list[int],
    bias: Array | None = None,
    dilation: list[int] | None = None,
    groups: int = 1,
) -> Array:
    """Return the cross-correlation of images with a weight, shape (c_out, c_in / groups, k, k)."""
    padded = np.pad(x, [(0, 0), (0, 0), *((n, n) for n in padding)])
    parts = [
        np.tensordot(
            windows_of(channels, list(weight.shape[2:]), stride, dilation), kernels, axes=([1, 4, 5], [1, 2, 3])
        ).transpose(0, 3, 1, 2)
        for channels, kernels in zip(np.split(padded, groups, axis=1), np.split(weight, groups), strict=True)
    ]
    out = np.concatenate(parts, axis=1)
    return out if bias is None else out + bias[:, None, None]


def linear(x: Array, *, weight: Array, bias: Array | None = None) -> Array:
    """Return values of images, shape (n, c_in), times a weight, shape (c_out, c_in)."""
    out = x @ weight.T
    return out if bias is None else out + bias


def batch_norm(x: Array, *, mean: Array, variance: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Return images with each channel shifted and scaled."""
    factor = weight / np.sqrt(variance + eps)
    shape = (-1, *(1,) * (x.ndim - 2))
    return x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)


def surrounded(
    x: Array, value: float, kernel: list[int], stride: list[int], padding: list[int], size: list[int]
) -> Array:
    """Return images with a value around them, as far as windows reach."""
    reach = [(m - 1) * step + k for m, step, k in zip(size, stride, kernel, strict=True)]
    pads = [(before, max(before, end - n - before)) for before, end, n in zip(padding, reach, x.shape[2:], strict=True)]
    return np.pad(x, [(0, 0), (0, 0), *pads], constant_values=value)


def max_pool(x: Array, *, kernel: list[int], stride: list[int], padding: list[int], size: list[int]) -> Array:
    """Return the largest value of each window."""
    return windows_of(surrounded(x, -np.inf, kernel, stride, padding, size), kernel, stride).max(axis=(4, 5))


def window_average(
    x: Array, *, kernel: list[int], stride: list[int], padding: list[int], size: list[int], counts_padding: bool
) -> Array:
    """Return the mean of each window."""
    counted = np.ones_like(x)
    if counts_padding:  # as if the padding were of the images
        x, counted = (np.pad(one, [(0, 0), (0, 0), *((n, n) for n in padding)]) for one in (x, counted))
        counted, padding = np.ones_like(counted), [0, 0]
    sums, counts = (
        windows_of(surrounded(one, 0, kernel, stride, padding, size), kernel, stride).sum(axis=(4, 5))
        for one in (x, counted)
    )
    return sums / counts


def adaptive_average(x: Array, *, size: list[int]) -> Array:
    """Return the means of parts of the rows, and of parts of the columns of these."""
    for axis, m in zip((2, 3), size, strict=True):
        n = x.shape[axis]
        parts = (x.take(range(i * n // m, -(-(i + 1) * n // m)), axis=axis) for i in range(m))
        x = np.stack([part.mean(axis=axis) for part in parts], axis=axis)
    return x


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def hardsigmoid(x: Array) -> Array:
    """Return x / 6 + 1 / 2, clipped to [0, 1]."""
    return np.clip(x / 6 + 0.5, 0, 1)


def gelu(x: Array) -> Array:
    """Return x times the probability that a normal value is below it."""
    return x * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2))) / 2


OPERATIONS: dict[str, Operation] = {
    "quantize": quantize,
    "conv": conv,
    "linear": linear,
    "batch_norm": batch_norm,
    "relu": lambda x: np.maximum(x, 0),
    "clip": lambda x, *, low, high: np.clip(x, low, high),
    "leaky_relu": lambda x, *, slope: np.where(x < 0, slope * x, x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "gelu": gelu,
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda x: x * hardsigmoid(x),
    "add": lambda x, y=None, *, constant=None: x + (y if constant is None else constant),
    "multiply": lambda x, y=None, *, constant=None: x * (y if constant is None else constant),
    "concat": lambda *x: np.concatenate(x, axis=1),
    "channels": lambda x, *, start, stop: x[:, start:stop],
    "subsample": lambda x, *, stride: x[:, :, :: stride[0], :: stride[1]],
    "max_pool": max_pool,
    "window_average": window_average,
    "adaptive_average": adaptive_average,
    "average_pool": lambda x: x.mean(axis=(2, 3), keepdims=True),
    "flatten": lambda x: x.reshape(len(x), -1),
    "reshape": lambda x, *, shape: x.reshape(len(x), *shape),
    "expand": lambda x, *, shape: np.broadcast_to(x, (len(x), *shape)),
    "permute": lambda x, *, axes: x.transpose(axes),
}


def operands(step: dict[str, Any], description: dict[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a step needs beside its inputs."""
    if step["op"] == "quantize":
        name = step["grid"]
        about = description["activations"][name]
        highest = about.get("highest", 2 ** about["bit_width"] - 1)
        return {"highest": highest, "scale": arrays[f"{name}.scale"], "zero_point": arrays[f"{name}.zero_point"]}
    if step["op"] == "batch_norm":
        parts = {"mean": "running_mean", "variance": "running_var", "weight": "weight", "bias": "bias"}
        return {"eps": step["eps"]} | {part: arrays[f"{step['name']}.{name}"] for part, name in parts.items()}
    return {
        part: arrays[value] if part in ("weight", "bias") else value
        for part, value in step.items()
        if part not in ("op", "inputs", "output")
    }


def normalize(pixels: Array, data: dict[str, Any]) -> Array:
    """Return float images of pixels from 0 to 255, shape (n, c, h, w)."""
    mean, std = (np.array(data[name], dtype=np.float32)[:, None, None] for name in ("mean", "std"))
    return (pixels.astype(np.float32) / 255 - mean) / std


def forward(
    description: dict[str, Any],
    arrays: Mapping[str, Array],
    images: Array,
    operations: Mapping[str, Operation] = OPERATIONS,
) -> Array:
    """Return the logits, shape (n, classes), of normalised images, shape (n, c, h, w)."""
    values, output = {"images": images}, "images"
    for step in description["steps"]:
        inputs, output = (values[name] for name in step["inputs"]), step["output"]
        values[output] = operations[step["op"]](*inputs, **operands(step, description, arrays))
    return values[output]


def main() -> None:
    """Print a label a line."""
    parser = argparse.ArgumentParser(description="Classify images with an exported network.")
    parser.add_argument("network", type=Path, metavar="NET.npz")
    parser.add_argument("images", type=Path, metavar="IMAGES.npy", help="uint8, shape (n, c, h, w)")
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
