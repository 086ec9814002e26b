"""ONNX Runtime on a CPU: a second reader of the file, which shows that it is standard. It is not measured with.

It makes only those convolutions integer that a quantizer follows; the others compute in float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lwq_tune.deployment.runtimes.base import ExecutedLayer, Precision


class OnnxRuntime:
    """The runtime.

    Raises:
        ImportError: ``onnxruntime`` is not installed.
    """

    name = "onnxruntime"

    def __init__(self) -> None:
        import onnxruntime

        self._module = onnxruntime
        self.version = str(onnxruntime.__version__)

    def load(
        self, content: bytes, *, n_threads: int, precision: Precision = "f32", batch_size: int | None = None
    ) -> LoadedOnnxRuntime:
        """Compile a network, for any number of images; there is no bfloat16 on a CPU.

        Raises:
            ValueError: The precision is not ``f32``.
        """
        if precision != "f32":
            raise ValueError(f"onnxruntime computes float layers in f32 on a CPU, got {precision}")
        options = self._module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
        options.log_severity_level = 3
        return LoadedOnnxRuntime(self._module.InferenceSession(content, options, ["CPUExecutionProvider"]))


class LoadedOnnxRuntime:
    """A session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, images: np.ndarray) -> np.ndarray:
        """Return the logits."""
        logits: np.ndarray = self._session.run(["logits"], {"images": images})[0]
        return logits

    def describe(self) -> tuple[ExecutedLayer, ...]:
        """Return nothing: the runtime does not tell how layers are executed."""
        return ()
