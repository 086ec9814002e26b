"""`ImageFormat`: what a network must know of the images of a data set. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ImageFormat:
    """The shape that all images of a data set have, and its classes.

    Attributes:
        channels: 1 for gray, 3 for colour.
        height: Rows of pixels.
        width: Columns of pixels.
        num_classes: Classes.
    """

    channels: int = 3
    height: int = 32
    width: int = 32
    num_classes: int = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width

    def record(self) -> dict[str, int]:
        """Return the shape for the record of a data set in a manifest, which has ``num_classes`` already."""
        return {"channels": self.channels, "height": self.height, "width": self.width}

    @classmethod
    def of_record(cls, dataset: Mapping[str, Any]) -> ImageFormat:
        """Return the format in the record of a data set.

        Args:
            dataset: From a manifest. Earlier versions recorded no shape, since they read all images as 3x32x32.

        >>> ImageFormat.of_record({"dataset": "digits", "num_classes": 10})
        ImageFormat(channels=3, height=32, width=32, num_classes=10)
        """
        channels, height, width = (dataset.get(name, n) for name, n in (("channels", 3), ("height", 32), ("width", 32)))
        return cls(channels, height, width, dataset["num_classes"])

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))
