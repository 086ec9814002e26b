"""Small data sets in Hugging Face Hub layout, made on the spot."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_hub_folder(
    folder: Path,
    n_train: int = 40,
    n_test: int = 20,
    size: int = 32,
    image: str = "img",
    label: str = "label",
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Write two classes, dark and bright, and return the pixels by split, shape (n, size, size, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pixels = {}
    for split, n_images in (("train", n_train), ("test", n_test)):
        labels = np.arange(n_images) % 2
        noise = rng.integers(0, 100, (n_images, size, size, 3))
        pixels[split] = (noise + labels[:, None, None, None] * 150).astype(np.uint8)
        rows = [{"bytes": png(one), "path": f"{index}.png"} for index, one in enumerate(pixels[split])]
        table = pa.table({image: rows, label: pa.array(labels, pa.int64())})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return pixels
