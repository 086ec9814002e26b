"""A trained network as one file: weights as packed integers, everything else in float32."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lwq_tune.config import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.quantization.layers import encoded_weights
from lwq_tune.quantization.packing import pack_bits, unpack_bits
from lwq_tune.training.model import build_model

FORMAT_VERSION = 1
_DESCRIPTION = "description"


def export_network(config: TrialConfig, state: dict[str, Tensor], file: Path) -> dict[str, int]:
    """Write the network of a trial as a NumPy archive and return its sizes in bytes.

    The archive holds, per quantized weight, ``NAME.packed`` (see `lwq_tune.quantization.packing`), ``NAME.scale``
    and ``NAME.offset``; every other tensor under its name; and ``description``, JSON as bytes: the trial, and bits
    and shape of each packed weight. A weight is ``levels * scale + offset``.

    Args:
        config: The trial.
        state: State of its network, from a checkpoint.
        file: Target, written whole or not at all.

    Returns:
        ``packed_bytes`` of the quantized weights and ``float_bytes``, what they would take in float32.

    Raises:
        ResultsError: The file cannot be written.
    """
    model = build_model(config, num_classes=state["fc.weight"].shape[0], initial=state)
    model.load_state_dict(state)
    packed = encoded_weights(model.eval())
    arrays: dict[str, Any] = {name: value.numpy() for name, value in state.items() if name not in packed}
    weights = {}
    for name, (bit_width, encoded) in packed.items():
        arrays[f"{name}.packed"] = pack_bits(encoded.levels.numpy(), bit_width)
        arrays[f"{name}.scale"] = encoded.scale.numpy()
        arrays[f"{name}.offset"] = encoded.offset.numpy()
        weights[name] = {"bit_width": bit_width, "shape": list(encoded.levels.shape)}
    description = {"format_version": FORMAT_VERSION, "trial": config.model_dump(mode="json"), "weights": weights}
    arrays[_DESCRIPTION] = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    _write(file, arrays)
    return {
        "packed_bytes": sum(int(arrays[f"{name}.packed"].nbytes) for name in packed),
        "float_bytes": sum(4 * encoded.levels.numel() for _, encoded in packed.values()),
    }


def load_export(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and all tensors of an exported network, its weights decoded to float32.

    Raises:
        ResultsError: The file is not such an archive.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description: dict[str, Any] = json.loads(arrays.pop(_DESCRIPTION).tobytes())
        tensors = {}
        for name, about in description["weights"].items():
            n_levels = int(np.prod(about["shape"]))
            levels = unpack_bits(arrays.pop(f"{name}.packed"), about["bit_width"], n_levels).reshape(about["shape"])
            scale, offset = (torch.from_numpy(arrays.pop(f"{name}.{part}")) for part in ("scale", "offset"))
            tensors[name] = torch.from_numpy(levels) * scale + offset
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"an exported network must be a whole archive of `lwq_tune export`, {file} is not"
        ) from error
    return description, tensors | {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}


def _write(file: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    part = file.with_name(f".{file.name}.tmp")
    try:
        with part.open("wb") as stream:
            stream.write(buffer.getvalue())
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ResultsError(f"--out must be a writable file, {file} is not ({error.strerror or error})") from error
