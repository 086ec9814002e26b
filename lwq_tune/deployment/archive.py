"""A trained network as one file that is enough to run it: what it computes in evaluation, and nothing else.

The file is a NumPy archive (``.npz``). Its array ``description`` is JSON in UTF-8 as bytes:

- ``format_version``: 3. ``trial``: the trial's settings.
- ``data``: what describes the data set: ``mean`` and ``std`` of each channel, by which ``pixels`` from 0 to 255 become
  normalised images, ``(pixels / 255 - mean) / std``, null where the checkpoint does not know them; ``classes``, the
  label that each output stands for, and ``class_names``, its name where the data set has names, else empty.
- ``image_shape``: channels, rows and columns of an image.
- ``steps``: the forward pass from normalised images, shape (n, channels, rows, columns), to logits, see
  `lwq_tune.deployment.forward_steps`.
- ``weights``: ``bit_width``, ``signed`` and ``shape`` of each quantized weight, by name. The array ``NAME.packed``
  holds its levels, see `lwq_tune.quantization.packing`.
- ``activations``: ``bit_width``, ``highest`` level and ``signed`` of each grid of activations, by the name that steps
  ``quantize`` have.

A grid, of a weight or of activations, has the arrays ``NAME.scale`` and ``NAME.zero_point``, float32, one value or one
for each output channel. A level is an integer from 0 to 2**bit_width - 1, of activations to ``highest``, and stands for
``(level - zero_point) * scale``; ``signed`` says whether one of these is below 0. The level of an activation x is
``round(x / scale) + zero_point``, rounded half to even and clamped to that range. Zero points are integers, except for
DoReFa's weights (``dorefa`` and ``pact``), whose grid lies symmetrically around 0: ``(2**bit_width - 1) / 2``. Scales
are those that the network uses: a learned step or clipping level counts by its magnitude and has a smallest value.

The other arrays, in float32, are those that steps name: weights that are not quantized, biases, and ``weight``,
``bias``, ``running_mean`` and ``running_var`` of batch norm. A trial of ``precision: bf16`` rounds weights and
activations to bfloat16 as well, which is not in the file.

Version 2 has no ``image_shape``, which was (3, 32, 32), no ``dilation`` and ``groups`` of convolutions, which were 1,
and no ``highest``, which was 2**bit_width - 1; it is read as version 3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.network import IMAGE_SHAPE, GridValues, Network
from lwq_tune.errors import ResultsError
from lwq_tune.files.atomic import whole_file
from lwq_tune.quantization.packing import pack_bits, unpack_bits

FORMAT_VERSION, READABLE_VERSIONS = 3, (2, 3)
_DESCRIPTION = "description"


def export_network(
    network: Network, config: TrialConfig, file: Path, *, data: dict[str, Any] | None = None
) -> dict[str, int]:
    """Write the network of a trial as a NumPy archive and return its sizes in bytes.

    Args:
        network: The network.
        config: The trial.
        file: Target, written whole or not at all.
        data: What describes the data set, as values that JSON knows; ``mean`` and ``std``, a number for each channel.

    Returns:
        ``packed_bytes`` of the quantized weights and ``float_bytes``, what they would take in float32.

    Raises:
        ResultsError: The file cannot be written.
    """
    arrays = dict(network.arrays)
    for name, weight in network.weights.items():
        arrays[f"{name}.packed"] = pack_bits(weight.levels, weight.bit_width)
    for name, grid in {**network.grids, **network.weights}.items():
        arrays |= {f"{name}.scale": grid.scale, f"{name}.zero_point": grid.zero_point}
    description = {
        "format_version": FORMAT_VERSION,
        "trial": config.model_dump(mode="json"),
        "data": data,
        "image_shape": list(network.image_shape),
        "steps": network.steps,
        "weights": {
            name: {**_about(weight), "shape": list(weight.levels.shape)} for name, weight in network.weights.items()
        },
        "activations": {name: {**_about(grid), "highest": grid.highest} for name, grid in network.grids.items()},
    }
    arrays[_DESCRIPTION] = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    _write(file, arrays)
    return {
        "packed_bytes": sum(int(arrays[f"{name}.packed"].nbytes) for name in network.weights),
        "float_bytes": sum(4 * weight.levels.size for weight in network.weights.values()),
    }


def load_export(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and all tensors of an exported network, its weights decoded to float32.

    Raises:
        ResultsError: The file is not such an archive, or of a version that is not known.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description = _as_present(json.loads(arrays.pop(_DESCRIPTION).tobytes()), file)
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        for name, about in description["weights"].items():
            packed = tensors.pop(f"{name}.packed").numpy()
            levels = unpack_bits(packed, about["bit_width"], int(np.prod(about["shape"]))).reshape(about["shape"])
            scale, zero_point = (tensors.pop(f"{name}.{part}") for part in ("scale", "zero_point"))
            tensors[name] = (torch.from_numpy(levels) - zero_point) * scale
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"an exported network must be a whole archive of `lwq_tune export`, {file} is not"
        ) from error
    return description, tensors


def _as_present(description: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return a description as the present version writes it.

    Raises:
        ResultsError: It is of a version that is not known; version 1 holds steps of quantizers as learned, not as used.
    """
    version = description["format_version"]
    if version not in READABLE_VERSIONS:
        known = " or ".join(map(str, READABLE_VERSIONS))
        raise ResultsError(
            f"an exported network must be of format version {known}, {file} is of {version!r}; "
            "export it anew from its run"
        )
    of_convolutions = {"dilation": [1, 1], "groups": 1}
    steps = [{**of_convolutions, **step} if step["op"] == "conv" else step for step in description["steps"]]
    grids = description["activations"].items()
    return {
        "image_shape": list(IMAGE_SHAPE),
        **description,
        "format_version": FORMAT_VERSION,
        "steps": steps,
        "activations": {name: {"highest": 2 ** about["bit_width"] - 1, **about} for name, about in grids},
    }


def _about(grid: GridValues) -> dict[str, Any]:
    return {"bit_width": grid.bit_width, "signed": grid.is_signed}


def _write(file: Path, arrays: dict[str, Any]) -> None:
    try:
        with whole_file(file, is_shared=True) as part, part.open("wb") as stream:
            np.savez(stream, **arrays)
    except OSError as error:
        raise ResultsError(f"--out must be a writable file, {file} is not ({error.strerror or error})") from error
