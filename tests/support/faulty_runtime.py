"""A runtime that computes something else than it is given."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from lwq_tune.deployment.runtimes.base import LoadedNetwork, Precision
from lwq_tune.deployment.runtimes.choice import make_runtime

Change = Callable[[onnx.ModelProto], None]


class FaultyRuntime:
    """OpenVINO, given a file that was changed."""

    name, version = "faulty", "1"

    def __init__(self, change: Change) -> None:
        self._change = change

    def load(self, content: bytes, *, n_threads: int, precision: Precision = "f32") -> LoadedNetwork:
        model = onnx.load_from_string(content)
        self._change(model)
        return make_runtime("openvino").load(model.SerializeToString(), n_threads=n_threads, precision=precision)
