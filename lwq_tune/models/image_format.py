"""The form of the images of a data set, and how many classes they have. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFormat:
    """What a network is built for.

    Attributes:
        channels: 1 for gray, 3 for colour.
        height: Pixels.
        width: Pixels.
        num_classes: Outputs of the classifier.
    """

    channels: int = 3
    height: int = 32
    width: int = 32
    num_classes: int = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns of one image."""
        return self.channels, self.height, self.width

    def __str__(self) -> str:
        return f"{self.channels} x {self.height} x {self.width}"
