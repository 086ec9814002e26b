"""All images of a folder, decoded and checked. No torch."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lwq_tune.data.decoded_cache import FORMAT, default_cache
from lwq_tune.data.decoded_images import DecodedImages, channel_statistics, check_memory
from lwq_tune.data.decoding import BACKGROUND, DecodedImage, decode_image
from lwq_tune.data.folders.hub_layout import SPLITS
from lwq_tune.data.folders.image_folder import ImageFolder
from lwq_tune.errors import DatasetError

MIN_STD = 0.5 / 255  # half a level: below it, a channel holds rounding and no picture
REPORT_EVERY_S = 5.0
MAX_SHARED = 0.5  # share of a part's images that may stand in another part of its split; real sets repeat a few images


def decode_folder(folder: ImageFolder, tell: Callable[[str], object] | None = None) -> DecodedImages:
    """Return all images of a folder.

    Args:
        folder: The folder.
        tell: Receives lines on the progress: one at the start, then one every `REPORT_EVERY_S` seconds.

    Raises:
        DatasetError: An image cannot be read or has another size than the first, all images together do not fit into
            memory, the training images do not vary, or a file repeats another's rows.
    """
    shape = folder.image_format.shape
    check_memory(sum(folder.n_images.values()), shape, str(folder.address.folder))
    progress = _Progress(folder, tell)
    images = {split: np.empty((n, *shape), dtype=np.uint8) for split, n in folder.n_images.items()}
    n_gray = n_composited = n_read_otherwise = 0
    for split in SPLITS:
        for index, (decoded, where) in enumerate(_decoded(folder, split)):
            _check_size(decoded, where, folder)
            images[split][index] = decoded.pixels.transpose(2, 0, 1)  # a gray one fills all channels
            n_gray += decoded.pixels.shape[2] == 1
            n_composited += decoded.is_composited
            n_read_otherwise += decoded.is_read_otherwise
            progress.advance()
    _release_arrow_memory()
    mean, std = channel_statistics(images["train"])
    _check_variation(images["train"], mean, std, folder.address.folder)
    notes = list(_repeated_images(folder, images))
    if n_composited:
        notes.append(f"{n_composited:,} images have transparent pixels, which were put on a {BACKGROUND} background")
    if n_gray and shape[0] > 1:
        n_images = sum(folder.n_images.values())
        notes.append(f"{n_gray:,} of {n_images:,} images are gray and were converted to colour, which the others have")
    return DecodedImages(
        train_images=images["train"],
        train_labels=np.concatenate(folder.labels.classes_of["train"]),
        test_images=images["test"],
        test_labels=np.concatenate(folder.labels.classes_of["test"]),
        mean=mean,
        std=std,
        num_classes=len(folder.labels.values),
        notes=tuple(notes),
        n_read_otherwise=n_read_otherwise,
    )


def cached_folder(folder: ImageFolder, tell: Callable[[str], object] | None = None) -> DecodedImages:
    """Return all images of a folder, from this node's cache where they were decoded before.

    Raises:
        DatasetError: As `decode_folder` does.
    """
    return default_cache().get(f"folder-{folder.digest()}-{FORMAT}", lambda: decode_folder(folder, tell))


class _Progress:
    """Reports that images are decoded, and how many are done."""

    def __init__(self, folder: ImageFolder, tell: Callable[[str], object] | None) -> None:
        self._tell, self._n_images, self._n_done = tell, sum(folder.n_images.values()), 0
        self._reported_s = time.monotonic()
        if tell is not None:
            tell(f"decoding {self._n_images:,} images of {folder.address.folder}, once on this host")

    def advance(self) -> None:
        self._n_done += 1
        if self._tell is not None and self._n_done % 256 == 0 and time.monotonic() - self._reported_s > REPORT_EVERY_S:
            self._reported_s = time.monotonic()
            self._tell(f"decoded {self._n_done:,} of {self._n_images:,} images")


def _decoded(folder: ImageFolder, split: str) -> Iterator[tuple[DecodedImage, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on metadata, once for each image
        for value, where in folder.images(split):
            yield decode_image(value, where, folder.address.size), where


def _check_size(decoded: DecodedImage, where: str, folder: ImageFolder) -> None:
    """Check that an image has the size of the first one.

    Raises:
        DatasetError: It has another.
    """
    height, width, _ = decoded.pixels.shape
    expected = folder.image_format
    if (height, width) != (expected.height, expected.width):
        raise DatasetError(
            f"all images of a data set must have one size, got {width}x{height} pixels (width x height) in {where} and "
            f"{expected.width}x{expected.height} in {folder.first_image()[1]}; say image_size: N, such as "
            f"{min(expected.height, expected.width)}, to have all resized to N x N "
            f"(dataset='{folder.address.place}?size=N')"
        )


def _release_arrow_memory() -> None:
    """Return the memory of encoded images: 32 MiB that Arrow would keep for CIFAR-10."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _check_variation(
    train: NDArray[np.uint8], mean: NDArray[np.float32], std: NDArray[np.float32], folder: Path
) -> None:
    """Check that the training images vary.

    Raises:
        DatasetError: A channel of the training images does not vary.
    """
    if (std >= MIN_STD).all():
        return
    names = "RGB" if len(mean) == 3 else ("gray",)
    levels = ", ".join(f"{name} {255 * m:.2f} ± {255 * s:.2f}" for name, m, s in zip(names, mean, std, strict=True))
    what = "are all equal" if (train == train[0, 0, 0, 0]).all() else "hardly vary in a channel"
    raise DatasetError(
        f"the training images must vary in each channel, the pixels of {folder} {what} (mean ± standard deviation of "
        f"0 to 255: {levels}); look at the images, and write them again"
    )


def _repeated_images(folder: ImageFolder, images: dict[str, NDArray[np.uint8]]) -> Iterator[str]:
    """Yield a warning for images that stand twice, compared by their pixels.

    Raises:
        DatasetError: A file repeats most images of another one of its split: the same rows under another name.
    """
    digests = {split: [hashlib.blake2b(image, digest_size=16).digest() for image in images[split]] for split in SPLITS}
    for split in SPLITS:
        yield from _repeated_between_parts(folder, split, digests[split])
    trained = set(digests["train"])
    n_seen, n_test = sum(digest in trained for digest in digests["test"]), folder.n_images["test"]
    if n_seen:
        yield (
            f"warning: {n_seen:,} of {n_test:,} test images ({n_seen / n_test:.1%}) are training images too, so "
            "the test accuracy is higher than on new images"
        )


def _repeated_between_parts(folder: ImageFolder, split: str, digests: Sequence[bytes]) -> Iterator[str]:
    files, parts = folder.parts(split), folder.labels.classes_of[split]
    owner: dict[tuple[bytes, int], int] = {}  # the first part that holds an image with its label
    n_different, begin = [], 0
    shared: Counter[tuple[int, int]] = Counter()
    for index, classes in enumerate(parts):
        rows = set(zip(digests[begin : begin + len(classes)], classes.tolist(), strict=True))
        shared.update((first, index) for row in rows if (first := owner.setdefault(row, index)) != index)
        if len(rows) < len(classes):
            n_again = len(classes) - len(rows)
            what = folder.kind_of_part
            yield f"warning: {n_again:,} images of {split} stand again in the same {what}, {files[index].name}"
        n_different.append(len(rows))
        begin += len(classes)
    for (first, second), n_shared in sorted(shared.items()):
        n_fewer = min(n_different[first], n_different[second])
        if n_shared > MAX_SHARED * n_fewer:
            raise DatasetError(
                f"each image must stand once in a split, {n_shared:,} of {n_fewer:,} images of {split} stand in "
                f"{files[first]} and again in {files[second]}; move one of the two away"
            )
        yield f"warning: {n_shared:,} images of {split} stand in {files[first].name} and again in {files[second].name}"
