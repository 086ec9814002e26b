"""`DatasetSettings`: what is read of a data set, as a search space and the command line say it.

No trial has them: they become part of the address of its data set, which `lwq_tune.data.address` describes.
"""

from __future__ import annotations

from pydantic import BaseModel

from lwq_tune.config.settings import setting
from lwq_tune.config.trial import STRICT

MAX_IMAGE_SIZE = 999_999


class DatasetSettings(BaseModel):
    """What is read of a data set; None where its usual names and its own size hold.

    What each setting means is said where it is declared.
    """

    model_config = STRICT

    image_size: int | None = setting(
        None, "pixels; all images are resized to that width and height (default: their own)", ge=1, le=MAX_IMAGE_SIZE
    )
    image_column: str | None = setting(
        None, "column of images in Parquet files (default: img or image)", metavar="COLUMN", min_length=1
    )
    label_column: str | None = setting(
        None, "column of labels in Parquet files (default: label, fine_label or labels)", metavar="COLUMN", min_length=1
    )
    train_split: str | None = setting(
        None, "split that serves as training images (default: train)", metavar="SPLIT", min_length=1
    )
    test_split: str | None = setting(
        None, "split that serves as test images (default: test, or else validation)", metavar="SPLIT", min_length=1
    )
