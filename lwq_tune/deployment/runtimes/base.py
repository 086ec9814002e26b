"""What a runtime is: it loads a file, runs it, and says what ran. A new one is a module with these three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Precision = Literal["f32", "bf16"]


@dataclass(frozen=True)
class ExecutedLayer:
    """A convolution or linear layer as a runtime executes it.

    Attributes:
        name: Its name in the network.
        precision: What it computes with, in the runtime's words: ``f32``, ``bf16``, ``u8``, ``i8``.
        primitive: The runtime's name of the kernel; empty where it does not tell.
    """

    name: str
    precision: str
    primitive: str

    @property
    def is_integer(self) -> bool:
        """Whether it computes with integers."""
        return self.precision in ("u8", "i8", "u4", "i4")


class LoadedNetwork(Protocol):
    """A network that a runtime has compiled."""

    def run(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, shape (n, classes), of normalised images, shape (n, c, h, w), float32."""

    def describe(self) -> tuple[ExecutedLayer, ...]:
        """Return how each convolution and linear layer is executed; empty where the runtime does not tell."""


class Runtime(Protocol):
    """A library that executes ONNX files.

    Attributes:
        name: Its name in tables.
        version: Its version.
    """

    name: str
    version: str

    def load(
        self, content: bytes, *, n_threads: int, precision: Precision = "f32", batch_size: int | None = None
    ) -> LoadedNetwork:
        """Compile a network.

        Args:
            content: An ONNX model.
            n_threads: Threads that it runs with.
            precision: What float layers compute with.
            batch_size: Images of every call, for which it is compiled then; None for any number.
        """
