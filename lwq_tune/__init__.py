"""Sweeps over layer-wise quantization: accuracy against energy and emissions."""

__version__ = "0.1.0"
