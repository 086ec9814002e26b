"""OpenVINO on a CPU: executes QDQ convolutions with 8-bit integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lwq_tune.deployment.runtimes.base import ExecutedLayer, Precision

_LAYERS = ("Convolution", "GroupConvolution", "FullyConnected", "MatMul")


class OpenVino:
    """The runtime.

    Raises:
        ImportError: ``openvino`` is not installed.
    """

    name = "openvino"

    def __init__(self) -> None:
        import openvino

        self._core = openvino.Core()
        self.version = str(openvino.__version__).split("-")[0]

    def load(self, content: bytes, *, n_threads: int, precision: Precision = "f32") -> LoadedOpenVino:
        """Compile a network; the precision hint is explicit, since the default depends on the CPU."""
        options = {
            "INFERENCE_NUM_THREADS": n_threads,
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        return LoadedOpenVino(self._core.compile_model(self._core.read_model(content), "CPU", options))


class LoadedOpenVino:
    """A compiled network."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()

    def run(self, images: np.ndarray) -> np.ndarray:
        """Return the logits."""
        logits: np.ndarray = self._request.infer([images])[0]
        return logits

    def describe(self) -> tuple[ExecutedLayer, ...]:
        """Return how each layer is executed, from the compiled graph."""
        found = []
        for node in self._compiled.get_runtime_model().get_ops():
            about = {key: _text(value) for key, value in node.get_rt_info().items()}
            if about.get("layerType") in _LAYERS:
                names = about.get("originalLayersNames", node.get_friendly_name()).split(",")
                found.append(ExecutedLayer(names[0], about.get("runtimePrecision", ""), about.get("primitiveType", "")))
        return tuple(found)


def _text(value: Any) -> str:
    return str(value.astype(str)) if hasattr(value, "astype") else str(value)
