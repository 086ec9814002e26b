"""Random images as a decoder returns them, and their comparison; no torch, which a process takes seconds to load."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from lwq_tune.data.decoded_images import DecodedImages, channel_statistics


def decoded(seed: int = 0, n_train: int = 20, n_test: int = 10) -> DecodedImages:
    rng = np.random.default_rng(seed)
    train, test = (rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8) for n in (n_train, n_test))
    train_labels, test_labels = (rng.integers(0, 4, n, dtype=np.int64) for n in (n_train, n_test))
    mean, std = channel_statistics(train)
    return DecodedImages(
        train, train_labels, test, test_labels, mean, std, num_classes=4, notes=("ä note",), n_read_otherwise=3
    )


def assert_equal(found: DecodedImages, expected: DecodedImages) -> None:
    for field in fields(DecodedImages):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype, field.name
            assert np.array_equal(one, other), field.name
        else:
            assert one == other, field.name


def never() -> DecodedImages:
    raise AssertionError("decoded again")
