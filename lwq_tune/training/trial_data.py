"""The images of one trial on its device: training, validation and test part."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.batches import Normalizer, n_training_batches, training_batches
from lwq_tune.data.images import Dataset
from lwq_tune.data.split import split_validation

CALIBRATION_BATCH = 256  # forward only, in memory that a training step needs anyway


class TrialData:
    """What a trial trains, calibrates and is evaluated on.

    Attributes:
        train: Training part; it shares the memory of ``val``.
        val: Validation part.
        test: Test images.
        normalize: Makes floats of images.
    """

    def __init__(self, config: TrialConfig, dataset: Dataset, device: torch.device) -> None:
        self._config = config
        everything = dataset.train.to(device)
        self.train, self.val = split_validation(everything, config.validation_fraction, config.split_seed)
        self.test = dataset.test.to(device)
        self.normalize = Normalizer(dataset.mean, dataset.std, device)

    @property
    def n_steps(self) -> int:
        """Steps per epoch."""
        return n_training_batches(len(self.train), self._config.batch_size)

    def training_batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch."""
        return training_batches(self.train, self._config.batch_size, self._config.augmentation, generator)

    def first_batch(self) -> tuple[Tensor, Tensor]:
        """Return a batch of full size, normalised, and its labels."""
        batch = self._sample(self._config.batch_size)
        return self.normalize(batch[0]), batch[1]

    def calibration_batches(self) -> Iterator[Tensor]:
        """Yield the normalised training images that set the ranges of the quantizers."""
        images, _ = self._sample(self._config.calibration_images)
        for start in range(0, len(images), CALIBRATION_BATCH):
            yield self.normalize(images[start : start + CALIBRATION_BATCH])

    def _sample(self, n_images: int) -> tuple[Tensor, Tensor]:
        """Return training images drawn by the split's seed: a data set may be sorted by class."""
        generator = torch.Generator().manual_seed(self._config.split_seed)
        indices = torch.randperm(len(self.train), generator=generator)[:n_images]
        part = self.train.take(indices.to(self.train.device))
        return part.images, part.labels
